"""What is old enough is forgotten, to the millisecond; what is not stays."""

import pytest

from refledger.services.housekeeping import Housekeeping
from tests.builders import EMAIL, PURCHASE

DAY_MS = 86_400_000


@pytest.fixture
def housekeeping(shop, clock):
    return Housekeeping(shop.database, clock)


def count(shop, table):
    return shop.one(f"SELECT count(*) AS n FROM {table}")["n"]


@pytest.mark.parametrize(
    ("table", "days", "fields"),
    [
        ("attempts", 30, {"ref_code": None}),
        ("idempotency", 400, {"idempotency_key": "k1"}),
        ("sightings", 90, {}),
        ("acceptances", 8, {}),
    ],
)
def test_each_kind_is_kept_for_its_time(shop, counter, housekeeping, clock, table, days, fields):
    counter.purchase(**fields)
    kept = count(shop, table)
    assert kept
    clock.now_ms += days * DAY_MS - 1
    housekeeping.forget()
    assert count(shop, table) == kept
    clock.now_ms += 1
    housekeeping.forget()
    assert count(shop, table) == 0
    assert count(shop, "conversions") == (0 if table == "attempts" else 1)


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
    from refledger.services import housekeeping as module

    find, drop = module.store.KINDS["attempts"]
    a_few = (lambda *where: find(*where)[:2], drop)
    monkeypatch.setitem(module.store.KINDS, "attempts", a_few)
    for _ in range(7):
        counter.purchase(ref_code=None)
    clock.now_ms += 30 * DAY_MS
    housekeeping.forget()
    assert count(shop, "attempts") == 0
