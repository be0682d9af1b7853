"""Where the cluster of the proof lives: one folder, free ports, processes that end with the driver."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CONFIG = HERE / "config"
ADDRESS = "127.0.0.1"
ACCOUNT = "postgres"  # who everything runs as where the driver is root: PostgreSQL refuses root

# What is started → the Debian package that has it.
PACKAGES = {
    "postgres": "postgresql",
    "patroni": "patroni",
    "etcd": "etcd-server",
    "haproxy": "haproxy",
    "pgbouncer": "pgbouncer",
}


class Missing(Exception):
    """What has to be installed first, in words."""


def programs() -> dict[str, Path]:
    """Where each program is; raises `Missing`."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"))
    found = {name: shutil.which(name, path=path) for name in PACKAGES if name != "postgres"}
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found["postgres"] = max(versions, key=lambda each: float(each.parents[1].name), default=None)
    lacking = [name for name in PACKAGES if not found[name]]
    if lacking:
        packages = " ".join(PACKAGES[name] for name in lacking)
        raise Missing(
            f"not installed: {', '.join(lacking)}. On Debian:\n"
            f"  apt-get install --no-install-recommends {packages}\n"
            "The services that the packages start are not used: they may be stopped."
        )
    return {name: Path(path) for name, path in found.items()}


def free_ports(count: int) -> list[int]:
    """Open all before any is closed: so they differ."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind((ADDRESS, 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Place:
    """A folder from `with` to its end; what was started in it is ended by id, also when the driver is killed."""

    def __enter__(self) -> "Place":
        self.account, self.environment = _account(), _clean_environment()
        # The system's folder for temporary files: ours may be closed to the other account, or too long for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="refledger-ha-", dir="/tmp"))
        self._started: list[subprocess.Popen] = []
        self.make("pids")
        self._own(self.folder)
        # Before anything is started: somebody who ends it.
        self._sweeper = subprocess.Popen(
            [sys.executable, HERE / "sweep.py", self.folder],
            cwd="/",
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, *details) -> None:
        self._sweeper.stdin.close()
        self._sweeper.wait(60)
        for process in self._started:
            process.wait(10)

    def make(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700)
        self._own(path)
        return path

    def write(self, path: Path, text: str) -> Path:
        path.touch(mode=0o600)
        path.write_text(text)
        self._own(path)
        return path

    def render(self, template: str, path: Path, values: dict[str, object]) -> Path:
        """A file of `config/` with its placeholders filled in; an unknown one raises KeyError."""
        return self.write(path, Template((CONFIG / template).read_text()).substitute(values))

    def start(
        self, name: str, command: list, environment: dict[str, str] | None = None, is_ours: bool = False
    ) -> subprocess.Popen:
        """Runs until it is ended; its output goes to `NAME.log`. `is_ours`: as who the driver is, for our own Python
        may be closed to the other account.
        """
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt at the keyboard is for the driver.
                start_new_session=True,
                **({} if is_ours else self.account),
            )
        (self.folder / "pids" / name).write_text(str(process.pid))
        self._started.append(process)
        return process

    def last_words(self) -> str:
        """The end of each log: what there is to see once the folder is gone."""
        ends = {
            path: path.read_text(errors="replace").splitlines()[-12:]
            for path in sorted(self.folder.glob("*.log"))
        }
        return "\n".join("\n".join((f"── {path.name}", *lines)) for path, lines in ends.items() if lines)

    def _own(self, path: Path) -> None:
        if self.account:
            shutil.chown(path, self.account["user"], self.account["group"])


def _account() -> dict:
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise Missing(
            f"started by root it needs the account '{ACCOUNT}', which Debian's package makes"
        ) from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _clean_environment() -> dict[str, str]:
    """Without what would tell the programs of another server or another Python."""
    unwanted = ("PG", "LC_", "LANG", "PATRONI", "ETCD", "REFLEDGER", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
