"""The peer: django-affiliate-system, which users could install instead, under gunicorn, with the same PostgreSQL.

It lives in an environment of its own (`build/peers`, made on demand from pinned versions), is set up as its README
says, and is driven with its own conversion call. What it does for each: looks the affiliate up, stores the purchase,
finds the rule, stores the commission and adds it to a balance.
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import postgresql, servers
from bench.installation import Installation

NAME = "django-affiliate-system"
_SITE = Path(__file__).parent / "peers" / "django_affiliate_system"
_PLACE = servers.ROOT / "build" / "peers" / NAME
_REQUIREMENTS = _SITE / "requirements.txt"
_THREADS = 8


class CannotPrepare(Exception):
    """The peer cannot be had here, and why."""


@dataclass(frozen=True)
class Way:
    """How it is served."""

    kind: str  # gunicorn's kind of worker: sync | gthread
    workers: int
    is_atomic: bool  # one transaction for each request, which Django can be set to; else three

    def __str__(self) -> str:
        threads = f" of {_THREADS} threads" if self.kind == "gthread" else ""
        commits = "one commit" if self.is_atomic else "three commits"
        return f"{self.workers} {self.kind} workers{threads}, {commits} each"


# Whichever of them is fastest is what we are compared with.
WAYS = (
    *(Way("sync", workers, True) for workers in (2, 3, 4, 5)),
    *(Way("gthread", workers, True) for workers in (2, 3, 4)),
    Way("sync", 4, False),
)


def versions() -> dict[str, str]:
    """Of the packages that it runs on."""
    pinned = (
        line.split(" ")[0].split("==") for line in _REQUIREMENTS.read_text().splitlines() if "==" in line
    )
    return {name: version for name, version in pinned if name in (NAME, "django", "gunicorn")}


def python() -> Path:
    """The interpreter of the peer's environment, which is made where it is missing or out of date."""
    wanted, mark = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest(), _PLACE / "made-from"
    found = _PLACE / "bin" / "python"
    if not mark.exists() or mark.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", _PLACE])
        _run([found, "-m", "pip", "--quiet", "install", "--require-hashes", "-r", _REQUIREMENTS])
        mark.write_text(wanted)
    return found


def prepare(server: postgresql.Server, installation: Installation, template: str) -> None:
    """A database with the peer's tables and the same affiliates."""
    server.create(template)
    codes = "\n".join(installation.codes)
    _run([python(), _SITE / "peer_setup.py"], _environment(server, template), codes)


def site(server: postgresql.Server, name: str, way: Way, folder: Path) -> servers.Server:
    port = servers.free_port()
    threads = ["--threads", str(_THREADS)] if way.kind == "gthread" else []
    command = [
        str(python()), "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()", "-b", f"127.0.0.1:{port}",
        "-k", way.kind, "-w", str(way.workers), *threads, "--preload", "--backlog", "2048",
    ]  # fmt: skip
    return servers.Server(port, command, _environment(server, name, way.is_atomic), folder)


def stored(server: postgresql.Server, name: str) -> int:
    """How many conversions it has a commission for."""
    return server.ask("SELECT count(*) FROM affiliates_commission", name)


def _environment(server: postgresql.Server, name: str, is_atomic: bool = False) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "peer_settings",
        "PYTHONPATH": str(_SITE),
        "PEER_HOST": server.folder,
        "PEER_DATABASE": name,
        "PEER_ATOMIC": "1" if is_atomic else "0",
    }


def _run(command: list, environment: dict[str, str] | None = None, given: str = "") -> None:
    ended = subprocess.run(command, input=given, capture_output=True, text=True, env=environment)
    if ended.returncode:
        raise CannotPrepare(f"{' '.join(map(str, command))}: {ended.stderr.strip()[-600:]}")
