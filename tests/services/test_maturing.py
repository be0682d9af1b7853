"""What time alone brings about, to the millisecond, once, and never for what a person has to look at."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from refledger.services import ledger_check, maturing, queue, reversals, review, steps
from refledger.services.maturing import Maturing
from refledger.store.engine import Database
from tests.builders import Counter, Shop, settings_for

DAY_MS = 86_400_000
DUE_MS = 7 * DAY_MS
NAMES = ("anna", "bert", "carla", "dora", "emil", "fritz", "gina", "hugo")


@pytest.fixture
def shop(database_url, tmp_path, clock):
    made = Shop(
        settings_for(database_url, tmp_path),
        clock,
        hold_days=14,
        approve_days=7,
        policy={"signals": {"email.role": {"action": "review"}}},
        limits={"hourly": 1000, "daily": 1000},
    )
    yield made
    made.close()


@pytest.fixture
def counter(shop):
    return Counter(shop)


def run(shop, database=None):
    Maturing(database or shop.database, shop.clock, os.urandom).run()


def take(shop, step, conversion_id):
    with shop.database.write(shop.merchant_id) as connection:
        steps.take(connection, shop.tenant, step, conversion_id, None, shop.clock(), os.urandom)


def tell(shop, told, conversion_id, dispute_id="d"):
    sale = reversals.Sale(conversion_id)
    with shop.database.write(shop.merchant_id) as connection:
        reversals.dispute(connection, shop.tenant, sale, dispute_id, told, None, shop.clock(), os.urandom)


def state(shop, conversion_id):
    return shop.one("SELECT * FROM conversions WHERE id = ?", conversion_id)["status"]


def accounts(shop, as_of_now=False):
    with shop.database.read(shop.merchant_id) as connection:
        found = review.balance(connection, shop.tenant, shop.john_id)
        if as_of_now:
            found = maturing.as_of_now(connection, shop.tenant, shop.john_id, found, shop.clock())
    return {name: found[name] for name in ("pending", "held", "payable", "dispute_reserve") if found[name]}


def sound(shop):
    return list(ledger_check.verify(shop.database)) == []


def test_a_hold_ends_to_the_millisecond_and_on_read_alike(shop, counter):
    sold = counter.purchase(secret=True).id
    at_ms = shop.clock()
    take(shop, "approve", sold)
    assert accounts(shop) == accounts(shop, as_of_now=True) == {"held": 999}
    shop.clock.now_ms = at_ms + 14 * DAY_MS - 1
    run(shop)
    assert accounts(shop) == accounts(shop, as_of_now=True) == {"held": 999}
    shop.clock.now_ms += 1
    assert (accounts(shop), accounts(shop, as_of_now=True)) == ({"held": 999}, {"payable": 999})
    run(shop)
    assert accounts(shop) == accounts(shop, as_of_now=True) == {"payable": 999}
    assert sound(shop)
    run(shop)
    assert len(shop.rows("SELECT * FROM events WHERE type = 'conversion.matured'")) == 1


def test_what_is_approved_after_its_hold_is_payable_at_once(shop, counter):
    sold = counter.purchase(secret=True).id
    shop.clock.now_ms += 14 * DAY_MS
    take(shop, "approve", sold)
    assert accounts(shop) == {"payable": 999} and sound(shop)


def test_a_dispute_stops_a_hold_and_the_hold_goes_on(shop, counter):
    sold = counter.purchase(secret=True).id
    at_ms = shop.clock()
    take(shop, "approve", sold)
    tell(shop, "open", sold)
    assert accounts(shop) == {"dispute_reserve": 999}
    tell(shop, "won", sold)
    assert accounts(shop) == {"held": 999}
    tell(shop, "open", sold, "e")
    shop.clock.now_ms = at_ms + 14 * DAY_MS
    run(shop)
    assert accounts(shop) == {"dispute_reserve": 999}
    tell(shop, "won", sold, "e")
    assert accounts(shop) == {"payable": 999} and sound(shop)


CASES = {
    "verified and pending": ({"secret": True}, [], "approved"),
    "unverified": ({}, [], "pending"),
    "to be looked at": ({"secret": True, "email": "info@example.com"}, [], "pending_review"),
    "rejected": ({"secret": True}, ["reject"], "rejected"),
    "reopened by somebody": ({"secret": True}, ["reject", "reopen"], "pending"),
    "refunded": ({"secret": True}, ["refund"], "refunded"),
    "disputed": ({"secret": True}, ["chargeback"], "chargeback"),
}


@pytest.mark.parametrize("case", CASES)
def test_approved_by_itself_is_only_what_nobody_has_to_look_at(shop, counter, case):
    fields, taken, expected = CASES[case]
    sold = counter.purchase(**fields).id
    at_ms = shop.clock()
    for step in taken:
        take(shop, step, sold)
    before = state(shop, sold)
    shop.clock.now_ms = at_ms + DUE_MS - 1
    run(shop)
    assert state(shop, sold) == before
    shop.clock.now_ms += 1
    run(shop)
    run(shop)
    assert state(shop, sold) == expected
    is_approved = expected == "approved"
    told = shop.rows("SELECT * FROM events WHERE type = 'conversion.approved'")
    noted = shop.rows("SELECT * FROM audit WHERE action = 'conversion.approved'")
    assert len(told) == len(noted) == is_approved and sound(shop)
    if is_approved:
        assert '"reason":"automatic"' in told[0]["data"]
        assert (noted[0]["actor"], noted[0]["subject_id"]) == ("automatic", sold)
        assert accounts(shop) == {"held": 999}


def test_what_nobody_judged_clears_no_signal(shop, counter):
    shop.change_program(policy={"signals": {"email.role": {"action": "score", "points": 1}}})
    by_itself = counter.purchase("info@example.com", secret=True).id
    by_hand = counter.purchase("admin@example.org", secret=True).id
    take(shop, "approve", by_hand)
    shop.clock.now_ms += DUE_MS
    run(shop)
    assert state(shop, by_itself) == state(shop, by_hand) == "approved"
    with shop.database.read(shop.merchant_id) as connection:
        (role,) = [
            each for each in queue.usefulness(connection, shop.tenant, {}) if each.signal.code == "email.role"
        ]
    assert (role.decided, role.cleared) == (1, 1)


def test_a_dispute_that_is_won_lets_it_be_approved(shop, counter):
    sold = counter.purchase(secret=True).id
    tell(shop, "open", sold)
    shop.clock.now_ms += DUE_MS
    run(shop)
    tell(shop, "won", sold)
    assert state(shop, sold) == "pending"
    run(shop)
    assert state(shop, sold) == "approved" and sound(shop)


def test_many_in_batches_and_every_merchant(shop, counter, monkeypatch, tmp_path):
    monkeypatch.setattr(maturing, "MOST", 3)
    other = Shop(shop.settings, shop.clock, hold_days=1, approve_days=1, name="Other", slug="other")
    for name in NAMES[:7]:
        counter.purchase(f"{name}@{name}.example.com", secret=True)
    theirs = Counter(other).purchase(secret=True).id
    shop.clock.now_ms += 14 * DAY_MS
    run(shop)
    assert accounts(shop) == {"payable": 7 * 999}
    assert state(shop, theirs) == "approved" and sound(shop)
    other.close()


def test_several_processes_at_once_move_everything_once(shop, counter):
    for name in NAMES:
        counter.purchase(f"{name}@{name}.example.com", secret=True)
    shop.clock.now_ms += 14 * DAY_MS
    others = [Database(shop.settings.database_url, 30) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda database: run(shop, database), others))
    for database in others:
        database.close()
    assert accounts(shop) == {"payable": 8 * 999}
    assert len(shop.rows("SELECT * FROM events WHERE type = 'conversion.approved'")) == 8
    assert sound(shop)


def test_one_that_cannot_be_settled_stops_no_other(shop, counter):
    """Its standing is gone, as after a fault of ours."""
    counter.purchase(secret=True)
    broken = counter.purchase("mary@mail.example.com", secret=True, ref_code="MARY123").id
    shop.run("DELETE FROM standings WHERE affiliate_id = ?", shop.mary_id)
    shop.clock.now_ms += 14 * DAY_MS
    run(shop)
    assert accounts(shop) == {"payable": 999}
    assert state(shop, broken) == "pending"
