"""What is old enough is forgotten, to the millisecond; what is not stays."""

import time

import pytest

from refledger.services import housekeeping as module
from refledger.services.housekeeping import Housekeeping
from refledger.services.origins import Origins
from refledger.settings import load
from tests.builders import ADDRESS, EMAIL, PURCHASE, Counter
from tests.mmdb import LONDON, write

DAY_MS = 86_400_000


@pytest.fixture
def housekeeping(shop, clock):
    return Housekeeping(shop.database, clock)


@pytest.fixture
def counter(shop, tmp_path):
    """With a database of cities, so that every kind is left."""
    path = write(tmp_path / "city.mmdb", "GeoLite2-City", {"203.0.113.0/24": LONDON})
    origins = Origins(load(geoip_city=path))
    origins.look()
    return Counter(shop, origins)


def count(shop, table):
    return shop.one(f"SELECT count(*) AS n FROM {table}")["n"]


@pytest.mark.parametrize(
    ("table", "days", "fields"),
    [
        ("attempts", 30, {"ref_code": None}),
        ("idempotency", 400, {"idempotency_key": "k1"}),
        ("sightings", 90, {}),
        ("acceptances", 8, {}),
        ("whereabouts", 1, {}),
    ],
)
def test_each_kind_is_kept_for_its_time(shop, counter, housekeeping, clock, table, days, fields):
    counter.purchase(**{"customer_ip": ADDRESS, **fields})
    kept = count(shop, table)
    assert kept
    clock.now_ms += days * DAY_MS - 1
    housekeeping.forget()
    assert count(shop, table) == kept
    clock.now_ms += 1
    housekeeping.forget()
    assert count(shop, table) == 0
    assert count(shop, "conversions") == (0 if table == "attempts" else 1)


def test_it_forgets_soon_after_the_start(shop, counter, housekeeping, clock, monkeypatch):
    """What is restarted more often than hourly would else keep everything for ever."""
    monkeypatch.setattr(module, "COUNT_EVERY_S", 0.01)
    monkeypatch.setattr(module, "FORGET_EVERY_ROUNDS", 1 << 60)
    counter.purchase(ref_code=None)
    clock.now_ms += 30 * DAY_MS
    housekeeping.open()
    try:
        end = time.monotonic() + 30
        while count(shop, "attempts"):
            assert time.monotonic() < end, "it has not forgotten"
            time.sleep(0.02)
    finally:
        housekeeping.close()


def test_other_attempts_and_the_ledger_stay_for_ever(shop, counter, housekeeping, clock):
    counter.purchase()
    counter.purchase()
    counter.report(ref_code="NOBODY", customer_email=EMAIL, **PURCHASE)
    tables = ("conversions", "decisions", "entries", "events", "attempts")
    before = [count(shop, table) for table in tables]
    clock.now_ms += 4000 * DAY_MS
    housekeeping.forget()
    assert [count(shop, table) for table in tables] == before and all(before)


def test_all_that_is_old_goes_however_much_it_is(shop, counter, housekeeping, clock, monkeypatch):
    """Nothing is left for the next time, or what comes in faster than it is forgotten would grow for ever."""
    find, drop = module.store.KINDS["attempts"]
    a_few = (lambda *where: find(*where)[:2], drop)
    monkeypatch.setitem(module.store.KINDS, "attempts", a_few)
    for _ in range(7):
        counter.purchase(ref_code=None)
    clock.now_ms += 30 * DAY_MS
    housekeeping.forget()
    assert count(shop, "attempts") == 0
