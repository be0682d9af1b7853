"""The service at work on recorded files, and what it has promised by when."""

import os
import shutil
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from refledger.core.refusals import Refused
from refledger.services import steps
from refledger.services.clicks import ClickBuffer, Clicks, Visit
from refledger.services.desk import LATER
from refledger.services.routes import AffiliateRoute, ProgramRoute
from refledger.services.tracking import Tracking
from refledger.store import engine, migrate
from refledger.store.engine import Checkpoints, Database
from refledger.web.tracking import Words
from tests.builders import AGENT, PURCHASE, SIGNUP, Counter, Reply, Shop, settings_for
from tests.conftest import Clock
from tests.powercuts.disk import Disk, Model
from tests.powercuts.recorder import Recorder
from tests.powercuts.shim import Driver

NAME, RECORDER = "refledger.db", "recorder"
# Where files are written that need not last; the usual place where there is no such folder.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ROUNDS, LARGEST_GROUP = 30, 12
UNLIMITED = {"hourly": 1_000_000, "daily": 1_000_000}
STEPS = ("approve", "reject", "reopen", "refund", "chargeback")
# Of a conversion: its decision, whether it was refunded, its dispute, its commission in minor units.
State = tuple[str, bool, str | None, int]


@dataclass
class Recording:
    """What was done to the files, and what was promised: each promise counts from so many records on."""

    records: list[tuple]
    rows: list[tuple[int, str, str]] = field(default_factory=list)  # from when, table, id
    states: dict[str, list[tuple[int, State]]] = field(default_factory=lambda: defaultdict(list))

    def promise(self, table: str, row_id: str) -> None:
        self.rows.append((len(self.records), table, row_id))

    def promise_state(self, conversion_id: str, state: State) -> None:
        self.states[conversion_id].append((len(self.records), state))

    def all_states(self) -> list[tuple[int, State]]:
        return [each for states in self.states.values() for each in states]


class OftenMoved(Checkpoints):
    """The log is moved and begun anew many times in a short life."""

    EVERY_S, LOG_FRAMES = 0.01, 80
    moves = 0

    def _move(self) -> None:
        super()._move()
        self.moves += 1

    def await_move(self) -> None:
        """However busy the machine: the next one happens, if there is anything to move."""
        moves, until_s = self.moves, time.monotonic() + 30
        while self._frames() >= self.LOG_FRAMES and self.moves == moves:
            assert time.monotonic() < until_s
            time.sleep(0.002)


@contextmanager
def driven_by(driver):
    """The store on another driver than `sqlite3`."""
    before, engine.sqlite3 = engine.sqlite3, driver
    try:
        yield
    finally:
        engine.sqlite3 = before


def record(seed: int, driver: Driver, rounds: int = ROUNDS) -> Recording:
    """A life of the service, from the empty folder on, closed once in between. `driver`: on the VFS `RECORDER`."""
    folder = Path(tempfile.mkdtemp(prefix="refledger-recorded-", dir=MEMORY))
    recorder = Recorder(RECORDER)
    recording, random, clock = Recording(recorder.records), Random(seed), Clock()
    try:
        with driven_by(driver):
            settings = settings_for(f"sqlite:///{folder / NAME}", folder)
            database = Database(settings.database_url)
            migrate.upgrade(database)
            database.close()
            _Life(Shop(settings, clock, limits=UNLIMITED), recording, random).run(rounds)
        _compare(recorder.records, folder)
    finally:
        recorder.unregister()
        shutil.rmtree(folder)
    return recording


def _compare(records: list[tuple], folder: Path) -> None:
    """A disk that loses nothing holds, by the records, what the real one holds."""
    disk = Disk(Model(loses=False))
    for each in records:
        disk.do(each)
    real = {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith(NAME)}
    assert disk.cut(Random(0)) == real


class _Life:
    def __init__(self, shop: Shop, recording: Recording, random: Random):
        self.shop, self.recording, self.random = shop, recording, random
        recording.promise("merchants", shop.merchant_id)
        for number in range(6):
            recording.promise("affiliates", shop.make_affiliate(f"AFF{number}", limits=UNLIMITED))
        self.route = ProgramRoute(
            shop.merchant_id, shop.program_id, "", frozenset(), frozenset(), 30, True, shop.fingerprint_key
        )
        self.count, self.clicks = 0, []
        self.accepted: list[str] = []
        self.squatters: dict[str, str] = {}  # order id → conversion id, for as long as nobody displaced it

    def run(self, rounds: int) -> None:
        for part in (rounds // 2, rounds - rounds // 2):
            self._serve(part)

    def _serve(self, rounds: int) -> None:
        """From opening to closing; the last connection to close moves the log and deletes it."""
        shop = self.shop
        shop.close()
        shop.database = Database(shop.settings.database_url)
        self.buffer = ClickBuffer(shop.database, flush_ms=5, most=1000)
        self.visits = Clicks(self.buffer, shop.clock, os.urandom)
        self.tracking = Tracking(shop.database, Words(), shop.clock, riding=self.buffer.riding)
        self.counter = Counter(shop)
        checkpoints = OftenMoved(shop.database)
        self.buffer.open()
        checkpoints.open()
        for _ in range(rounds):
            shop.clock.advance_s(self.random.uniform(0, 30))
            self._visit(self.random.randrange(6))
            self._report(self.random.randrange(1, LARGEST_GROUP + 1))
            if self.accepted and self.random.random() < 0.6:
                self._step()
            if self.random.random() < 0.3:
                checkpoints.await_move()
        checkpoints.close()
        assert self.buffer.drain(10) == 0
        shop.close()

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def _visit(self, many: int) -> None:
        affiliate = AffiliateRoute(self.shop.john_id, "JOHN123")
        for _ in range(many):
            visit = Visit(address=f"198.51.100.{self.random.randrange(256)}", agent=AGENT)
            self.clicks.append(self.visits.note(self.route, affiliate, "live", "link", visit))

    def _report(self, many: int) -> None:
        claims, clicks = [self._claim() for _ in range(many)], self.clicks
        while claims:
            self.clicks = []
            outcomes = self.tracking.settle(claims)
            for click_id in clicks:
                self.recording.promise("clicks", click_id)
            for claim, outcome in zip(claims, outcomes, strict=True):
                if outcome is not LATER:
                    self._note(claim, Reply(outcome))
            claims = [claim for claim, outcome in zip(claims, outcomes, strict=True) if outcome is LATER]
            clicks = []

    def _claim(self):
        self.count += 1
        code = f"AFF{self.random.randrange(6)}"
        who = {"customer_email": f"power{self.count}x@example.com", "order_id": f"order-{self.count}"}
        kinds = ["sale", "signup", "keyed", "coupon", "refused"] + ["displacing"] * bool(self.squatters)
        kind = self.random.choice(kinds)
        request_id, key = f"req_{self.count}", f"key-{self.count}" if kind == "keyed" else None
        fields = {"request_id": request_id, "ref_code": code, **who, **PURCHASE}
        if kind == "signup":
            fields = fields | SIGNUP | {"revenue_amount": None, "order_id": None}
        elif kind == "coupon":
            fields = {"request_id": request_id, "coupon_code": "SAVE20", **who, **PURCHASE}
        elif kind == "refused":
            fields["ref_code"] = "NOBODY"
        elif kind == "displacing":
            order_id = self.random.choice(sorted(self.squatters))
            fields |= {"order_id": order_id, "metadata": {"displaces": self.squatters.pop(order_id)}}
        return self.counter.claim(idempotency_key=key, secret=kind == "displacing", **fields)

    def _note(self, claim, reply: Reply) -> None:
        """What an answer promises."""
        promise = self.recording.promise
        if reply.status != 200:
            promise("attempts", claim.request_id)
            return
        promise("conversions", reply.id)
        commission_minor = round(reply.body["commission"] * 100)
        self.recording.promise_state(reply.id, (reply.body["status"], False, None, commission_minor))
        if claim.idempotency_key:
            promise("idempotency", claim.body_key)
        displaced = (claim.given.get("metadata") or {}).get("displaces")
        if displaced:
            _, (*_, its_minor) = self.recording.states[displaced][-1]
            self.recording.promise_state(displaced, ("rejected", False, None, its_minor))
        elif claim.given.get("order_id") and "ref_code" in claim.given and self.random.random() < 0.3:
            self.squatters[claim.given["order_id"]] = reply.id
        else:
            self.accepted.append(reply.id)

    def _step(self) -> None:
        shop, conversion_id, step = self.shop, self.random.choice(self.accepted), self.random.choice(STEPS)
        try:
            with shop.database.write() as connection:
                row = steps.take(connection, shop.tenant, step, conversion_id, None, shop.clock(), os.urandom)
        except Refused:
            return
        state = (row["decision"], bool(row["refunded"]), row["dispute"], row["commission_minor"])
        self.recording.promise_state(conversion_id, state)
