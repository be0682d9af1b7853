"""The server's HTTP protocol with two limits it lacks: on the size of a request's head, and on its time."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import unquote

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from refledger.core.ids import make_id
from refledger.core.refusals import Reason, Refusal
from refledger.web.errors import error_body
from refledger.web.plumbing import READ_OFF_BYTES, WHOLE, Scope

log = structlog.get_logger()

# Status and headers of an answer without a body; None where the request has to go the usual way.
AtOnce = Callable[[Scope], tuple[int, list[tuple[bytes, bytes]]] | None]


_OF_A_BODY = (b"content-length", b"transfer-encoding", b"expect")


class _HeadTooLarge(Exception):
    """Ends the parsing of a head."""


class Protocol(HttpToolsProtocol):
    """A head that comes whole in one read, as nearly all do, costs a comparison; the others get a timer.

    What the application can answer from memory, without a body to wait for, it is asked for here (its `at_once`): a
    followed link would else spend more on the task, the messages and the events of a request than on itself.
    """

    header_bytes: ClassVar[int] = 32_768
    head_s: ClassVar[float] = 10.0
    at_once_under: ClassVar[bytes] = b"/r/"

    _at_once: AtOnce | None = None
    _answered = False  # the request that is being read
    _at_rest = False  # it was, and all of it is read

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0
    _read_bytes = 0
    _unwanted_bytes = 0
    _too_large = False

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self._at_once = getattr(self.app, "at_once", None)
        self._arm()

    def data_received(self, data: bytes) -> None:
        self._read_bytes = len(data)
        super().data_received(data)
        cycle = self.cycle
        if self._in_head or (not self._at_rest and (cycle is None or cycle.response_complete)):
            self._wait_on(len(data))

    def _wait_on(self, read_bytes: int) -> None:
        """Part of a head is here, or what belongs to no request: it may not go on for ever."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += read_bytes
            if self._head_bytes > self.header_bytes:
                self._too_large = True
                self.send_400_response("")
                return
        self._arm()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes, self._unwanted_bytes, self._at_rest = True, 0, 0, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Only a read that is longer than a head may be can have brought one that is too long.
        if self._read_bytes + self._head_bytes > self.header_bytes:
            head_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if head_bytes > self.header_bytes:
                self._too_large = True
                raise _HeadTooLarge
        if not self._answer_at_once():
            super().on_headers_complete()

    def _answer_at_once(self) -> bool:
        cycle = self.cycle
        if (
            self._at_once is None
            or not self.url.startswith(self.at_once_under)
            or self.parser.get_method() != b"GET"
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or self.parser.should_upgrade()
            or (cycle is not None and not cycle.response_complete)  # an earlier answer comes first
            or self.flow.write_paused
            or any(name in _OF_A_BODY for name, _ in self.headers)
        ):
            return False
        url = httptools.parse_url(self.url)
        scope = self.scope
        scope["method"], scope["query_string"] = "GET", url.query or b""
        scope["path"] = unquote(url.path.decode("ascii")) if b"%" in url.path else url.path.decode("ascii")
        answer = self._at_once(scope)
        if answer is None:
            return False
        self._answered = True
        status, headers = answer
        head = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            head += (name, b": ", value, b"\r\n")
        head.append(b"\r\n")
        self.transport.write(b"".join(head))
        return True

    def on_message_complete(self) -> None:
        if self._answered:
            self._answered, self._at_rest = False, True
            self.on_response_complete()
            return
        # Mostly in the very read that brought the head, before anybody asks for the body: no wait for it need be timed.
        self.scope[WHOLE] = True
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """What comes after the answer is nobody's: read off so that its sender sees the answer, but not for ever."""
        if self._answered or self.cycle.response_complete:
            self._unwanted_bytes += len(body)
            if self._unwanted_bytes > READ_OFF_BYTES:
                self.transport.close()
            return
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is answered in our shape; the name is the parent's."""
        reason = Reason.HEADERS_TOO_LARGE if self._too_large else Reason.INVALID_REQUEST
        request_id = make_id("req", time.time_ns() // 1_000_000, os.urandom(10))
        status, body = error_body(Refusal(reason, msg or None), request_id)
        log.info("unreadable request", request_id=request_id, status=status)
        head = (
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to warn of: anybody may ask for one, and is answered as if they had not."""

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_s, self._late)

    def _late(self) -> None:
        self._timer = None
        cycle = self.cycle
        if self._in_head or cycle is None or cycle.response_complete:
            self.transport.close()
