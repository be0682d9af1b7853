"""`refledger serve`: migrate, then hand the socket to uvicorn."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from socket import AF_INET6, socket

import uvicorn

from refledger.cli import workers
from refledger.cli.samples import demo_text
from refledger.cli.support import Sentence, bind, opened, sqlite_path
from refledger.settings import Settings

KEEP_ALIVE_S = 75  # longer than the 60 s that proxies commonly keep theirs, so that they close first


class _Server(uvicorn.Server):
    """Says where it is once it listens, not before."""

    def __init__(self, config: uvicorn.Config, words: str):
        super().__init__(config)
        self.words = words

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.words, flush=True)


def serve(using: Settings, demo: bool) -> None:
    """Returns when the service was told to stop. Raises what `expected_words` knows."""
    if using.workers > 1 and sqlite_path(using) is not None:
        raise Sentence(
            f"{using.workers} processes need PostgreSQL: SQLite admits one writer at a time, and several processes"
            " would wait for each other instead of settling together; serve with one, or move with `refledger copy`"
        )
    bound = bind(using.host, using.port)
    url = using.public_url or _url(bound)
    with alone(using):
        words = _prepare(using, url, demo)
        if using.workers > 1:
            return workers.run(using, _config(using), bound, words)
        # uvicorn drains, and then raises the signal once more: that was an orderly end, not a death.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            _Server(_config(using), words).run(sockets=[bound])


@contextmanager
def alone(using: Settings) -> Iterator[None]:
    """One serving process on an SQLite file: two would keep each other from writing. Commands are not affected.

    The kernel frees the lock when the process ends, however roughly; the file stays, and says nothing by itself.
    """
    path = sqlite_path(using)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the file itself, as SQLite's own companions are: a link to it leads to the same lock.
    beside = Path(f"{path.resolve()}-serving")
    handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Sentence(
                f"another process serves from {path} already: SQLite is served by one at a time, stop that one"
                " first; PostgreSQL takes several"
            ) from None
        yield
    finally:
        os.close(handle)


def _prepare(using: Settings, url: str, demo: bool) -> str:
    """Everything that can fail for a reason outside of our hands fails here, before anybody is served."""
    from refledger.services.demo import ensure_demo
    from refledger.store.diagnostics import probe_write
    from refledger.store.engine import now_ms

    words = f"refledger serves on {url}\nAPI documentation: {url}/docs\n"
    with opened(using) as database:
        probe_write(database)
        secret = using.secret_bytes()
        if demo:
            words += "\n" + demo_text(url, ensure_demo(database, secret, using.data_dir, now_ms())) + "\n"
    return words


def _config(using: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "refledger.app:create",
        factory=True,
        http="refledger.web.protocol:Protocol",
        loop="uvloop" if find_spec("uvloop") else "asyncio",
        ws="none",
        lifespan="on",
        log_config=None,  # the application sets up logging, its own and uvicorn's
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(using.drain_s),
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=2048,
    )


def _url(bound: socket) -> str:
    host, port = bound.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if bound.family == AF_INET6 else f"http://{host}:{port}"
