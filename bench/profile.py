"""Where the time goes: groups settled in this process, each stage timed, and Python's own profile of the whole."""

import cProfile
import os
import pstats
import random
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from bench import installation as installations
from bench import load, requests, servers
from refledger.core import addresses
from refledger.core.conversions import Refusal
from refledger.core.intake import read_object, read_report
from refledger.core.keys import hash_key, read_key
from refledger.services import histories, tracking, writing
from refledger.services.claims import Claim
from refledger.store import history, record, setup
from refledger.store.engine import Database, now_ms
from refledger.web.tracking import Words

# (module, name): what is timed, in the order of a group's life; a stage's own time excludes the stages inside it.
_STAGES = (
    (tracking, "look_up"),
    (setup, "routes_of"),
    (setup, "keys_in_force"),
    (setup, "programs_of"),
    (setup, "affiliates_by_code"),
    (setup, "coupons_by_code"),
    (tracking, "without_contention"),
    (tracking, "make_id"),
    (histories, "gather"),
    (history, "of_customers"),
    (history, "of_orders"),
    (history, "standings_of"),
    (history, "times_of"),
    (history, "nearby"),
    (history, "clicks_of"),
    (history, "seen"),
    (tracking, "judge"),
    (tracking, "decide"),
    (writing, "write"),
    (writing, "decision_record"),
    (record, "insert_conversions"),
    (record, "insert_decisions"),
    (record, "insert_acceptances"),
    (record, "insert_entries"),
    (record, "move_standings"),
    (record, "insert_events"),
    (record, "insert_sightings"),
)


class Stages:
    """Own time of nested stages, in seconds."""

    def __init__(self):
        self.own_s: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    @contextmanager
    def stage(self, name: str):
        self._inside.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - started
            self.own_s[name] += taken - self._inside.pop()
            if self._inside:
                self._inside[-1] += taken

    def timed(self, name: str, function):
        def call(*given, **named):
            with self.stage(name):
                return function(*given, **named)

        return call


class _Timed(Database):
    """A database that tells how long beginning and committing take."""

    stages: Stages

    @contextmanager
    def write(self):
        inner = super().write()
        with self.stages.stage("begin"):
            connection = inner.__enter__()
        try:
            yield connection
        except BaseException as error:
            inner.__exit__(type(error), error, error.__traceback__)
            raise
        with self.stages.stage("commit (with the disk)"):
            inner.__exit__(None, None, None)


def claims(installation: installations.Installation, first: int, count: int) -> tuple[list[Claim], float]:
    """As the door makes them; and how long reading each took, in seconds."""
    chance, secret, made = random.Random(first), installation.settings.secret_bytes(), []
    bodies = [requests.body(installation, n, chance, n % 2 == 0) for n in range(first, first + count)]
    started = time.perf_counter()
    for body in bodies:
        given = read_object(body)
        key = given["publishable_key"]
        is_secret = read_key(key).kind == "secret"
        report = read_report(given, is_secret)
        assert not isinstance(report, Refusal), report
        address = addresses.parse(report.address)
        made.append(Claim("r", hash_key(key, secret), is_secret, given, report, address))
    return made, (time.perf_counter() - started) / count


def settle_all(settling: tracking.Tracking, waiting: list[Claim], size: int) -> int:
    """Settles in groups as the desk would; answers how many were accepted."""
    waiting, accepted = list(waiting), 0
    while waiting:
        group, waiting = waiting[:size], waiting[size:]
        for claim, answer in zip(group, settling.settle(group), strict=True):
            if answer is tracking.LATER:
                waiting.append(claim)
            else:
                assert answer.status == 200, answer
                accepted += 1
    return accepted


def run(folder: Path, say, conversions: int = 12_800, size: int = 64) -> None:
    whole = installations.make(folder / "template")
    say(
        f"{conversions} conversions in groups of {size}, in this process, SQLite in WAL mode, synchronous = FULL"
    )
    plain_s, read_s = _plain(whole.copy(folder / "plain"), conversions, size)
    say(
        f"untimed inside: {plain_s * 1e6:.1f} µs per conversion ({1 / plain_s:,.0f}/s); reading each request's body"
        f" before that: {read_s * 1e6:.1f} µs"
    )
    stages, total_s = _staged(whole.copy(folder / "staged"), conversions, size)
    say(f"\nstages, own time in µs per conversion (timing itself costs some):  total {total_s * 1e6:.1f}")
    for name, own_s in sorted(stages.own_s.items(), key=lambda pair: -pair[1]):
        say(f"  {own_s / conversions * 1e6:8.2f}  {name}")
    _functions(whole.copy(folder / "functions"), conversions // 2, size, say)


def _warm(installation, database, size: int) -> tracking.Tracking:
    settling = tracking.Tracking(database, Words(), now_ms)
    settle_all(settling, claims(installation, 10**9, 10 * size)[0], size)
    return settling


def _plain(installation, conversions: int, size: int) -> tuple[float, float]:
    database = Database(installation.settings.database_url)
    settling = _warm(installation, database, size)
    waiting, read_s = claims(installation, 1, conversions)
    started = time.perf_counter()
    settle_all(settling, waiting, size)
    taken = time.perf_counter() - started
    database.close()
    return taken / conversions, read_s


def _staged(installation, conversions: int, size: int) -> tuple[Stages, float]:
    stages = Stages()
    database = _Timed(installation.settings.database_url)
    database.stages = Stages()
    settling = _warm(installation, database, size)
    waiting, _ = claims(installation, 1, conversions)
    database.stages = stages
    known = [(module, name, getattr(module, name)) for module, name in _STAGES]
    for module, name, function in known:
        room = module.__name__.rpartition(".")[2]
        setattr(module, name, stages.timed(f"{room}.{name}", function))
    settle = settling.settle
    settling.settle = stages.timed("settle (what remains)", settle)
    try:
        started = time.perf_counter()
        settle_all(settling, waiting, size)
        taken = time.perf_counter() - started
    finally:
        for module, name, function in known:
            setattr(module, name, function)
        database.close()
    return stages, taken / conversions


def _functions(installation, conversions: int, size: int, say) -> None:
    database = Database(installation.settings.database_url)
    settling = _warm(installation, database, size)
    waiting, _ = claims(installation, 1, conversions)
    profile = cProfile.Profile()
    profile.enable()
    settle_all(settling, waiting, size)
    profile.disable()
    database.close()
    _print(profile, conversions, say)


def _print(profile: cProfile.Profile, conversions: int, say) -> None:
    say(
        "\nfunctions under cProfile (which inflates small ones), µs per conversion:  own, with callees, calls"
    )
    stats = pstats.Stats(profile)
    rows = sorted(stats.stats.items(), key=lambda pair: -pair[1][2])[:40]
    for (path, line, name), (_, calls, own_s, all_s, _) in rows:
        where = f"{Path(path).name}:{line} {name}" if line else name
        say(
            f"  {own_s / conversions * 1e6:7.2f} {all_s / conversions * 1e6:8.2f} {calls / conversions:7.2f}  {where}"
        )


@contextmanager
def _printed_to(path: Path):
    """Whatever this process prints meanwhile goes to the file: a server writes a line for each request."""
    kept = os.dup(1), os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        for handle, own in zip(kept, (1, 2), strict=True):
            os.dup2(handle, own)
            os.close(handle)


def run_door(folder: Path, say, clients: int = 64, seconds: float = 4.0) -> None:
    """The whole service in this process under load, its event loop under cProfile (the desk's thread is not seen)."""
    installation = installations.make(folder / "door")
    os.environ.update(installation.environment)
    server = uvicorn.Server(servers.config())
    found: dict = {}

    def drive() -> None:
        try:
            while not server.started:
                time.sleep(0.05)
            port = server.servers[0].sockets[0].getsockname()[1]
            found.update(load.measure(port, installation, "conversions", clients, 1, seconds))
        finally:
            server.should_exit = True

    driver = threading.Thread(target=drive)
    driver.start()
    profile, started_s = cProfile.Profile(), time.process_time()
    with _printed_to(folder / "door.log"):
        profile.runcall(server.run)
    driver.join()
    answered = sum(found["statuses"].values())
    say(f"{clients} clients over HTTP under cProfile: {found['rate']:,.0f} conversions/s")
    say(
        f"processor time of the whole process: {(time.process_time() - started_s) / answered * 1e6:.0f} µs each"
    )
    _print(profile, answered, say)
