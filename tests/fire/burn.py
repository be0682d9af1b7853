"""One fire: serving processes and their database under load, killed and started again; and what it left behind."""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.builders import Shop, settings_for
from tests.fire.checker import Stored, check
from tests.fire.clock import FastClock
from tests.fire.load import Load, Target
from tests.fire.log import Log, Story, read
from tests.fire.server import FAST, IMMEDIATE, OwnServer
from tests.fire.service import Copy, Kind
from tests.journeys.checks import faults, lost
from tests.journeys.wire import Server

FIVE_MINUTES_MS = 300_000
DOWN_S = 0.7
# (hourly, daily, how often it is chosen): some never reach their limits, some soon, some in the end
LIMITS = (
    *[(10**6, 10**6, 8)] * 3,
    *((2, 10, 1), (5, 1000, 2), (20, 1000, 3), (60, 1000, 4), (1000, 80, 3), (40, 70, 3)),
)
PROGRAMS = 3


@dataclass
class Plan:
    """It lasts so many seconds, and on until there were so many sales. `factor`: how fast the database's clock runs.

    `restarts`: seconds from the start when the database is stopped.
    """

    seconds: float
    sales: int
    processes: int = 3
    factor: int = 600
    kill_every_s: float | None = 2.0
    restarts: tuple[float, ...] = ()
    limits: Sequence[tuple[int, int, int]] = LIMITS
    unsafe: str = ""
    tell: Callable[[str], None] = lambda words: None


@dataclass
class Burnt:
    """What is left: the log, the database, and what was done to them."""

    url: str
    story: Story
    targets: list[Target]
    clock: FastClock
    kills: int = 0
    restarts: int = 0

    def wrong(self) -> list[str]:
        """Everything, in words."""
        url = self.url
        found = check(self.story, Stored.of(url), self.targets, self.clock)
        return [*found, *lost(url, self.story.acknowledged()), *faults(url)]

    def in_words(self) -> str:
        said = {}
        for each in self.story.tries:
            said[each.status] = said.get(each.status, 0) + 1
        hours = (self.clock() - self.clock.start_ms) / 3_600_000
        return (
            f"{len(self.story.sales)} sales in {len(self.story.tries)} tries: {said};"
            f" {self.kills} kills, {self.restarts} restarts of the database, {hours:.1f} hours by its clock"
        )


def burn(
    url: str, folder: Path, plan: Plan, database: OwnServer | None = None, prepare=lambda shop: None
) -> Burnt:
    """On a migrated, empty database. `database`: what is to be restarted. `prepare`: done to the shop before."""
    clock = FastClock.from_now_on(plan.factor)
    if not url.startswith("sqlite"):
        clock.install(url)
    with contextlib.closing(Shop(settings_for(url, folder, log_level="error"), clock)) as shop:
        targets = _targets(shop, plan.limits)
        prepare(shop)
        servers = [_service(shop, clock, plan, number) for number in range(plan.processes)]
        log = Log(folder / "client.log")
        load = Load([server.port for server in servers], shop.keys, targets, log, clock)
        burnt = Burnt(url, Story(), targets, clock)
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(Copy.start, servers))
            load.start()
            _Chaos(plan, servers, database, load, burnt).run()
            load.stop()
        finally:
            for server in servers:
                server.stop()
            log.close()
    burnt.story = read(folder / "client.log")
    return burnt


def _targets(shop: Shop, limits: Sequence[tuple[int, int, int]]) -> list[Target]:
    programs = [shop.make_program(name=f"Program {number}") for number in range(PROGRAMS)]
    targets = []
    for number, (hourly, daily, weight) in enumerate(limits):
        code, program_id = f"FIRE{number}", programs[number % PROGRAMS]
        shop.make_affiliate(code, program_id, limits={"hourly": hourly, "daily": daily})
        targets.append(Target(code, program_id, hourly, daily, weight))
    return targets


def _service(shop: Shop, clock: FastClock, plan: Plan, number: int) -> Copy:
    """The clocks of several processes are up to five minutes wrong, either way; that of a single one is right."""
    shift_ms = 0
    if plan.processes > 1:
        shift_ms = round(FIVE_MINUTES_MS * (2 * number / (plan.processes - 1) - 1))
    return Copy(shop.settings, Kind(clock, shift_ms, plan.unsafe))


class _Chaos:
    """What is done to the processes and their database, for as long as planned."""

    def __init__(
        self, plan: Plan, servers: list[Server], database: OwnServer | None, load: Load, burnt: Burnt
    ):
        self._plan, self._servers, self._database, self._load, self._burnt = (
            plan,
            servers,
            database,
            load,
            burnt,
        )
        self._random = Random(1)
        self._starting: dict[int, Future] = {}
        self._restarting: list[Future] = []

    def run(self) -> None:
        """Returns when everything serves again."""
        plan, began_s = self._plan, time.monotonic()
        kill_s, tell_s, restarts = plan.kill_every_s or 10**9, 10.0, list(plan.restarts)
        with ThreadPoolExecutor() as threads:
            while (passed_s := time.monotonic() - began_s) < plan.seconds or self._load.sold < plan.sales:
                assert not self._load.broken, self._load.broken
                if restarts and passed_s >= restarts[0] and all(each.done() for each in self._restarting):
                    del restarts[0]
                    self._restarting.append(threads.submit(self._restart))
                if passed_s >= kill_s:
                    kill_s += plan.kill_every_s
                    self._kill(threads)
                if passed_s >= tell_s:
                    tell_s += 10
                    plan.tell(f"{passed_s:4.0f} s: {self._load.sold} sales, heard {dict(self._load.heard)}")
                time.sleep(0.05)
        for each in (*self._starting.values(), *self._restarting):
            each.result()

    def _kill(self, threads: ThreadPoolExecutor) -> None:
        """One of those that serve, and starts it again beside whatever else happens."""
        numbers = range(len(self._servers))
        serving = [each for each in numbers if each not in self._starting or self._starting[each].done()]
        if not serving:
            return
        number = self._random.choice(serving)
        if number in self._starting:
            self._starting[number].result()
        self._servers[number].kill()
        self._starting[number] = threads.submit(self._servers[number].start)
        self._burnt.kills += 1

    def _restart(self) -> None:
        """In turn as a crash leaves it, and as an administrator does it."""
        self._database.stop(FAST if self._burnt.restarts % 2 else IMMEDIATE)
        time.sleep(DOWN_S)
        self._database.start()
        self._burnt.restarts += 1
