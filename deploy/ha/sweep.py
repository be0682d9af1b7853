"""Ends everything that was started in a folder, and removes it: `python sweep.py FOLDER`.

Begins when its standard input ends, which the system sees to however the driver ends. A process is ours if its id
stands in `FOLDER/pids` or in a `postmaster.pid`, and it still works inside the folder: ids are used again.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE_S = 20


def main(folder: Path) -> None:
    sys.stdin.buffer.read()
    # First whoever would start others anew, and the others with them; then PostgreSQL, which cleans up after itself.
    for entry in (folder / "pids").glob("*"):
        end(int(entry.read_text()), folder, signal.SIGKILL)
    postmasters = list(folder.glob("*/postgres/postmaster.pid"))
    for path in postmasters:
        end(int(path.read_text().split("\n")[0]), folder, signal.SIGQUIT)
    for path in postmasters:
        _forget(path, folder)
    shutil.rmtree(folder, ignore_errors=True)


def end(pid: int, folder: Path, how: signal.Signals) -> None:
    if _works_in(pid, folder):
        os.kill(pid, how)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _forget(path: Path, folder: Path) -> None:
    """A PostgreSQL that was killed leaves a shared memory segment, named in the seventh line."""
    until_s = time.monotonic() + _PATIENCE_S
    while path.exists() and time.monotonic() < until_s:
        lines = path.read_text().split("\n")
        if not _works_in(int(lines[0]), folder):
            if len(lines) > 6 and lines[6].split():
                subprocess.run(["ipcrm", "-m", lines[6].split()[1]], capture_output=True)
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
