"""Refunds and disputes at the same moment, and with a fault in the middle: never more than the sale, all or nothing."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from refledger.core.refusals import Refused
from refledger.services import adjustment, ledger_check, replies, reversals, settlement
from refledger.store import record
from refledger.store.engine import Database
from tests.services.test_at_the_same_time import Other, in_the_middle, wait_until_somebody_waits


@pytest.fixture
def sold(shop, counter):
    return counter.purchase(revenue_amount=100, secret=True, order_id="A-1").id


def refund(shop, refund_id, conversion_id, amount, entropy=os.urandom, database=None):
    sale = reversals.Sale(conversion_id)

    def work(connection, now_ms):
        row = reversals.refund(connection, shop.tenant, sale, refund_id, amount, None, now_ms, entropy)
        return replies.Answer(201, row["id"].encode())

    def refuse(refusal):
        return replies.Answer(409 if refusal.reason == "conflict" else 400, b"")

    answer = replies.settle(database or shop.database, shop.tenant, None, shop.clock, work, refuse)
    return answer.status


def refunded_minor(shop):
    """As each of the two places has it."""
    rows = shop.rows("SELECT amount_minor FROM refunds")
    kept = shop.one("SELECT sum(refunded_minor) AS minor FROM conversions")["minor"]
    return sum(row["amount_minor"] for row in rows), int(kept)


def test_refunds_at_the_same_moment_never_exceed_the_sale(shop, sold):
    others = [Database(shop.settings.database_url, 30) for _ in range(4)]
    calls = [(f"re_{number}", others[number % 4]) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda call: refund(shop, call[0], sold, "30.00", database=call[1]), calls)
        statuses = sorted(found)
    for each in others:
        each.close()
    assert statuses == [201] * 3 + [400] * 5
    assert refunded_minor(shop) == (9000, 9000)
    assert list(ledger_check.verify(shop.database)) == []


def test_one_id_at_the_same_moment_is_recorded_once(shop, counter, sold):
    other = counter.purchase("other@example.org", revenue_amount=100, secret=True).id
    databases = [Database(shop.settings.database_url, 30) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(refund, shop, "re_1", each, "30.00", database=databases[n])
                 for n, each in enumerate((sold, other))]  # fmt: skip
        statuses = sorted(each.result() for each in calls)
    for each in databases:
        each.close()
    assert statuses == [201, 409]
    assert refunded_minor(shop) == (3000, 3000)


@pytest.mark.only_on("postgresql", "SQLite has one writer at a time")
@pytest.mark.parametrize("holds", [True, False])
def test_a_refund_waits_for_the_one_in_the_middle(shop, counter, sold, monkeypatch, holds):
    """Without holding, the negative control, both see all of the sale."""
    # More is pending than the sale's own: else the ledger itself would refuse to fall below zero.
    counter.purchase("other@example.org", revenue_amount=100, secret=True)
    if not holds:
        monkeypatch.setattr(settlement, "hold", lambda connection, keys: None)
    waiting, statuses = [], []

    def other():
        call = Other(lambda: statuses.append(refund(shop, "re_2", sold, "60.00")))
        waiting.append(call)
        if holds:
            wait_until_somebody_waits(shop)
        else:
            call.join()

    statuses.append(refund(shop, "re_1", sold, "60.00", in_the_middle(other)))
    waiting[0].join()
    assert sorted(statuses) == ([201, 400] if holds else [201, 201])
    assert refunded_minor(shop)[0] == (6000 if holds else 12_000)


DEEDS = {
    "a refund": lambda shop, sold, *how: reversals.refund(
        *how[:1], shop.tenant, reversals.Sale(sold), "re_1", "30.00", None, *how[1:]
    ),
    "a dispute": lambda shop, sold, *how: reversals.dispute(
        *how[:1], shop.tenant, reversals.Sale(sold), "du_1", "open", None, *how[1:]
    ),
    "an adjustment": lambda shop, sold, *how: adjustment.adjust(
        *how[:1], shop.tenant, sold, "50.00", None, *how[1:]
    ),
}
TABLES = ("conversions", "refunds", "disputes", "entries", "events", "audit")


@pytest.mark.parametrize("deed", DEEDS)
def test_a_fault_at_the_end_leaves_nothing(shop, sold, deed):
    """The standing, which is written last, is gone."""
    shop.run("DELETE FROM standings WHERE affiliate_id = ?", shop.john_id)
    before = {table: shop.rows(f"SELECT * FROM {table}") for table in TABLES}
    with pytest.raises(record.Overtaken), shop.database.write(shop.merchant_id) as connection:
        DEEDS[deed](shop, sold, connection, shop.clock(), os.urandom)
    assert {table: shop.rows(f"SELECT * FROM {table}") for table in TABLES} == before


def test_a_recruiters_share_follows_too(shop, sold):
    """A share of 5 %, as the sale would have recorded it."""
    terms = '{"most":"50","type":"percentage","value":"5"}'
    shop.run(
        "INSERT INTO shares (merchant_id, conversion_id, affiliate_id, terms, commission_minor) "
        "VALUES (?, ?, ?, ?, ?)", shop.merchant_id, sold, shop.mary_id, terms, 500,
    )  # fmt: skip

    def mary():
        return shop.one("SELECT * FROM standings WHERE affiliate_id = ? AND mode = 'live'", shop.mary_id)

    with shop.database.write(shop.merchant_id) as connection:
        adjustment.adjust(connection, shop.tenant, sold, "80.00", None, shop.clock(), os.urandom)
    assert mary()["pending_minor"] == 400
    assert refund(shop, "re_1", sold, "20.00") == 201
    assert mary()["pending_minor"] == 300
    with shop.database.write(shop.merchant_id) as connection:
        sale = reversals.Sale(sold)
        reversals.dispute(connection, shop.tenant, sale, "d", "open", None, shop.clock(), os.urandom)
    assert (mary()["pending_minor"], mary()["dispute_reserve_minor"]) == (0, 300)
    assert refund(shop, "re_2", sold, None) == 201
    assert (mary()["dispute_reserve_minor"], mary()["expense_minor"]) == (0, 0)


def test_what_is_refused_is_refused_before_anything_is_written(shop, sold):
    with pytest.raises(Refused), shop.database.write(shop.merchant_id) as connection:
        sale = reversals.Sale(sold)
        reversals.refund(connection, shop.tenant, sale, "re_1", "100.01", None, shop.clock(), os.urandom)
    assert shop.rows("SELECT * FROM refunds") == []
