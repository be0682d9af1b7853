"""The servers that are measured, each in a process of its own, ended by its id."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

import uvicorn

from bench.installation import Installation
from refledger.cli.serve import _config
from refledger.settings import load as load_settings

ROOT = Path(__file__).parent.parent
_START_S = 20.0
_STOP_S = 20.0


class Server:
    """Runs from `with` to its end. `says`: what it prints once all of it serves; none: when it can be connected to."""

    def __init__(
        self, port: int, command: list[str], environment: dict[str, str], folder: Path, says: str = ""
    ):
        self.port = port
        self._command = command
        self._environment = {**os.environ, **environment}
        self._says = says
        # Logs are written as in life, a line for each request.
        self._log = folder / f"{port}.log"

    def __enter__(self) -> "Server":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        deadline_s = time.monotonic() + _START_S
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self._process.kill()
                self._process.wait()
                why = self._log.read_text().strip().rpartition("\n")[2]
                raise RuntimeError(f"{' '.join(self._command)} does not serve: {why}") from None
            time.sleep(0.05)
        return self

    def _serves(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return self._says in self._log.read_text()

    def __exit__(self, *details) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def cpu_s(self) -> float:
        """Processor time used so far, by all of its processes; not a number where nothing tells."""
        try:
            return sum(_own_cpu_s(pid) for pid in _with_children(self._process.pid))
        except OSError:
            return math.nan

    def groups(self) -> tuple[float, float] | None:
        """Conversions settled so far, and in how many groups; None where the server does not tell."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return None
        found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("refledger_group_size_"))
        if "refledger_group_size_sum" not in found:
            return None
        return float(found["refledger_group_size_sum"]), float(found["refledger_group_size_count"])


def service(
    installation: Installation,
    cap: int | None = None,
    workers: int = 1,
    files: Mapping[str, str] | None = None,
) -> Server:
    """refledger as it is started by everybody; with a cap of 1 it commits each request by itself.

    `files`: settings that name databases of places and networks.
    """
    environment = (
        installation.environment | ({"REFLEDGER_GROUP_CAP": str(cap)} if cap else {}) | (files or {})
    )
    port = free_port()
    command = [sys.executable, "-m", "refledger.cli", "serve", "--port", str(port), "--workers", str(workers)]
    return Server(port, command, environment, installation.folder, says="refledger serves on")


def hello(installation: Installation) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "bench.hello", "--port", str(port)]
    return Server(port, command, installation.environment, installation.folder)


def config(app: str | None = None, port: int = 0) -> uvicorn.Config:
    """The options that `refledger serve` runs with, whatever they are; settings from the environment."""
    made = _config(load_settings())
    made.host, made.port = "127.0.0.1", port
    made.app = app or made.app
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            found += _with_children(int(child))
    return found


def _own_cpu_s(pid: int) -> float:
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
