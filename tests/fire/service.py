"""The service as a process with a clock of its own, perhaps a wrong one, and perhaps without one of its safeties.

Such processes are copies of one that has read the code already: killed ones are back at once.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import socket
from dataclasses import dataclass

import uvicorn

from refledger import app
from refledger.services.orphans import end_with_parent
from refledger.store import engine
from tests.fire.clock import FastClock
from tests.journeys.wire import Server

# Of `engine.HOLD` all but the locks.
HOLD_NOTHING = """
SELECT count(k), pg_logical_emit_message(true, 'refledger', '') FROM unnest(CAST(%s AS bigint[])) AS k"""


@dataclass(frozen=True)
class Kind:
    """`shift_ms`: by how much the clock of this process is wrong. `unsafe`: what it goes without."""

    clock: FastClock
    shift_ms: int = 0
    unsafe: str = ""

    def now_ms(self) -> int:
        return self.clock() + self.shift_ms


class Copy(Server):
    """A `Server` that begins as a copy."""

    def __init__(self, settings, kind: Kind):
        super().__init__(settings)
        self._kind, self.port = kind, _port()

    def start(self):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", __name__])
        self.process = _Process(context.Process(target=_serve, args=(self.settings, self._kind, self.port)))
        self._wait_until_it_answers()
        return self


def _port() -> int:
    """A free one that the system gives to nobody: whoever asks for it while nothing listens could be given it."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(10_000, 30_000)))
            return probe.getsockname()[1]


class _Process:
    """A process of `multiprocessing`, spoken to like one of `subprocess`."""

    def __init__(self, process):
        self._process = process
        process.start()
        self.pid = process.pid

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def wait(self, timeout_s):
        self._process.join(timeout_s)
        assert self._process.exitcode is not None, "the process does not end"


def _serve(settings, kind: Kind, port: int) -> None:
    end_with_parent()
    _switch_off(kind.unsafe)
    # As `refledger serve` has it.
    uvicorn.run(
        app.create(settings, clock=kind.now_ms),
        port=port,
        http="refledger.web.protocol:Protocol",
        access_log=False,
        log_level="error",
    )


def _switch_off(safety: str) -> None:
    if safety == "hold":
        engine.HOLD = HOLD_NOTHING
    elif safety == "the database's clock":
        engine.Database.now_ms = lambda database, connection, now_ms: now_ms
    elif safety:
        raise ValueError(safety)
