"""What a run says: only what it measured, as ratios, and each aim beside it. The same on a terminal and in the docs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.decide import LOOK_UP
from bench.installation import AFFILIATES
from bench.measures import Point, Points
from bench.places import RANGES
from bench.requests import POPULAR
from bench.results import Growth, Results
from bench.rounds import AT, CLICK_CLIENTS, CLIENTS, MORE_WORKERS, PEER_CLIENTS, PER_COMMIT, WORKERS

QUIET = 0.05  # what others may use of the machine before it is worth a warning
_NONE = "–"


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class Aim:
    words: str
    direction: str  # ≥ | ≤
    aim: float
    measured: float
    unit: str = ""  # none: a ratio

    @property
    def is_met(self) -> bool:
        return self.measured >= self.aim if self.direction == "≥" else self.measured <= self.aim


def tables(results: Results) -> list[Table]:
    """Those that something was measured for."""
    makers: tuple[Callable[[Results], Table], ...] = (
        _sqlite, _places, _postgresql, _links, _floors, _decisions, _growth, _aims,
    )  # fmt: skip
    return [made for each in makers if (made := each(results)).rows]


def words(results: Results) -> str:
    """Where and how, in a few sentences."""
    points = results.points
    rounds = f"medians of {results.rounds} interleaved rounds" if results.rounds > 1 else "one round"
    busiest = max(max(point.client_cpu) for point in points.by_name.values() if point.client_cpu)
    said = [
        f"{results.made}. " + ", ".join(f"{name} {value}" for name, value in results.versions.items()) + ".",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in results.machine.items()) + ".",
        f"Everything durable; {rounds} of {points.timed_s:g} s per point. "
        f"The clients' process used at most {busiest:.0%} of one core.",
        *(
            f"Of the ways to run {name}, this was fastest and is measured: {way}."
            for name, way in results.ways.items()
        ),
    ]
    if max(points.others) > QUIET:
        said.append(
            f"Others used up to {max(points.others):.0%} of the machine between rounds: these figures are low."
        )
    return "\n".join(said)


def best_workers(points: Points) -> tuple[str, int] | None:
    """The point of as many processes as are fastest at the clients that the aims name; None where not measured."""
    names = [(f"postgresql-{workers}", AT) for workers in (*WORKERS, *MORE_WORKERS)]
    return max((name for name in names if name in points), key=lambda name: points[name].rate, default=None)


def _waits(point: Point) -> tuple[str, ...]:
    return f"{point.rate:,.0f}", f"{point.p50:.2f}", f"{point.p99:.2f}"


def _ours(point: Point) -> tuple[str, ...]:
    server_us = sum(point.server_us) / len(point.server_us)
    return (
        *_waits(point),
        f"{point.group:.1f}" if point.group else "not told",
        _NONE if math.isnan(server_us) else f"{server_us:,.0f}",
    )


_OURS = ("clients", "per second", "p50 ms", "p99 ms", "per commit", "server's µs")


def _sqlite(results: Results) -> Table:
    points, rows = results.points, []
    for clients in CLIENTS if ("service", AT) in points else ():
        point = points["service", clients]
        others = (("hello", clients), ("single", clients), *(("bare", each) for each in PER_COMMIT))
        rows.append((str(clients), *_ours(point), *(f"{point.ratio(points[other]):.2f}" for other in others)))
    against = ("÷ hello world", "÷ one commit each", "÷ bare, 1 per commit", "÷ bare, 100 per commit")
    return Table("track-conversion on SQLite", (*_OURS, *against), rows)


def _places(results: Results) -> Table:
    points, rows = results.points, []
    if ("places", AT) in points:
        for said, name in (("without", "service"), ("with", "places")):
            point = points[name, AT]
            rows.append((said, *_waits(point), f"{point.ratio(points['service', AT]):.2f}"))
    return Table(
        f"Databases of places and networks, SQLite, {AT} clients",
        (f"three of them and {RANGES:,} listed ranges", "per second", "p50 ms", "p99 ms", "÷ without"),
        rows,
    )


def _postgresql(results: Results) -> Table:
    points, rows = results.points, []
    for workers in (*WORKERS, *MORE_WORKERS):
        for clients in CLIENTS:
            if (name := (f"postgresql-{workers}", clients)) not in points:
                continue
            point = points[name]
            floors = (f"{point.ratio(points['pgbench', each]):.2f}" for each in PER_COMMIT)
            times = f"{point.ratio(points['peer', clients]):.1f}" if ("peer", clients) in points else _NONE
            rows.append((str(workers), str(clients), *_ours(point), *floors, times))
    against = ("÷ pgbench, 1 per commit", "÷ pgbench, 100 per commit", "× the peer")
    return Table("track-conversion on PostgreSQL", ("processes", *_OURS, *against), rows)


def _links(results: Results) -> Table:
    points, rows = results.points, []
    for said, kind in ((f"{POPULAR} links", "links"), (f"{AFFILIATES:,} links", "scattered_links")):
        if ("service", kind) in points:
            point, hello = points["service", kind], points["hello", kind]
            rows.append((said, *_waits(point), f"{hello.rate:,.0f}", f"{point.ratio(hello):.2f}"))
    return Table(
        f"A followed link (GET /r/…) on SQLite, {CLICK_CLIENTS} clients, each click stored",
        ("links", "per second", "p50 ms", "p99 ms", "hello world redirect", "ratio to it"),
        rows,
    )


def _floors(results: Results) -> Table:
    """What the ratios are ratios to."""
    points, named = results.points, []
    for said, name in (("hello world POST", "hello"), ("SQLite, one commit each", "single")):
        named += [(f"{said}, {_clients(clients)}", (name, clients)) for clients in CLIENTS]
    for said, name in (("bare sqlite3", "bare"), ("pgbench", "pgbench")):
        named += [(f"{said}, the same rows, {each} per commit", (name, each)) for each in PER_COMMIT]
    named += [(f"the peer, {_clients(clients)}", ("peer", clients)) for clients in PEER_CLIENTS]
    rows: list[tuple[str, ...]] = []
    for said, name in named:
        if name in points:
            point = points[name]
            waits = _waits(point) if point.p50_ms else (f"{point.rate:,.0f}", _NONE, _NONE)
            rows.append((said, *waits))
    return Table("Measured against", ("", "per second", "p50 ms", "p99 ms"), rows)


def _clients(number: int) -> str:
    return f"{number} client{'s' if number > 1 else ''}"


def _decisions(results: Results) -> Table:
    rows = [(name, f"{taken_us:.1f}") for name, taken_us in results.decisions.items()]
    return Table("Deciding alone, facts in hand", ("", "median µs"), rows)


def _growth(results: Results) -> Table:
    rows = []
    for each in results.growth:
        for said, name in (("none", "empty"), (f"{each.rows:,}", "full")):
            point = each.points[name, each.clients]
            ratio = point.ratio(each.points["empty", each.clients])
            rows.append((each.engine, said, str(each.clients), *_waits(point), f"{ratio:.2f}", each.made))
    columns = (
        "engine",
        "conversions in the table",
        "clients",
        "per second",
        "p50 ms",
        "p99 ms",
        "ratio to empty",
    )
    return Table("Growth", (*columns, "measured"), rows)


def ratios(points: Points) -> dict[str, dict[int, float]]:
    """What is compared, in words → clients → the ratio of rates."""
    found: dict[str, dict[int, float]] = {}

    def compare(name: tuple, words: str, other: tuple, against: str) -> None:
        if name in points and other in points:
            found.setdefault(f"{words} ÷ {against}", {})[name[1]] = points[name].ratio(points[other])

    for clients in CLIENTS:
        name = ("service", clients)
        compare(name, "SQLite", ("hello", clients), "hello world")
        compare(name, "SQLite", ("single", clients), "one commit each")
        for each in PER_COMMIT:
            compare(name, "SQLite", ("bare", each), f"bare, {each} per commit")
    for workers in (*WORKERS, *MORE_WORKERS):
        words = f"PostgreSQL, {workers} process{'es' if workers > 1 else ''}"
        for clients in CLIENTS:
            name = (f"postgresql-{workers}", clients)
            for each in PER_COMMIT:
                compare(name, words, ("pgbench", each), f"pgbench, {each} per commit")
            compare(name, words, ("peer", clients), "the peer")
    return found


# ── aims ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def aims(results: Results) -> list[Aim]:
    points = results.points
    found = list(_aims_of_sqlite(points)) if ("service", AT) in points else []
    if name := best_workers(points):
        processes = name[0].rpartition("-")[2]
        at, where = (
            points[name],
            f"PostgreSQL, {AT} clients, {processes} process{'es' if processes != '1' else ''}",
        )
        found += [
            Aim(f"{where} ÷ pgbench, 1 per commit", "≥", 1.0, at.ratio(points["pgbench", 1])),
            Aim(f"{where}: p99", "≤", 20, at.p99, "ms"),
        ]
        if ("peer", AT) in points:
            found.append(Aim(f"{where} ÷ the peer", "≥", 30, at.ratio(points["peer", AT])))
    if results.decisions:
        found.append(Aim("deciding alone", "≤", 60, results.decisions["all"], "µs"))
    if LOOK_UP in results.decisions:
        found.append(Aim(LOOK_UP, "≤", 2, results.decisions[LOOK_UP], "µs"))
    return found + [aim_of_growth(each) for each in results.growth]


def _aims_of_sqlite(points: Points) -> Iterator[Aim]:
    at, where = points["service", AT], f"SQLite, {AT} clients"
    yield Aim(f"{where} ÷ one commit each", "≥", 3, at.ratio(points["single", AT]))
    yield Aim(f"{where} ÷ bare, 100 per commit", "≥", 0.3, at.ratio(points["bare", 100]))
    yield Aim(f"{where}: p99", "≤", 30, at.p99, "ms")
    yield Aim("SQLite, one client: p50", "≤", 1, points["service", 1].p50, "ms")
    if ("places", AT) in points:
        places = points["places", AT].ratio(at)
        yield Aim(f"{where}, with databases of places and networks ÷ without", "≥", 0.8, places)
    clicks = points["service", "links"].ratio(points["hello", "links"])
    yield Aim(f"a followed link of {POPULAR} ÷ hello world's redirect", "≥", 0.6, clicks)


def aim_of_growth(growth: Growth) -> Aim:
    least = 0.7 if growth.engine == "PostgreSQL" else 0.6
    return Aim(f"{growth.engine}: {growth.rows:,} conversions ÷ an empty table", "≥", least, growth.ratio)


def _aims(results: Results) -> Table:
    rows = [
        (
            each.words,
            f"{each.direction} {each.aim:g} {each.unit}".strip(),
            f"{each.measured:.2f} {each.unit}".strip(),
            "met" if each.is_met else "missed",
        )
        for each in aims(results)
    ]
    return Table("Aims", ("", "aim", "measured", ""), rows)
