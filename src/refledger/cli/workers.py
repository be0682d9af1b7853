"""Several serving processes behind one port: uvicorn starts them, replaces one that dies, drains them at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from refledger import logs
from refledger.settings import Settings

START_S = 60.0


class _Workers(Multiprocess):
    """Says where they are once all of them listen."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], words: str):
        super().__init__(config, sockets)
        self.words = words

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(START_S, self.should_exit) for process in self.processes):
            print(self.words, flush=True)


def run(using: Settings, config: uvicorn.Config, bound: socket, words: str) -> None:
    """Returns when the service was told to stop, and every process has finished what it accepted."""
    logs.configure(using.log_level, logs.style_of(using.log_format))
    config.workers = using.workers
    with _shared_metrics():
        _Workers(config, [bound], words).run()


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder where the processes count together, so that whichever answers `/metrics` tells of all."""
    folder = tempfile.mkdtemp(prefix="refledger-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        shutil.rmtree(folder, ignore_errors=True)
