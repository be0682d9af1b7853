"""The desk: only the guilty fail, no conversion is ever partial or made twice, and who waits is answered."""

import asyncio
import re
import sqlite3
import threading
from contextlib import closing, contextmanager
from functools import partial

import pytest

from refledger.core.refusals import Reason, Refusal
from refledger.services import tracking
from refledger.services.desk import Desk
from refledger.store import engine
from tests.builders import EMAIL, PURCHASE, SIGNUP, Counter, Shop, again, forget_numbers, settings_for
from tests.journeys.checks import faults


@contextmanager
def nobody_decides(shop):
    """On SQLite whoever writes holds everything; on PostgreSQL what every group looks up first is locked."""
    with shop.database.write() as connection:
        if not shop.database.is_sqlite:
            connection.exec_driver_sql("LOCK TABLE api_key_routes, api_keys IN ACCESS EXCLUSIVE MODE")
        yield


def together(shop, settle, claims, cap=64):
    """Settles the claims in one group, by holding the database while they arrive; answers the outcomes."""

    async def run():
        desk = Desk([settle], cap, max_waiting=1000)
        desk.open(asyncio.get_running_loop())
        try:
            with nobody_decides(shop):
                blocker = desk.submit(Counter(shop).claim())  # refused: it has no fields
                while desk.waiting:
                    await asyncio.sleep(0.001)
                futures = [desk.submit(claim) for claim in claims]
            await blocker
            return await asyncio.gather(*futures)
        finally:
            assert await asyncio.to_thread(desk.close, 10)

    return asyncio.run(run())


def code_of(outcome):
    return outcome.reason.value if isinstance(outcome, Refusal) else outcome.code


def mixed_claims(counter):
    """One of everything: accepted, displacing, duplicate, refused, remembered."""
    return [
        counter.claim(secret=True, ref_code="JOHN123", customer_email=EMAIL, order_id="1001", **PURCHASE),
        counter.claim(ref_code="JOHN123", customer_email="b@example.com", idempotency_key="k1", **PURCHASE),
        counter.claim(coupon_code="SAVE20", order_id="2001", **PURCHASE),
        counter.claim(ref_code="OTHER", customer_email="c@example.com", **SIGNUP),
        counter.claim(ref_code="NOBODY", customer_email="d@example.com", **SIGNUP),
        counter.claim(ref_code="OTHER", customer_email="known@example.com", idempotency_key="k2", **SIGNUP),
    ]


def prepare(counter):
    """A squatter to be displaced, a customer who is known; the affiliate that knows them."""
    counter.shop.make_affiliate("OTHER")
    assert counter.purchase(order_id="1001", ref_code="MARY123").status == 200
    assert counter.signup("known@example.com", ref_code="OTHER").status == 200


EXPECTED = ["pending", "pending", "pending", "pending", "invalid_affiliate", "duplicate"]


# ── every statement fails in turn ────────────────────────────────────────────────────────────────────────────────


WIRED = pytest.mark.only_on(
    "sqlite", "the fuse is in its driver; PostgreSQL itself is made to fail next door"
)


class Fuse:
    """Blows once, before or after the n-th statement; `at` 0 never."""

    def __init__(self):
        self.at, self.after, self.count, self.blown = 0, False, 0, False

    def run(self, statement, *arguments):
        self.count += 1
        blows = self.count == self.at and not self.blown
        self.blown |= blows
        if blows and not self.after:
            raise sqlite3.OperationalError("a wire was cut")
        result = statement(*arguments)
        if blows:
            raise sqlite3.OperationalError("a wire was cut")
        return result


class Wired(sqlite3.Connection):
    """The driver's connection with a fuse before and after each of its statements."""

    def __init__(self, *arguments, fuse, **options):
        super().__init__(*arguments, **options)
        self.fuse = fuse

    def execute(self, *arguments):
        return self.fuse.run(super().execute, *arguments)

    def executemany(self, *arguments):
        return self.fuse.run(super().executemany, *arguments)

    def commit(self):
        return self.fuse.run(super().commit)


@pytest.fixture
def wired(monkeypatch, template, tmp_path, clock):
    """Makes a shop over a fresh database whose driver has a fuse: (counter, fuse)."""
    made = []

    def make():
        fuse = Fuse()
        path = tmp_path / f"{len(made)}.db"
        path.write_bytes(template.read_bytes())
        monkeypatch.setattr(engine.sqlite3, "connect", partial(_CONNECT, factory=partial(Wired, fuse=fuse)))
        shop = Shop(settings_for(f"sqlite:///{path}", tmp_path), clock)
        made.append(shop)
        counter = Counter(shop)
        prepare(counter)
        return counter, fuse

    yield make
    for shop in made:
        shop.close()


_CONNECT = sqlite3.connect


def settle_alone(counter, claims):
    """As the desk settles a group that it has at hand, without the thread."""
    desk = Desk([counter.tracking.settle], 64, 1000)
    return desk._settle_or_say_why(counter.tracking.settle, claims)


def settle_all(counter, claims):
    outcomes, waiting = {}, list(claims)
    while waiting:
        answered = settle_alone(counter, waiting)
        pairs = list(zip(waiting, answered, strict=True))
        outcomes |= {id(claim): outcome for claim, outcome in pairs if outcome is not tracking.LATER}
        waiting = [claim for claim, outcome in pairs if outcome is tracking.LATER]
    return [outcomes[id(claim)] for claim in claims]


@WIRED
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a group"])
def test_each_statement_fails_in_turn(wired, after, alone):
    """Whatever breaks: nothing partial is stored, nobody is told yes in vain, and a retry makes no second one."""
    at, told = 0, set()
    while True:
        at += 1
        counter, fuse = wired()
        claims = mixed_claims(counter)[:1] if alone else mixed_claims(counter)
        fuse.count, fuse.at, fuse.after = 0, at, after
        first = settle_all(counter, claims)
        fuse.at = 0
        url = counter.shop.settings.database_url
        assert faults(url) == []
        stored = {row["id"] for row in counter.shop.rows("SELECT id FROM conversions")}
        for outcome in first:
            if not isinstance(outcome, Refusal) and outcome.status == 200:
                assert outcome.body.split(b'"conversion_id": "')[1][:31].decode() in stored
        retried = settle_all(counter, [again(claim) for claim in claims])
        assert faults(url) == []
        assert {code_of(each) for each in retried} <= {
            "pending", "duplicate", "invalid_affiliate", "replayed", "pending_review",
        }  # fmt: skip
        emails = [
            row["email"]
            for row in counter.shop.rows("SELECT email FROM conversions WHERE status <> 'rejected'")
        ]
        customers = [email for email in emails if not email.endswith(".invalid")]
        assert len(set(customers)) == len(customers) == (2 if alone else 4)
        told |= {code_of(each) for each in first}
        if not fuse.blown:
            break
    assert at > 15  # there were statements to break
    assert "fault" in told  # and they were told so, where one was alone


@WIRED
def test_the_negative_control_a_transaction_left_out_is_seen(wired, monkeypatch):
    """Without the transaction around them, the same faults leave partial conversions, and the check says so."""
    monkeypatch.setattr(Wired, "rollback", sqlite3.Connection.commit)
    seen = []
    for at in range(5, 25):
        counter, fuse = wired()
        fuse.count, fuse.at = 0, at
        settle_all(counter, mixed_claims(counter)[:1])
        fuse.at = 0
        seen += faults(counter.shop.settings.database_url)
    assert seen


# ── only the guilty ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("guilty", range(6))
def test_only_the_guilty_fail(shop, counter, guilty):
    prepare(counter)
    claims = mixed_claims(counter)
    spoil(claims[guilty])
    codes = [code_of(each) for each in together(shop, counter.tracking.settle, claims)]
    expected = list(EXPECTED)
    expected[guilty] = "fault"
    assert codes == expected
    assert faults(shop.settings.database_url) == []


def spoil(claim):
    """Something no JSON can hold, which only this claim's writing finds out."""
    claim.given = {**claim.given, "spoilt": object()}
    claim.report.metadata and claim.report.metadata.update(spoilt=object())
    object.__setattr__(claim.report, "metadata", {"spoilt": object()})


def test_without_a_guilty_one_all_are_served_together(shop, counter):
    prepare(counter)
    groups = []

    def settle(claims):
        groups.append(len(claims))
        return counter.tracking.settle(claims)

    codes = [code_of(each) for each in together(shop, settle, mixed_claims(counter))]
    assert codes == EXPECTED
    assert groups[1] == 6


# ── contention ───────────────────────────────────────────────────────────────────────────────────────────────────


def crowd(counter, many=12):
    """Reports of as many customers of one affiliate."""
    return [
        counter.claim(ref_code="JOHN123", customer_email=f"{chr(97 + n)}@example.com", **SIGNUP)
        for n in range(many)
    ]


def all_at_once(works):
    for work in works:
        work.held = tracking.contends_for(work)
    return list(works), []


def test_a_group_never_exceeds_a_limit(shop, counter):
    codes = [code_of(each) for each in together(shop, counter.tracking.settle, crowd(counter))]
    assert (codes.count("pending"), codes.count("rate_limited")) == (2, 10)


def test_without_contention_the_unique_index_is_the_referee(shop, counter, monkeypatch):
    """The first safety switched off, the second one holds."""
    monkeypatch.setattr(tracking, "without_contention", all_at_once)
    codes = [code_of(each) for each in together(shop, counter.tracking.settle, crowd(counter))]
    assert codes.count("pending") == 2
    assert faults(shop.settings.database_url, {"hourly": 2}) == []


def test_without_both_the_limit_breaks(shop, counter, monkeypatch):
    """The negative control: both switched off, and the checks see it."""
    monkeypatch.setattr(tracking, "without_contention", all_at_once)
    forget_numbers(shop)
    codes = [code_of(each) for each in together(shop, counter.tracking.settle, crowd(counter))]
    assert codes.count("pending") > 2
    assert faults(shop.settings.database_url, {"hourly": 2})


@pytest.mark.parametrize("index", [True, False], ids=["with the index", "without it"])
@pytest.mark.parametrize("contention", [True, False], ids=["with contention", "without it"])
def test_equal_reports_in_one_group(shop, counter, monkeypatch, contention, index):
    """Either safety is enough; with neither, one customer is tracked several times."""
    shop.change_affiliate(shop.john_id, limits={"hourly": 100, "daily": 100})
    if not contention:
        monkeypatch.setattr(tracking, "without_contention", all_at_once)
    if not index:
        forget_uniqueness(shop)
    claims = [counter.claim(ref_code="JOHN123", customer_email=EMAIL, **SIGNUP) for _ in range(8)]
    codes = [code_of(each) for each in together(shop, counter.tracking.settle, claims)]
    safe = contention or index
    assert codes.count("pending") == (1 if safe else 8)
    assert bool(faults(shop.settings.database_url)) != safe


def forget_uniqueness(shop):
    """The conversions' table without any unique key but its primary one, and numbers that may be given twice."""
    forget_numbers(shop)
    if not shop.database.is_sqlite:
        uniques = shop.rows(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'conversions'::regclass AND contype = 'u'"
        )
        for each in uniques:
            shop.run(f"ALTER TABLE conversions DROP CONSTRAINT {each['conname']}")
        assert len(uniques) == 2
        return
    (sql,) = (row["sql"] for row in shop.rows("SELECT sql FROM sqlite_schema WHERE name = 'conversions'"))
    without = re.sub(r",\s*CONSTRAINT \w+ UNIQUE \([^)]*\)", "", sql)
    assert "UNIQUE" in sql and "UNIQUE" not in without
    shop.run("ALTER TABLE conversions RENAME TO old_conversions")
    shop.run(without)
    shop.run("DROP TABLE old_conversions")


# ── who waits ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_inbox_says_so_at_once(shop, counter):
    async def run():
        desk = Desk([counter.tracking.settle], 64, max_waiting=2)
        desk.open(asyncio.get_running_loop())
        with nobody_decides(shop):
            taken = [desk.submit(counter.claim())]
            while desk.waiting:
                await asyncio.sleep(0.001)
            taken += [desk.submit(claim) for claim in crowd(counter, 2)]
            refused = desk.submit(counter.claim())
            assert refused.done() and refused.result().reason is Reason.OVERLOADED
        assert len(await asyncio.gather(*taken)) == 3
        assert await asyncio.to_thread(desk.close, 10)

    asyncio.run(run())


def test_closing_settles_all_that_waits_and_takes_no_more(shop, counter):
    async def run():
        desk = Desk([counter.tracking.settle], 4, max_waiting=100)
        desk.open(asyncio.get_running_loop())
        futures = [desk.submit(claim) for claim in crowd(counter, 20)]
        assert await asyncio.to_thread(desk.close, 10)
        assert desk.submit(counter.claim()).result().reason is Reason.OVERLOADED
        return await asyncio.gather(*futures)

    codes = [code_of(each) for each in asyncio.run(run())]
    assert (codes.count("pending"), codes.count("rate_limited")) == (2, 18)


def test_a_caller_who_went_away_does_no_harm(shop, counter):
    async def run():
        desk = Desk([counter.tracking.settle], 64, max_waiting=100)
        desk.open(asyncio.get_running_loop())
        with nobody_decides(shop):
            gone, stays = (desk.submit(claim) for claim in crowd(counter, 2))
            gone.cancel()
        outcome = await stays
        assert await asyncio.to_thread(desk.close, 10)
        return outcome

    assert asyncio.run(run()).status == 200
    assert len(shop.rows("SELECT id FROM conversions")) == 2  # it was reported, so it counts


@contextmanager
def locked(shop):
    """Somebody else holds the database: on PostgreSQL, every connection that its server has to give."""
    if shop.database.is_sqlite:
        with closing(sqlite3.connect(shop.database.url.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    pool = shop.database.writer.pool
    taken = [shop.database.writer.connect() for _ in range(pool.size() + pool._max_overflow)]
    yield
    for each in taken:
        each.close()


def test_a_locked_database_is_said_so_and_recovers(database_url, tmp_path, clock):
    with closing(Shop(settings_for(database_url, tmp_path, database_wait_s=0.1), clock)) as shop:
        counter = Counter(shop)
        claim = crowd(counter, 1)[0]
        with locked(shop):
            (outcome,) = settle_alone(counter, [claim])
            assert outcome.reason is Reason.UNAVAILABLE
        (outcome,) = settle_alone(counter, [again(claim)])
        assert outcome.status == 200


def pragma(shop, text):
    shop.database.writing.connection.driver_connection.execute(f"PRAGMA {text}")


@pytest.mark.only_on(
    "sqlite", "it breaks SQLite's own connection; PostgreSQL's faults stand with the journeys"
)
@pytest.mark.parametrize(
    ("breaks", "mends"),
    [("max_page_count = 1", "max_page_count = 1000000"), ("query_only = 1", "query_only = 0")],
    ids=["a full disk", "a read-only database"],
)
def test_a_database_that_cannot_be_written_is_said_so_and_recovers(shop, counter, breaks, mends):
    claims = [
        counter.claim(coupon_code="SAVE20", order_id=f"{n}", metadata={"a": "x" * 12_000}, **PURCHASE)
        for n in range(2)
    ]
    pragma(shop, breaks)
    assert [code_of(each) for each in settle_alone(counter, claims)] == ["unavailable"] * 2
    assert shop.rows("SELECT * FROM conversions") == []
    pragma(shop, mends)
    assert [code_of(each) for each in settle_all(counter, [again(claim) for claim in claims])] == [
        "pending"
    ] * 2
    assert faults(shop.settings.database_url) == []


def test_several_desks_over_one_database(shop, counter):
    """One writer at a time: whoever is second sees what the first one stored."""
    outcomes, start = [], threading.Barrier(4)

    def serve():
        own = Counter(shop)
        claims = crowd(own, 6)
        start.wait()
        outcomes.extend(settle_all(own, [claim])[0] for claim in claims)

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = [code_of(each) for each in outcomes]
    assert codes.count("pending") == 2
    assert faults(shop.settings.database_url, {"hourly": 2}) == []
