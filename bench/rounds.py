"""One run: every point measured in turn, round after round, so that what disturbs the machine disturbs all alike."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import bare, load, measures, peer, pgbench, places, postgresql, servers
from bench import installation as installations
from bench.installation import Installation

CLIENTS = (1, 16, 64, 256)
CLICK_CLIENTS = 64
LINKS = ("links", "scattered_links")
PER_COMMIT = (1, 100)
RECORDED = 30_000
# Serving processes on PostgreSQL: these with any number of clients, the others with as many as the aims name.
WORKERS, MORE_WORKERS, AT = (1, 2), (3, 4), 64
PEER_CLIENTS = (1, AT)
_TRIED_S = 1.0  # how long each way of an opponent is tried before the rounds

Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    points: measures.Points
    ways: dict[str, str]  # opponent that can be run in several ways → the fastest, which was measured
    postgresql: str = ""  # its version


def run(folder: Path, rounds: int, timed_s: float, say: Say, engine: str = "") -> Found:
    """`engine`: sqlite or postgresql alone; none: both."""
    template = installations.make(folder / "template")
    say(f"recording what {RECORDED:,} conversions write …")
    recorded = bare.record(template.copy(folder / "recorded"), RECORDED)
    points = measures.Points(timed_s)
    with ExitStack() as stack:
        sides: list = [] if engine == "postgresql" else [Sqlite(folder, template, recorded)]
        if engine != "sqlite":
            server = stack.enter_context(postgresql.server())
            sides.append(Postgresql(folder, server, template, recorded, say))
        for turn in range(1, rounds + 1):
            points.others.append(measures.others())
            say(f"round {turn} of {rounds} … (others keep {points.others[-1]:.0%} of the machine busy)")
            for side in sides:
                side.round(points)
    last = sides[-1]
    return Found(points, last.ways, last.version)


def fastest(ways: Sequence, rate: Callable) -> Any:
    """The best of all, each tried once, and of the best three a second time, lest one be chosen by luck."""
    tried = {way: rate(way) for way in ways}
    for way in sorted(tried, key=tried.get, reverse=True)[:3]:  # type: ignore[arg-type]
        tried[way] += rate(way)
    return max(tried, key=tried.get)  # type: ignore[arg-type]


class Sqlite:
    """refledger on SQLite; beside it hello world on the same server, one commit each, and the bare database.

    And refledger with databases of places and networks, as many clients as the aims name.
    """

    def __init__(self, folder: Path, template: Installation, recorded: list[bare.Recorded]):
        self.ways: dict[str, str] = {}
        self.version = ""
        self.folder, self.template, self.recorded = folder, template, recorded
        self.files = places.make(folder / "places")

    def round(self, points: measures.Points) -> None:
        """Everything once, from empty tables."""
        template = self.template
        service, single = template.copy(self.folder / "service"), template.copy(self.folder / "single")
        placed = template.copy(self.folder / "placed")
        with (
            servers.hello(template) as hello_server,
            servers.service(service) as grouped_server,
            servers.service(single, cap=1) as single_server,
            servers.service(placed, files=self.files) as placed_server,
        ):
            for clients in CLIENTS:
                points.http(("hello", clients), hello_server, template, "conversions", clients)
                points.http(("service", clients), grouped_server, template, "conversions", clients)
                if clients == AT:
                    points.http(("places", clients), placed_server, template, "conversions", clients)
                points.http(("single", clients), single_server, template, "conversions", clients)
            for per_commit in PER_COMMIT:
                copy = template.copy(self.folder / "bare")
                rate = bare.insert(copy.path, self.recorded, per_commit, points.timed_s)
                points["bare", per_commit].rates.append(rate)
            for kind in LINKS:
                points.http(("hello", kind), hello_server, template, kind, CLICK_CLIENTS)
                points.http(("service", kind), grouped_server, template, kind, CLICK_CLIENTS)


class Postgresql:
    """refledger on PostgreSQL, in one process and in several; beside it pgbench and the peer."""

    def __init__(
        self,
        folder: Path,
        server: postgresql.Server,
        template: Installation,
        recorded: list[bare.Recorded],
        say: Say,
    ):
        self.folder, self.server, self.template = folder, server, template
        self.version = server.version
        say(f"preparing PostgreSQL {server.version} …")
        server.move(template, "refledger_template")
        self.pgbench = pgbench.Pgbench(server, "refledger_template", folder / "pgbench", recorded)
        self.pgbench_ways = {}
        for per_commit in PER_COMMIT:
            self.pgbench_ways[per_commit] = fastest(
                pgbench.ways(per_commit), lambda way, each=per_commit: self.pgbench.rate(way, each, _TRIED_S)
            )
            say(f"pgbench is fastest at {per_commit} per commit with: {self.pgbench_ways[per_commit]}")
        self.ways = {f"pgbench at {each} per commit": str(way) for each, way in self.pgbench_ways.items()}
        self.peer_way = self._prepare_peer(say)
        if self.peer_way is not None:
            self.ways["the peer"] = str(self.peer_way)

    def _prepare_peer(self, say: Say) -> peer.Way | None:
        """How it is fastest; none where it cannot be had, as on a machine that reaches no package registry."""
        say(f"preparing the peer, {peer.NAME} …")
        try:
            peer.prepare(self.server, self.template, "peer_template")
        except peer.CannotPrepare as error:
            say(f"without the peer: {error}")
            return None
        found = fastest(peer.WAYS, self._try_peer)
        say(f"the peer is fastest with: {found}")
        return found

    def _try_peer(self, way: peer.Way) -> float:
        with (
            self.server.database("peer_template", "peer"),
            peer.site(self.server, "peer", way, self.folder) as site,
        ):
            self.server.rest()
            found = load.measure(
                site.port, self.template, "peer_conversions", AT, 1, _TRIED_S, most_a_second=3_000
            )
        return found["rate"]

    def round(self, points: measures.Points) -> None:
        """Everything once, from empty tables, each right after a checkpoint."""
        with ExitStack() as stack:
            running = {workers: self._start(stack, workers) for workers in WORKERS}
            for clients in CLIENTS:
                for workers, server in running.items():
                    self._conversions(points, workers, server, clients)
        for workers in MORE_WORKERS:
            with ExitStack() as stack:
                self._conversions(points, workers, self._start(stack, workers), AT)
        for per_commit, way in self.pgbench_ways.items():
            points["pgbench", per_commit].rates.append(self.pgbench.rate(way, per_commit, points.timed_s))
        if self.peer_way is not None:
            self._peer(points, self.peer_way)

    def _start(self, stack: ExitStack, workers: int) -> servers.Server:
        address = stack.enter_context(self.server.database("refledger_template", f"refledger_{workers}"))
        return stack.enter_context(servers.service(self.template.at(address), workers=workers))

    def _conversions(
        self, points: measures.Points, workers: int, server: servers.Server, clients: int
    ) -> None:
        self.server.rest()
        points.http((f"postgresql-{workers}", clients), server, self.template, "conversions", clients)

    def _peer(self, points: measures.Points, way: peer.Way) -> None:
        answered = 0
        with self.server.database("peer_template", "peer"):
            with peer.site(self.server, "peer", way, self.folder) as site:
                for clients in PEER_CLIENTS:
                    self.server.rest()
                    answered += points.http(
                        ("peer", clients), site, self.template, "peer_conversions", clients
                    )
            if (stored := peer.stored(self.server, "peer")) < answered:
                raise RuntimeError(f"the peer answered {answered} conversions and stored {stored}")
