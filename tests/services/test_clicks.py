"""Clicks between their answer and the disk, and the routing kept in memory."""

import asyncio
import ipaddress
import os
import threading
import time

import pytest

from refledger.core.refusals import Reason, Refused
from refledger.services import merchants
from refledger.services.clicks import ClickBuffer, Clicks, Visit
from refledger.services.lookups import READERS, Lookups
from refledger.services.observe import Observers
from refledger.services.routes import Cache, Routes
from refledger.services.tracking import Tracking
from refledger.services.visitor import Trusted, client_address, is_https
from refledger.store.engine import Unavailable
from refledger.web.tracking import Words
from tests.builders import Counter


class Groups(list):
    """The sizes of the groups stored."""

    def observers(self):
        return Observers(clicks_stored=lambda n, seconds: self.append(n))


@pytest.fixture
def link(shop):
    shop.change_program(slug="demo")
    return asyncio.run(Routes(shop.database, shop.secret).link("demo", "JOHN123"))


@pytest.fixture
def buffer(shop):
    made = ClickBuffer(shop.database, 20, 1000)
    made.open()
    yield made
    made.drain(5)


def note(buffer, link, clock, visit=None):
    return Clicks(buffer, clock, os.urandom).note(
        link.program, link.affiliate, "live", "link", visit or Visit("203.0.113.42", "Mozilla/5.0...")
    )


def count(shop, table="clicks"):
    return shop.one(f"SELECT count(*) AS n FROM {table}")["n"]


def test_stored_by_itself_soon_after_the_answer(shop, buffer, link, clock):
    note(buffer, link, clock)
    given_up_s = time.monotonic() + 5  # 20 ms on a machine that has time
    while buffer.waiting and time.monotonic() < given_up_s:
        time.sleep(0.005)
    assert (count(shop), buffer.waiting) == (1, 0)


def test_what_comes_together_is_stored_together(shop, link, clock):
    groups = Groups()
    # Long enough for thirty to come on any machine; an orderly end does not wait for it.
    buffer = ClickBuffer(shop.database, 3000, 1000, groups.observers())
    buffer.open()
    for _ in range(30):
        note(buffer, link, clock)
    assert buffer.drain(5) == 0
    assert groups == [30] and count(shop) == 30


def test_a_click_has_the_fingerprints_conversions_look_for(shop, buffer, link, clock):
    clock.advance_s(-60)
    click_id = note(buffer, link, clock)
    buffer.drain(5)
    clock.advance_s(60)
    (stored,) = shop.rows("SELECT * FROM clicks")
    made = shop.click(address="203.0.113.42", agent="Mozilla/5.0...")
    twin = shop.one("SELECT * FROM clicks WHERE id = ?", made)
    assert stored["id"] == click_id
    assert (stored["address_key"], stored["agent_key"]) == (twin["address_key"], twin["agent_key"])


def test_what_no_database_takes_is_cleaned(shop, buffer, link, clock):
    note(buffer, link, clock, Visit("nonsense", "a\0b" * 2000, "u" * 5000, " ", "\0", "document"))
    buffer.drain(5)
    (row,) = shop.rows("SELECT * FROM clicks")
    assert (row["address"], row["address_key"], row["referrer"], row["sub_id"]) == (
        None,
        row["id"],
        None,
        None,
    )
    assert len(row["agent"]) == 1024 and "\0" not in row["agent"] and len(row["url"]) == 2000


def test_full_is_said_and_nothing_is_dropped(shop, link, clock):
    buffer = ClickBuffer(shop.database, 20, 5)
    answers = [note(buffer, link, clock) for _ in range(8)]
    assert [getattr(answer, "reason", None) for answer in answers] == [None] * 5 + [Reason.OVERLOADED] * 3
    buffer.open()
    assert buffer.drain(5) == 0
    assert count(shop) == 5
    assert note(buffer, link, clock).reason is Reason.OVERLOADED  # it has stopped


class Broken:
    """A database that fails as told, then works."""

    def __init__(self, database, *errors):
        self.database, self.errors = database, list(errors)

    def write(self):
        if self.errors:
            raise self.errors.pop(0)
        return self.database.write()


def test_an_unreachable_database_is_waited_for(shop, link, clock):
    buffer = ClickBuffer(Broken(shop.database, Unavailable("locked"), Unavailable("full")), 1, 100)
    buffer.open()
    for _ in range(3):
        note(buffer, link, clock)
    assert buffer.drain(5) == 0
    assert count(shop) == 3


def test_only_the_guilty_fail(shop, link, clock):
    buffer = ClickBuffer(shop.database, 5, 100)
    good = note(buffer, link, clock)
    buffer.accept((None, "click_bad", *["x"] * 12, 0))
    other = note(buffer, link, clock)
    buffer.open()
    assert buffer.drain(5) == 0
    assert {row["id"] for row in shop.rows("SELECT id FROM clicks")} == {good, other}


def test_one_whose_commit_was_not_heard_of_is_not_stored_twice(shop, link, clock):
    class Deaf(Broken):
        def write(self):
            return FailsOnceCommitted(self.database.write(), self.errors.pop(0) if self.errors else None)

    buffer = ClickBuffer(Deaf(shop.database, Unavailable("gone while committing")), 5, 100)
    for _ in range(3):
        note(buffer, link, clock)
    buffer.open()
    assert buffer.drain(5) == 0
    assert count(shop) == 3


class FailsOnceCommitted:
    def __init__(self, context, error):
        self.context, self.error = context, error

    def __enter__(self):
        return self.context.__enter__()

    def __exit__(self, *details):
        self.context.__exit__(*details)
        if self.error:
            raise self.error


def test_answers_from_many_and_rows_are_the_same(shop, link, clock):
    buffer = ClickBuffer(shop.database, 1, 100_000)
    buffer.open()
    ids = [note(buffer, link, clock) for _ in range(5000)]
    assert buffer.drain(10) == 0
    assert {row["id"] for row in shop.rows("SELECT id FROM clicks")} == set(ids)


# ── routing ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Ticks:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Counted:
    """A look-up that counts itself."""

    def __init__(self):
        self.calls, self.threads = 0, set()

    def __call__(self, connection, key):
        self.calls += 1
        self.threads.add(threading.current_thread())
        return None if key == "none" else self.calls


async def cached_answers(database):
    ticks, load = Ticks(), Counted()
    cache = Cache(Lookups(database), load, most=2, clock_s=ticks)
    assert await asyncio.gather(*(cache.get("a") for _ in range(50))) == [1] * 50  # one look-up for all
    assert threading.current_thread() not in load.threads
    ticks.now_s = 0.4
    assert await cache.get("a") == 1 and load.calls == 1
    ticks.now_s = 0.6
    assert await cache.get("a") == 1  # at once, and renewed behind it
    while load.calls < 2 or cache._loading:
        await asyncio.sleep(0.001)
    assert await cache.get("a") == 2
    ticks.now_s = 1.7
    assert await cache.get("a") == 3  # too old to be used
    assert await cache.get("none") is None and await cache.get("none") is None and load.calls == 4
    await cache.get("b")
    assert len(cache._entries) == 2


def test_answers_are_kept_for_a_second_and_renewed_behind_their_use(database):
    asyncio.run(cached_answers(database))


def test_what_was_known_goes_on_being_used_while_the_database_is_away(database):
    ticks, away = Ticks(), []

    def load(connection, key):
        if away:
            raise Unavailable("away")
        return key

    async def journey():
        cache = Cache(Lookups(database), load, clock_s=ticks)
        assert await cache.get("a") == "a"
        away.append(True)
        ticks.now_s = 300.0
        assert await cache.get("a") == "a"
        with pytest.raises(Refused) as refused:
            await cache.get("b")
        assert refused.value.refusal.reason is Reason.UNAVAILABLE
        ticks.now_s = 601.0
        with pytest.raises(Refused):
            await cache.get("a")
        away.clear()
        assert await cache.get("b") == "b"

    asyncio.run(journey())


def test_what_waits_is_looked_up_together_and_only_the_guilty_fail(database):
    connections = set()

    def load(connection, key):
        connections.add(connection)
        if key == "guilty":
            raise ValueError("a fault")
        return key

    async def journey():
        lookups = Lookups(database)
        assert await asyncio.gather(*(lookups.ask(load, (each,)) for each in range(100))) == list(range(100))
        assert len(connections) <= 2 * READERS  # not one for each
        wanted = ("a", "guilty", "b")
        answers = await asyncio.gather(
            *(lookups.ask(load, (each,)) for each in wanted), return_exceptions=True
        )
        assert (answers[0], type(answers[1]), answers[2]) == ("a", ValueError, "b")

    asyncio.run(journey())


def test_who_waits_too_long_is_told_so_and_the_next_is_served(database):
    going_on = threading.Event()

    def load(connection, key):
        if key == "stuck":
            going_on.wait(10)
        return key

    async def journey():
        lookups = Lookups(database)
        database.wait_s = 0.2
        stuck = asyncio.ensure_future(lookups.ask(load, ("stuck",)))
        await asyncio.sleep(0.05)
        assert await lookups.ask(load, ("a",)) == "a"  # by the other reader
        with pytest.raises(TimeoutError):
            await stuck
        going_on.set()
        assert await lookups.ask(load, ("b",)) == "b"

    asyncio.run(journey())


def test_a_revoked_key_is_refused_within_a_second(shop):
    async def journey():
        routes = Routes(shop.database, shop.secret)
        key = await routes.key(shop.keys["publishable_key"])
        assert (key.merchant_id, key.kind, key.mode) == (shop.merchant_id, "publishable", "live")
        merchants.revoke_key(shop.database, key.id, shop.clock())
        await asyncio.sleep(1.05)
        assert await routes.key(shop.keys["publishable_key"]) is None
        assert await routes.key("garbage") is None

    asyncio.run(journey())


def test_programs_of_others_and_inactive_ones_are_unknown(shop):
    async def journey():
        routes = Routes(shop.database, shop.secret)
        assert await routes.program("mer_other", shop.program_id) is None
        assert (await routes.program(shop.merchant_id, shop.program_id)).id == shop.program_id
        shop.change_program(status="paused")
        assert await Routes(shop.database, shop.secret).program(shop.merchant_id, shop.program_id) is None

    asyncio.run(journey())


# ── who speaks ───────────────────────────────────────────────────────────────────────────────────────────────────


def scope(peer, *forwarded, scheme="http", proto=None):
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    if proto:
        headers.append((b"x-forwarded-proto", proto.encode()))
    return {"client": peer and (peer, 1), "headers": headers, "scheme": scheme}


def trusted(*ranges):
    return Trusted([ipaddress.ip_network(each) for each in ranges])


@pytest.mark.parametrize(
    "peer, forwarded, address",
    [
        (None, (), None),
        ("nonsense", (), None),
        ("203.0.113.5", ("192.0.2.1",), "203.0.113.5"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("192.0.2.1",), "192.0.2.1"),
        ("10.0.0.1", ("1.1.1.1, 192.0.2.1",), "192.0.2.1"),
        ("10.0.0.1", ("1.1.1.1", "192.0.2.1, 10.0.0.2"), "192.0.2.1"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", ("192.0.2.1, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("192.0.2.1:4711",), "192.0.2.1"),
        ("::ffff:10.0.0.1", ("[2001:db8::7]:443",), "2001:db8::7"),
        ("fd00::1", ("192.0.2.1",), "192.0.2.1"),
        ("10.0.0.1", (", ".join(["9.9.9.9"] + ["10.0.0.2"] * 100),), "10.0.0.2"),
    ],
)
def test_client_address(peer, forwarded, address):
    assert client_address(scope(peer, *forwarded), trusted("10.0.0.0/8", "fd00::/8")) == address


def test_without_trusted_proxies_nothing_is_believed():
    assert client_address(scope("10.0.0.1", "192.0.2.1"), Trusted()) == "10.0.0.1"
    assert not is_https(scope("10.0.0.1", proto="https"), Trusted())


def test_https():
    proxies = trusted("10.0.0.0/8")
    assert is_https(scope("192.0.2.1", scheme="https"), proxies)
    assert is_https(scope("10.0.0.1", proto="https"), proxies)
    assert is_https(scope("10.0.0.1", proto="http, https"), proxies)
    assert not is_https(scope("10.0.0.1", proto="https, http"), proxies)
    assert not is_https(scope("192.0.2.1", proto="https"), proxies)
    assert not is_https(scope("10.0.0.1"), proxies)


@pytest.mark.parametrize("rides", [True, False], ids=["riding", "control: not riding"])
def test_a_decision_sees_every_click_answered_before_it(shop, link, clock, rides):
    slow = ClickBuffer(shop.database, 50, 1000)  # never opened: only a ride stores anything
    counter = Counter(shop)
    counter.tracking = Tracking(shop.database, Words(), clock, **({"riding": slow.riding} if rides else {}))
    click_id = note(slow, link, clock)
    clock.advance_s(5)
    reply = counter.purchase(click_id=click_id)
    assert reply.code == ("timing_too_fast" if rides else "pending")
    assert (count(shop), slow.waiting) == ((1, 0) if rides else (0, 1))


def test_clicks_that_rode_a_transaction_that_failed_wait_on(shop, link, clock):
    buffer = ClickBuffer(shop.database, 5, 1000)
    note(buffer, link, clock)
    with pytest.raises(RuntimeError), buffer.riding() as ride, shop.database.write() as connection:
        ride(connection)
        raise RuntimeError("spoiled by another")
    assert (count(shop), buffer.waiting) == (0, 1)
    buffer.open()
    assert buffer.drain(5) == 0
    assert count(shop) == 1


def test_who_decides_waits_for_clicks_that_another_is_storing(shop, link, clock):
    """On PostgreSQL two groups are in flight: the click that one of them carries is seen by the other."""
    buffer, carries, found = ClickBuffer(shop.database, 50, 1000), threading.Event(), []

    def carry():
        with buffer.riding() as ride, shop.database.write(shop.merchant_id) as connection:
            ride(connection)
            carries.set()
            time.sleep(0.3)  # long enough for the other to look, if it does not wait

    note(buffer, link, clock)
    first = threading.Thread(target=carry)
    first.start()
    assert carries.wait(10)
    with buffer.riding() as ride, shop.database.write(shop.merchant_id) as connection:
        ride(connection)
        found += connection.exec_driver_sql("SELECT id FROM clicks").all()
    first.join(10)
    assert len(found) == 1
