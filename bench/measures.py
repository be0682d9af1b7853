"""One run: every point measured in turn, round after round, so that what disturbs the machine disturbs all alike."""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench import bare, load, servers
from bench import installation as installations
from bench.installation import Installation

CLIENTS = (1, 16, 64, 256)
CLICK_CLIENTS = 64
LINKS = ("links", "scattered_links")
PER_COMMIT = (1, 100)
RECORDED = 30_000

Say = Callable[[str], None]


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

    def http(
        self, name: tuple, server: servers.Server, installation: Installation, kind: str, clients: int
    ) -> None:
        """Measures once. Any answer but the wanted one spoils the run: a refusal is cheaper than a conversion."""
        ours = name[0] != "hello" and kind == "conversions"
        before, started_s = server.groups(), server.cpu_s()
        found = load.measure(
            server.port,
            installation,
            kind,
            clients,
            first=next(self._blocks) * 1_000_000,
            timed_s=self.timed_s,
            repeat=not ours,
        )
        ended_s, after = server.cpu_s(), server.groups()
        wanted = "200" if kind == "conversions" else "302"
        if set(found["statuses"]) != {wanted}:
            raise RuntimeError(f"{name}: expected {wanted} throughout, got {found['statuses']}")
        point = self.by_name[name]
        point.rates.append(found["rate"])
        point.p50_ms.append(found["p50_ms"])
        point.p99_ms.append(found["p99_ms"])
        point.client_cpu.append(found["client_cpu"])
        point.server_us.append((ended_s - started_s) / sum(found["statuses"].values()) * 1e6)
        if ours and before and after and after[1] > before[1]:
            point.groups.append((after[0] - before[0]) / (after[1] - before[1]))

    def bare(self, folder: Path, template: Installation, recorded: list[bare.Recorded]) -> None:
        for per_commit in PER_COMMIT:
            copy = template.copy(folder / "bare")
            self.by_name["bare", per_commit].rates.append(
                bare.insert(copy.path, recorded, per_commit, self.timed_s)
            )


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


def run(folder: Path, rounds: int, timed_s: float, say: Say) -> Points:
    template = installations.make(folder / "template")
    say(f"recording what {RECORDED:,} conversions write …")
    recorded = bare.record(template.copy(folder / "recorded"), RECORDED)
    points = Points(timed_s)
    for turn in range(1, rounds + 1):
        points.others.append(others())
        say(f"round {turn} of {rounds} … (others keep {points.others[-1]:.0%} of the machine busy)")
        _round(folder, template, recorded, points)
    return points


def _round(folder: Path, template: Installation, recorded: list[bare.Recorded], points: Points) -> None:
    """Everything once, from empty tables."""
    service, single = template.copy(folder / "service"), template.copy(folder / "single")
    with (
        servers.hello(template) as hello_server,
        servers.service(service) as grouped_server,
        servers.service(single, cap=1) as single_server,
    ):
        for clients in CLIENTS:
            points.http(("hello", clients), hello_server, template, "conversions", clients)
            points.http(("service", clients), grouped_server, template, "conversions", clients)
            points.http(("single", clients), single_server, template, "conversions", clients)
        points.bare(folder, template, recorded)
        for kind in LINKS:
            points.http(("hello", kind), hello_server, template, kind, CLICK_CLIENTS)
            points.http(("service", kind), grouped_server, template, kind, CLICK_CLIENTS)
