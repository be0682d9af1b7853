"""What a run measured, and where: kept as JSON, so that tables and plots can be made again without measuring."""

import json
import os
import platform
import sqlite3
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import peer
from bench.measures import Points
from refledger import __version__

NAME = "results.json"


@dataclass
class Growth:
    """The points `("empty", clients)` and `("full", clients)` of one engine."""

    engine: str
    rows: int
    clients: int
    rounds: int
    made: str
    points: Points

    @property
    def ratio(self) -> float:
        return self.points["full", self.clients].ratio(self.points["empty", self.clients])


@dataclass
class Results:
    made: str  # a date
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    points: Points
    decisions: dict[str, float]  # part → median µs
    ways: dict[str, str]  # opponent → how it was fastest
    growth: list[Growth] = field(default_factory=list)


def today() -> str:
    return time.strftime("%Y-%m-%d")


def machine(folder: Path) -> dict[str, str]:
    """What the rates depend on, in words. `folder`: on the disk that was measured."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.system(),
        "a sync of 8 kB": f"{_sync_ms(folder):.2f} ms",
    }


def versions(postgresql: str) -> dict[str, str]:
    """`postgresql`: as the server tells it; empty where there was none."""
    found = {
        "refledger": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    return found | ({"PostgreSQL and pgbench": postgresql} | peer.versions() if postgresql else {})


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def _sync_ms(folder: Path, times: int = 200) -> float:
    """The median of writing a page and waiting for the disk, in a file that does not grow."""
    path, page, taken = folder / "sync", os.urandom(8192), []
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(handle, page)
        os.fsync(handle)
        for _ in range(times):
            started = time.perf_counter()
            os.pwrite(handle, page, 0)
            os.fdatasync(handle)
            taken.append(time.perf_counter() - started)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.median(taken) * 1000


# ── kept ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def save(folder: Path, results: Results) -> None:
    given = vars(results) | {
        "points": results.points.as_json(),
        "growth": [vars(each) | {"points": each.points.as_json()} for each in results.growth],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_text(json.dumps(given, indent=1, ensure_ascii=False) + "\n")


def read(folder: Path) -> Results | None:
    """None where nothing was measured yet."""
    if not (folder / NAME).exists():
        return None
    given = json.loads((folder / NAME).read_text())
    given["points"] = Points.of_json(given["points"])
    given["growth"] = [
        Growth(**(each | {"points": Points.of_json(each["points"])})) for each in given["growth"]
    ]
    return Results(**given)


def add_growth(results: Results, growth: Growth) -> None:
    """In the place of what was measured before with as many rows on the same engine."""
    results.growth = [
        each for each in results.growth if (each.engine, each.rows) != (growth.engine, growth.rows)
    ]
    results.growth.append(growth)
    results.growth.sort(key=lambda each: (each.engine, each.rows))
