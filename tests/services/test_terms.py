"""Terms that look at what came before, and at who recruited whom: decided under the locks, written with the sale."""

import os

import orjson
import pytest

from refledger.core.commissions import due_minor
from refledger.core.explanations import explain
from refledger.services import acceptance, adjustment, ledger_check, reversals, review
from refledger.services.desk import LATER
from refledger.services.months import month_of
from refledger.services.terms import zone
from refledger.web.tracking import Words
from tests.builders import EMAIL, PURCHASE, Counter, Shop, settings_for

DAY_S = 86_400
TEN = {"type": "percentage", "value": "10"}
ANY_NUMBER = {"hourly": 1000, "daily": 1000}


def tier(value, **start):
    return {"from": start, "value": value}


@pytest.fixture
def shop(database_url, tmp_path, clock):
    shop = Shop(settings_for(database_url, tmp_path), clock, limits=ANY_NUMBER, repeat_purchases="lifetime")
    yield shop
    assert list(ledger_check.verify(shop.database)) == []
    shop.close()


@pytest.fixture
def counter(shop):
    return Counter(shop)


def agree(shop, **terms):
    shop.change_program(commission={"purchase": TEN | terms})


def sell(counter, number, amount=100, **fields):
    """What a sale of that amount earns its affiliate, in minor units."""
    fields = {"secret": True, **fields}
    reply = counter.purchase(f"c{number}@example.com", order_id=f"o{number}", revenue_amount=amount, **fields)
    assert reply.status == 200, reply
    return row(counter.shop, reply.id)["commission_minor"]


def row(shop, conversion_id):
    return shop.one("SELECT * FROM conversions WHERE id = ?", conversion_id)


def record_of(shop, conversion_id):
    return orjson.loads(
        shop.one("SELECT record FROM decisions WHERE conversion_id = ?", conversion_id)["record"]
    )


def months(shop):
    found = shop.rows("SELECT * FROM months ORDER BY affiliate_id, mode, type, month, counts")
    return {
        (each["affiliate_id"], each["month"], each["counts"]): (
            each["conversions"],
            each["revenue_minor"],
            each["commission_minor"],
        )
        for each in found
    }


@pytest.mark.parametrize(
    ("terms", "amounts", "earned"),
    [
        ({"tiers": [tier("12", conversions=2), tier("15", conversions=3)]}, [100] * 5, [1000, 1000, 1200, 1500, 1500]),
        ({"tiers": [tier("12", revenue="150")]}, [100, 50, 100], [1000, 500, 1200]),
        ({"tiers": [tier("12", revenue="150.01")]}, [100, 50, 100], [1000, 500, 1000]),
        ({"tiers": [tier("12", conversions=1)]}, [0, 0, 100, 100], [0, 0, 1000, 1200]),  # what is free counts not
        ({"bonus": {"after": 2, "value": "50"}}, [100] * 4, [1000, 1000, 6000, 1000]),
        ({"bonus": {"after": 0, "value": "50"}}, [0, 100, 100], [0, 6000, 1000]),
        ({"cap": "8"}, [50, 80, 100, 1000], [500, 800, 800, 800]),
        ({"cap": "8", "bonus": {"after": 1, "value": "50"}}, [100, 100, 100], [800, 5800, 800]),
        ({"monthly_cap": "25"}, [100] * 4, [1000, 1000, 500, 0]),
        ({"monthly_cap": "25", "bonus": {"after": 1, "value": "50"}}, [100] * 3, [1000, 1500, 0]),
    ],
)  # fmt: skip
def test_what_a_row_of_sales_earns(shop, counter, terms, amounts, earned):
    agree(shop, **terms)
    assert [sell(counter, number, amount) for number, amount in enumerate(amounts)] == earned
    kept = shop.rows("SELECT c.*, d.record FROM conversions c JOIN decisions d ON d.conversion_id = c.id")
    for each in kept:
        commission = orjson.loads(each["record"])["commission"]
        assert commission["minor"] == each["commission_minor"] == due_minor(commission, each)


def test_in_one_group_each_sees_the_one_before(shop, counter):
    agree(shop, tiers=[tier("12", conversions=2)])
    sales = [
        counter.claim(
            secret=True, ref_code="JOHN123", customer_email=f"c{number}@example.com", order_id=f"o{number}",
            conversion_type="purchase", revenue_amount=100,
        )
        for number in range(4)
    ]  # fmt: skip
    earned = [row(shop, reply.id)["commission_minor"] for reply in counter.settle(*sales)]
    assert earned == [1000, 1000, 1200, 1200]


def test_forged_reports_lift_nobodys_tier_and_use_up_no_cap(shop, counter):
    agree(shop, tiers=[tier("12", conversions=2)], monthly_cap="25", bonus={"after": 1, "value": "5"})
    forged = [sell(counter, number, secret=False) for number in range(3)]
    assert forged == [1000, 1500, 0]
    assert [sell(counter, number) for number in range(10, 13)] == [1000, 1500, 0]
    assert months(shop)[shop.john_id, 202609, "verified"] == (3, 30000, 2500)
    assert months(shop)[shop.john_id, 202609, "accepted"] == (6, 60000, 5000)
    assert months(shop)[shop.john_id, 0, "verified"] == (3, 30000, 2500)


def test_each_affiliate_and_mode_has_a_month_of_its_own(shop, counter):
    agree(shop, monthly_cap="15")
    assert [sell(counter, number) for number in (1, 2)] == [1000, 500]
    assert sell(counter, 3, ref_code="MARY123") == 1000
    assert sell(counter, 4, key=shop.keys["test_secret_key"]) == 1000


def test_a_new_month_begins_in_the_programs_zone(shop, counter, clock):
    shop.change_program(time_zone="Asia/Tokyo", commission={"purchase": TEN | {"monthly_cap": "15"}})
    assert [sell(counter, number) for number in (1, 2)] == [1000, 500]
    clock.advance_s(9 * DAY_S)  # 30 September, 14:13 in London, 23:13 in Tokyo
    assert sell(counter, 3) == 0
    clock.advance_s(3600)
    assert sell(counter, 4) == 1000
    assert months(shop)[shop.john_id, 202610, "verified"] == (1, 10000, 1000)


def test_terms_that_come_later_know_what_was_before(shop, counter, clock):
    assert [sell(counter, number) for number in (1, 2)] == [1000, 1000]
    clock.advance_s(10 * DAY_S)  # October
    assert sell(counter, 3) == 1000
    assert months(shop) == {}
    agree(shop, tiers=[tier("12", conversions=1)], bonus={"after": 4, "value": "5"})
    assert [sell(counter, 4), sell(counter, 5), sell(counter, 6)] == [1200, 1700, 1200]
    agree(shop)
    sell(counter, 7)
    agree(shop, tiers=[tier("15", conversions=5)])
    assert sell(counter, 8) == 1500


def test_an_affiliates_own_terms_count_for_them_alone(shop, counter):
    own = {"purchase": TEN | {"tiers": [tier("20", conversions=1)]}}
    sell(counter, 1)
    shop.change_affiliate(shop.john_id, commission=own)
    assert sell(counter, 2) == 2000
    assert [sell(counter, number, ref_code="MARY123") for number in (3, 4)] == [1000, 1000]
    assert {place[0] for place in months(shop)} == {shop.john_id}


def test_nothing_is_counted_that_no_terms_ask_for(shop, counter):
    agree(shop, cap="5")
    sell(counter, 1)
    assert months(shop) == {}


@pytest.mark.parametrize(
    ("at_ms", "name", "month"),
    [
        (1_798_761_599_999, "UTC", 202612),
        (1_798_761_600_000, "UTC", 202701),
        (1_798_761_599_999, "Asia/Tokyo", 202701),
        (1_798_761_600_000, "America/New_York", 202612),
    ],
)
def test_months(at_ms, name, month):
    assert month_of(at_ms, name) == month


def test_zones():
    assert zone("Europe/Berlin") and zone("UTC")
    assert zone("Europe/Atlantis") is zone("../UTC") is zone("America") is None


# ── two levels ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def recruited(shop):
    """Mary recruited John; recruiters earn 5 %, and no sale pays more than 12 %."""
    shop.change_program(recruiter={"value": "5", "most": "12"})
    shop.change_affiliate(shop.john_id, recruiter_id=shop.mary_id)
    return shop


def held(shop, affiliate_id, account="pending", mode="live"):
    found = shop.one("SELECT * FROM standings WHERE affiliate_id = ? AND mode = ?", affiliate_id, mode)
    return found[f"{account}_minor"]


def shares(shop):
    return [
        (each["affiliate_id"], orjson.loads(each["terms"]), each["commission_minor"])
        for each in shop.rows("SELECT * FROM shares ORDER BY conversion_id")
    ]


def test_the_recruiters_part_gives_way_first(recruited, counter):
    sale = counter.purchase(secret=True)
    assert (held(recruited, recruited.john_id), held(recruited, recruited.mary_id)) == (999, 200)
    assert shares(recruited) == [(recruited.mary_id, {"value": "5", "most": "12"}, 200)]
    kept = record_of(recruited, sale.id)["share"]
    assert kept["arithmetic"] == (
        "5 % of 99.99 USD, rounded down, is 4.99 USD; beside the affiliate's 9.99 USD, 12 % of the sale leave 2.00 USD"
    )
    assert explain(record_of(recruited, sale.id))[-2] == (
        f"Who recruited the affiliate, {recruited.mary_id}, earns 2.00 USD of it: {kept['arithmetic']}."
    )
    recruited.change_program(commission={"purchase": {"type": "fixed", "value": "15"}})
    assert sell(counter, 2) == 1200
    assert (held(recruited, recruited.john_id), held(recruited, recruited.mary_id)) == (999 + 1200, 200)


@pytest.mark.parametrize("how", ["none", "paused", "no terms", "a signup"])
def test_who_earns_no_share(recruited, counter, how):
    if how == "none":
        recruited.change_affiliate(recruited.john_id, recruiter_id=None)
    if how == "paused":
        recruited.change_affiliate(recruited.mary_id, status="paused")
    if how == "no terms":
        recruited.change_program(recruiter=None)
    reply = counter.signup(secret=True) if how == "a signup" else counter.purchase(secret=True)
    assert reply.status == 200 and shares(recruited) == []
    assert held(recruited, recruited.mary_id) == 0


@pytest.mark.parametrize(("recruiters", "at_once"), [({"value": "5", "most": "12"}, 1), (None, 3)])
def test_the_recruiter_is_held(recruited, counter, recruiters, at_once):
    """What moves one recruiter's standing does not share a group; where recruiters earn nothing, it may."""
    recruited.change_program(recruiter=recruiters)
    recruited.make_affiliate("EVE123", recruiter_id=recruited.mary_id)
    sales = [
        counter.claim(
            secret=True, ref_code=code, customer_email=f"{code}@example.com", order_id=code,
            conversion_type="purchase", revenue_amount=100,
        )
        for code in ("JOHN123", "EVE123", "MARY123")
    ]  # fmt: skip
    answers = counter.tracking.settle(sales)
    assert len([answer for answer in answers if answer is not LATER]) == at_once
    counter.settle(*sales[at_once:])
    assert held(recruited, recruited.mary_id) == (1400 if recruiters else 1000)


def test_what_is_displaced_is_taken_back_from_the_recruiter_too(recruited, counter):
    squat = counter.purchase()
    assert held(recruited, recruited.mary_id) == 200
    eve = recruited.make_affiliate("EVE123")
    claim = counter.claim(secret=True, ref_code="EVE123", customer_email=EMAIL, **PURCHASE)
    assert counter.tracking.settle([claim]) == [LATER]  # it did not hold John and Mary
    assert claim.also_held >= {recruited.john_id, recruited.mary_id}
    assert counter.settle(claim)[0].status == 200
    assert row(recruited, squat.id)["decision"] == "rejected"
    assert [held(recruited, each) for each in (recruited.john_id, recruited.mary_id, eve)] == [0, 0, 999]


def test_what_happens_to_a_sale_reaches_the_recruiter(recruited, counter, clock):
    sale = counter.purchase(secret=True, revenue_amount=100)
    both, account = (recruited.john_id, recruited.mary_id), "pending"

    def do(step, *wanted):
        clock.advance_s(1)
        with recruited.database.write(recruited.merchant_id) as connection:
            step(connection, recruited.tenant, *wanted, None, clock(), os.urandom)
        return [held(recruited, each, account) for each in both]

    of_sale = reversals.Sale(sale.id, None)
    assert [held(recruited, each) for each in both] == [1000, 200]
    assert do(review.reject, sale.id) == [0, 0]
    assert do(review.reopen, sale.id) == [1000, 200]
    account = "payable"
    assert do(review.approve, sale.id) == [1000, 200]
    assert do(reversals.refund, of_sale, "r1", "33.33") == [666, 134]  # 12 % of 66.67 are 8.00
    assert do(adjustment.adjust, sale.id, "133.33") == [1000, 200]
    account = "dispute_reserve"
    assert do(reversals.dispute, of_sale, "d1", "open") == [1000, 200]
    account = "payable"
    assert do(reversals.dispute, of_sale, "d1", "won") == [1000, 200]
    assert do(reversals.refund, of_sale, "r2", None) == [0, 0]


def test_a_grown_order_earns_no_more_of_the_month_than_was_set_aside_for_it(shop, counter, clock):
    agree(shop, monthly_cap="25")
    first = counter.purchase(secret=True, order_id="1", revenue_amount=100)
    assert [sell(counter, number) for number in (2, 3)] == [1000, 500]
    for amount, earned in (("500", 1000), ("50", 500), ("100", 1000)):
        with shop.database.write(shop.merchant_id) as connection:
            adjustment.adjust(connection, shop.tenant, first.id, amount, None, clock(), os.urandom)
        assert row(shop, first.id)["commission_minor"] == earned


def test_a_customer_who_stays_with_their_first_affiliate_stays_with_the_recruiter(recruited, counter):
    """Whose sale it is turns out only while it is decided: the recruiter must be held by then."""
    recruited.change_program(attribution="first", repeat_purchases="lifetime")
    counter.purchase(secret=True, order_id="1", revenue_amount=100)
    recruited.make_affiliate("EVE123")
    assert counter.purchase(secret=True, order_id="2", revenue_amount=100, ref_code="EVE123").status == 200
    assert (held(recruited, recruited.john_id), held(recruited, recruited.mary_id)) == (2000, 400)


def test_an_attempt_is_accepted_under_the_terms_of_its_time(recruited, counter, clock):
    recruited.change_program(limits={"hourly": 0, "daily": 0})
    agree(recruited, monthly_cap="12")
    assert counter.purchase(secret=True).code == "rate_limited"
    attempt = recruited.one("SELECT * FROM attempts")["id"]
    recruited.change_program(recruiter=None, commission={"purchase": TEN})
    recruited.change_affiliate(recruited.john_id, recruiter_id=None)
    with recruited.database.write(recruited.merchant_id) as connection:
        conversion_id = acceptance.accept_attempt(
            connection, recruited.tenant, attempt, None, clock(), os.urandom, Words()
        )
    assert record_of(recruited, conversion_id)["commission"]["terms"]["left"] == "9.99"
    assert (held(recruited, recruited.john_id), held(recruited, recruited.mary_id)) == (999, 200)
    assert months(recruited)[recruited.john_id, 202609, "verified"] == (1, 9999, 999)
