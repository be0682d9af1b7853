"""On PostgreSQL each statement of a group's transaction fails in turn, COMMIT included; then the client tries again.

The faults are real ones: the connection is cut, or the server raises the error. Whatever fails, before or after it took
effect: nothing is ever half, and under its Idempotency-Key each report is accepted exactly once in the end.
"""

import os
import socket
from contextlib import nullcontext
from itertools import product

import psycopg
import pytest
from psycopg.pq import PipelineStatus
from sqlalchemy import event

from refledger.core.refusals import Reason, Refusal
from refledger.services.clicks import ClickBuffer, Clicks, Visit
from refledger.services.desk import LATER, Desk
from refledger.services.routes import AffiliateRoute, ProgramRoute
from refledger.services.tracking import Tracking
from refledger.web.tracking import Words
from tests.builders import AGENT, PURCHASE, SIGNUP, Counter, Reply, Shop, again, settings_for
from tests.conftest import Clock
from tests.journeys.checks import faults

UNLIMITED = {"hourly": 1_000_000, "daily": 1_000_000}
SERIALIZATION, DEADLOCK, UNIQUE = "40001", "40P01", "23505"
BROKEN = "broken"
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'a wire was cut' USING ERRCODE = '{}'; END $$"
CLICKS, COMMIT = 3, -1


class Fuse:
    """Blows before or after the n-th statement, and at the same one of as many tries as told; at 0 never.

    A COMMIT that took effect is not followed by an error of the server: only the connection may break after it.
    """

    def __init__(self):
        self.set(0)

    def set(self, at, fault=BROKEN, after=False, times=1):
        self.at, self.fault, self.after, self.left = at, fault, after, times
        self.count, self.commits = 0, 0

    def run(self, connection, statement, is_commit=False):
        self.count += 1
        self.commits += is_commit
        here = is_commit if self.at == COMMIT else self.count == self.at
        blows, after = self.left > 0 and here, self.after
        if blows:
            self.left -= 1
            self.count = 0 if self.left else self.count
        if is_commit and self.fault != BROKEN:
            after = False
        if blows and not after:
            self.blow(connection)
        done = statement()
        if blows:
            self.blow(connection)
        return done

    def blow(self, connection):
        """Ends in the driver's own exception: at once, or in a pipeline where its answers are read."""
        if self.fault == BROKEN:
            with socket.socket(fileno=os.dup(connection.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)
            psycopg.Cursor(connection).execute("SELECT 1")
        else:
            psycopg.Cursor(connection).execute(RAISE.format(self.fault))
        assert connection.pgconn.pipeline_status != PipelineStatus.OFF, "it did not fail"


def wire(database, fuse, autocommit=False):
    """The driver's connections with a fuse before and after each statement and each COMMIT.

    `autocommit`: each statement is a transaction of its own.
    """

    class Wired(psycopg.Cursor):
        def execute(self, *arguments, **options):
            def statement():
                # What ends a pipeline ends a transaction, where none was begun.
                with self.connection.pipeline() if autocommit else nullcontext():
                    return psycopg.Cursor.execute(self, *arguments, **options)

            return fuse.run(self.connection, statement)

    def connected(raw, _record):
        commit = raw.commit
        raw.cursor_factory, raw.autocommit = Wired, autocommit
        raw.commit = lambda: fuse.run(raw, commit, is_commit=True)

    event.listen(database.writer, "connect", connected)
    database.writer.dispose()  # what connects from now on is wired


class Case:
    """A merchant, and group after group of reports, each with clicks that ride with it."""

    def __init__(self, url, folder):
        self.shop = Shop(settings_for(url, folder), Clock(), limits=UNLIMITED)
        for code in ("OTHER", "THIRD"):
            self.shop.make_affiliate(code, limits=UNLIMITED)
        self.url, self.fuse, self.counter, self.groups = url, Fuse(), Counter(self.shop), 0
        self.clicks = 0

    def claims(self, keys=True):
        """Another group, of which all but the last is acceptable; the first displaces what is there already."""
        self.groups += 1
        of = self.groups
        mary, bob, carol, dan = (f"{name}{of}x@example.com" for name in ("mary", "bob", "carol", "dan"))
        sold = self.counter.purchase(mary, order_id=f"first-{of}")
        assert sold.status == 200
        made = [
            {
                "secret": True,
                "ref_code": "JOHN123",
                "customer_email": mary,
                "order_id": f"first-{of}",
                **PURCHASE,
            },
            {"ref_code": "THIRD", "customer_email": bob, "order_id": f"second-{of}", **PURCHASE},
            {"coupon_code": "SAVE20", **PURCHASE},
            {"ref_code": "OTHER", "customer_email": carol, **SIGNUP},
            {"ref_code": "NOBODY", "customer_email": dan, **SIGNUP},
        ]
        key = "key-{}-{}" if keys else None
        return [
            self.counter.claim(idempotency_key=key and key.format(of, n), **each)
            for n, each in enumerate(made)
        ]

    def begin(self, at, fault=BROKEN, after=False, times=1):
        """Clicks come, nothing is remembered from the group before, and the fuse is set."""
        shop = self.shop
        self.buffer = ClickBuffer(shop.database, flush_ms=5, most=1000)
        self.tracking = Tracking(shop.database, Words(), shop.clock, riding=self.buffer.riding)
        visits = Clicks(self.buffer, shop.clock, os.urandom)
        route = ProgramRoute(
            shop.merchant_id, shop.program_id, "", frozenset(), frozenset(), 30, True, shop.fingerprint_key
        )
        for number in range(CLICKS):
            visit = Visit(address=f"198.51.100.{number}", agent=AGENT)
            visits.note(route, AffiliateRoute(shop.john_id, "JOHN123"), "live", "link", visit)
        self.clicks += CLICKS
        self.fuse.set(at, fault, after, times)

    def settle(self, claims):
        """As the desk settles those who wait, without its thread: an answer or a refusal for each."""
        settle = self.tracking.settle
        outcomes = Desk([settle], 64, 1000)._settle_or_say_why(settle, claims)
        assert LATER not in outcomes
        return outcomes

    def conversions(self):
        return {row["id"] for row in self.shop.rows("SELECT id FROM conversions WHERE status <> 'rejected'")}

    def fail_and_try_again(self, *fuse, **more):
        """Settles a group with the fuse set, and again as its clients do. Answers what they were told first."""
        claims, before = self.claims(), self.conversions()
        self.begin(*fuse, **more)
        first = self.settle(claims)
        assert self.fuse.left == 0
        self.fuse.set(0)
        assert set(filter(None, accepted(first))) <= self.conversions()  # nobody was told yes in vain
        assert faults(self.url) == []
        second = self.settle([again(claim) for claim in claims])
        *ids, refused = accepted(second)
        assert None not in ids and refused is None
        after = self.conversions()
        assert after - before == set(ids) and len(before - after) == 1  # exactly once, and one displaced
        for one, two in zip(first, second, strict=True):
            if not isinstance(one, Refusal) and one.status == 200:
                assert one.body == two.body
        self.buffer.open()
        assert self.buffer.drain(20) == 0
        assert self.shop.one("SELECT count(*) AS clicks FROM clicks")["clicks"] == self.clicks
        return [each.reason for each in first if isinstance(each, Refusal)]

    def count_statements(self):
        """Of the group's transaction where nothing fails, from fetching a connection to COMMIT."""
        for _ in range(2):
            claims = self.claims()
            self.begin(0)
            assert None not in accepted(self.settle(claims))[:-1]
        assert self.fuse.commits == 1
        return self.fuse.count


def accepted(outcomes):
    """The ids of accepted conversions; None for what was not."""
    return [
        Reply(each).id if not isinstance(each, Refusal) and each.status == 200 else None for each in outcomes
    ]


@pytest.fixture
def case(postgresql_url, tmp_path):
    made = Case(postgresql_url, tmp_path)
    wire(made.shop.database, made.fuse)
    yield made
    made.fuse.set(0)
    made.shop.close()


# ── every statement fails in turn ────────────────────────────────────────────────────────────────────────────────

FAULTS = [BROKEN, SERIALIZATION, DEADLOCK, UNIQUE]


def fail_each(case, faults_of):
    """`faults_of`: of the n-th statement, (fault, whether after it) one or several."""
    count, told = case.count_statements(), set()
    assert count > 15
    for at in range(1, count + 1):
        for fault, after in faults_of(at):
            refused = set(case.fail_and_try_again(at, fault, after))
            # What the server may take back is decided again at once; who heard nothing has to ask again.
            assert refused <= ({Reason.UNAVAILABLE} if fault == BROKEN else set())
            told |= refused
    assert told == {Reason.UNAVAILABLE}
    assert faults(case.url) == []


def test_each_statement_fails_in_turn(case):
    """The faults in turn, too; what takes longest to come right again, a broken connection, at each."""
    fail_each(case, lambda at: [(BROKEN, at % 2 == 0), (FAULTS[1 + at % 3], at % 2 == 1)])


@pytest.mark.prove
def test_each_statement_fails_in_turn_in_every_way(case):
    fail_each(case, lambda at: product(FAULTS, (False, True)))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_connection_breaks_at_the_commit(case, after):
    """Nobody can tell them apart but the database: a retry finds nothing, or its answer."""
    claims = case.claims()
    case.begin(COMMIT, BROKEN, after)
    assert {each.reason for each in case.settle(claims)} == {Reason.UNAVAILABLE}
    case.fuse.set(0)
    second = case.settle([again(claim) for claim in claims])
    assert [each.replayed for each in second] == [after] * 4 + [False]


@pytest.mark.parametrize("fault", FAULTS[1:])
def test_what_fails_more_often_than_a_group_tries_spoils_nothing(case, fault):
    """Each member is settled alone then, and the first of them meets the same once more."""
    count = case.count_statements()
    for at in (count // 2, COMMIT):
        assert case.fail_and_try_again(at, fault, times=6) == []
    assert faults(case.url) == []


@pytest.mark.parametrize("code", FAULTS[1:])
def test_the_server_itself_refuses_the_commit(case, code):
    claims = case.claims()
    case.shop.run(REFUSING_TWICE.format(code))
    case.begin(0)
    assert None not in accepted(case.settle(claims))[:-1]
    assert case.shop.one("SELECT last_value FROM commits")["last_value"] > 2
    assert faults(case.url) == []


# A counter outlasts what is rolled back; the check waits for the COMMIT.
REFUSING_TWICE = """
CREATE SEQUENCE commits;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('commits') <= 2 THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{}'; END IF; RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION refuse();"""


# ── negative controls ────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_transaction_halves_are_seen(postgresql_url, tmp_path):
    case = Case(postgresql_url, tmp_path)
    wire(case.shop.database, case.fuse, autocommit=True)
    for at in range(8, 24):
        claims = case.claims()
        case.begin(at, UNIQUE)
        case.settle(claims)
        case.fuse.set(0)
    assert faults(case.url)
    case.shop.close()


def test_without_a_key_a_sale_that_was_not_answered_is_made_twice(case):
    """The COMMIT took effect, nobody heard of it, and nothing in the report tells it from another."""
    made = {}
    for keys in (True, False):
        coupon_sale, before = case.claims(keys)[2:3], case.conversions()
        case.begin(COMMIT, BROKEN, after=True)
        assert case.settle(coupon_sale)[0].reason is Reason.UNAVAILABLE
        assert case.settle([again(each) for each in coupon_sale])[0].status == 200
        made[keys] = len(case.conversions() - before)
    assert made == {True: 1, False: 2}
