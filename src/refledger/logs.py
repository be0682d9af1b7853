"""Logs: one JSON object per line, or lines for people; on standard error, without secrets and people."""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
import structlog

_KEY = re.compile(r"(refv_(?:sk_)?(?:live|test)_)[0-9A-Za-z]+")
_EMAIL = re.compile(r"[^\s@\"'<>(),;:=\[\]{}]+@[^\s@\"'<>(),;:=\[\]{}]+")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def mask(text: str) -> str:
    """Keys and e-mail addresses cut out: an exception's text may quote what a request held."""
    if "refv_" in text:
        text = _KEY.sub(r"\1…", text)
    return _EMAIL.sub("…@…", text) if "@" in text else text


def _masked(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: mask(value) if isinstance(value, str) else value for name, value in event.items()}


def _json(event: MutableMapping[str, Any], **_) -> bytes:
    return orjson.dumps(event, default=repr)


def style_of(setting: str) -> str:
    """json | console. `auto`: for people where standard error is a terminal, for machines elsewhere."""
    if setting != "auto":
        return setting
    return "console" if sys.stderr is not None and sys.stderr.isatty() else "json"


def configure(level: str = "info", style: str = "json") -> None:
    """`style`: json | console. Other libraries' records (the server's among them) come out alike."""
    shared = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _masked,
    ]
    if style == "json":
        render, factory = structlog.processors.JSONRenderer(_json), structlog.BytesLoggerFactory(_Stderr())
        foreign = structlog.processors.JSONRenderer(lambda event, **_: _json(event).decode())
    else:
        render = foreign = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, foreign],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=_LEVELS[level], force=True)
    # Told by `web.protocol` with the request's id.
    logging.getLogger("uvicorn.error").addFilter(_is_no_unreadable_request)
    # Each request and each SQL statement has its own account already.
    for name in ("httpx", "httpcore", "alembic", "sqlalchemy", "asyncio"):
        logging.getLogger(name).setLevel(max(_LEVELS[level], logging.WARNING))


def _is_no_unreadable_request(record: logging.LogRecord) -> bool:
    return record.msg != "Invalid HTTP request received."


class _Stderr:
    """Standard error as it is now: it may be replaced, or gone."""

    def write(self, line: bytes) -> None:
        write_lines(line)

    def flush(self) -> None:
        return None


def write_lines(lines: bytes) -> None:
    with suppress(OSError, ValueError):  # a reader that has gone costs nobody their answer
        stream = getattr(sys.stderr, "buffer", None)
        if stream is None:
            sys.stderr.write(lines.decode())
        else:
            stream.write(lines)
        sys.stderr.flush()


class AccessLog:
    """A line per request, gathered for a moment and written together. Called on the event loop."""

    FLUSH_S = 0.1
    MOST_LINES = 500

    def __init__(
        self, level: str = "info", style: str = "json", write: Callable[[bytes], None] = write_lines
    ):
        self.on = _LEVELS[level] <= 20
        self._format = _json_line if style == "json" else _console_line
        self._write = write
        self._lines: list[bytes] = []

    def line(
        self, request_id: str, method: str, route: str, status: int, seconds: float, address: str | None
    ) -> None:
        """`method` and `route` are of our own making, as are all other texts: nothing here needs escaping."""
        self._lines.append(self._format(request_id, method, route, status, seconds * 1000, address))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(self.FLUSH_S, self.flush)
        elif len(self._lines) >= self.MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what is gathered; to be called before the process ends, too."""
        if self._lines:
            lines, self._lines = b"".join(self._lines), []
            self._write(lines)


def _json_line(
    request_id: str, method: str, route: str, status: int, duration_ms: float, address: str | None
) -> bytes:
    quoted = f'"{address}"' if address else "null"
    second, ms = divmod(time.time_ns() // 1_000_000, 1000)
    return (
        f'{{"timestamp":"{_second(second)}.{ms:03}Z","level":"info","event":"request","request_id":"{request_id}",'
        f'"method":"{method}","route":"{route}","status":{status},"duration_ms":{duration_ms:.3f},'
        f'"address":{quoted}}}\n'
    ).encode()


def _console_line(
    request_id: str, method: str, route: str, status: int, duration_ms: float, address: str | None
) -> bytes:
    time_of_day = _second(time.time_ns() // 1_000_000_000)[11:]
    return f"{time_of_day} {status} {method} {route} {duration_ms:.1f} ms {address} {request_id}\n".encode()


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
