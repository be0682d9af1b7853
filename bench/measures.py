"""What is measured, by name; and how busy others kept the machine meanwhile."""

import math
import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

from bench import load, servers
from bench.installation import Installation

# Kind of request → the only answer that counts, and the most that are made ready for a second.
_ANSWERS = {"conversions": "200", "peer_conversions": "201", "links": "302", "scattered_links": "302"}
_MOST_A_SECOND = {"conversions": 15_000, "peer_conversions": 3_000}


@dataclass
class Point:
    """What one place measured, a value per round."""

    rates: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    groups: list[float] = field(default_factory=list)  # conversions per commit
    server_us: list[float] = field(default_factory=list)  # the server's processor time per answer
    client_cpu: list[float] = field(default_factory=list)  # share of one processor

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def group(self) -> float | None:
        return statistics.median(self.groups) if self.groups else None

    @property
    def p50(self) -> float:
        return statistics.median(self.p50_ms)

    @property
    def p99(self) -> float:
        return statistics.median(self.p99_ms)

    def ratio(self, other: "Point") -> float:
        """The median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.rates, other.rates, strict=True))


class Points:
    """All points by name, as in `("service", 64)`, and the numbers that make customers unique."""

    def __init__(self, timed_s: float):
        self.timed_s = timed_s
        self.by_name: dict[tuple, Point] = defaultdict(Point)
        self.others: list[float] = []  # what others used of the machine before each round
        self._blocks = count(1)

    def __getitem__(self, name: tuple) -> Point:
        return self.by_name[name]

    def __contains__(self, name: tuple) -> bool:
        return name in self.by_name

    def http(
        self, name: tuple, server: servers.Server, installation: Installation, kind: str, clients: int
    ) -> int:
        """Measures once, and tells how many were answered, those while warming up too.

        Any answer but the wanted one spoils the run: a refusal is cheaper than a conversion.
        """
        grouping = name[0] != "hello" and kind == "conversions"
        before, started_s = server.groups() if grouping else None, server.cpu_s()
        found = load.measure(
            server.port,
            installation,
            kind,
            clients,
            first=next(self._blocks) * 1_000_000,
            timed_s=self.timed_s,
            most_a_second=_MOST_A_SECOND.get(kind, 0),
            repeat=name[0] == "hello" or kind not in _MOST_A_SECOND,
        )
        ended_s, after = server.cpu_s(), server.groups() if grouping else None
        if set(found["statuses"]) != {_ANSWERS[kind]}:
            raise RuntimeError(f"{name}: expected {_ANSWERS[kind]} throughout, got {found['statuses']}")
        answered = sum(found["statuses"].values())
        point = self.by_name[name]
        point.rates.append(found["rate"])
        point.p50_ms.append(found["p50_ms"])
        point.p99_ms.append(found["p99_ms"])
        point.client_cpu.append(found["client_cpu"])
        point.server_us.append((ended_s - started_s) / answered * 1e6)
        if before and after and after[1] > before[1]:
            point.groups.append((after[0] - before[0]) / (after[1] - before[1]))
        return answered

    def as_json(self) -> dict:
        points = [{"name": list(name)} | asdict(point) for name, point in self.by_name.items()]
        return {"timed_s": self.timed_s, "others": self.others, "points": points}

    @classmethod
    def of_json(cls, given: dict) -> "Points":
        made = cls(given["timed_s"])
        made.others = given["others"]
        for point in given["points"]:
            name = tuple(point["name"])
            made.by_name[name] = Point(**{key: value for key, value in point.items() if key != "name"})
        return made


def others(over_s: float = 1.0) -> float:
    """The share of the machine's processors that other processes use now; not a number where nothing tells."""
    before = _processor_times()
    time.sleep(over_s)
    idle, total = (after - earlier for after, earlier in zip(_processor_times(), before, strict=True))
    return 1 - idle / total if total else math.nan


def _processor_times() -> tuple[int, int]:
    """Idle and all, since the machine started."""
    try:
        numbers = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0, 0
    return numbers[3] + numbers[4], sum(numbers)
