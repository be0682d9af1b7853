"""Squatting: what anyone can forge with the public key takes nothing from a verified report."""

import pytest

from refledger.services import ledger_check
from tests.builders import EMAIL


def conversion(shop, conversion_id):
    return shop.one("SELECT * FROM conversions WHERE id = ?", conversion_id)


def balance(shop, affiliate_id, mode="live"):
    return shop.one("SELECT * FROM standings WHERE affiliate_id = ? AND mode = ?", affiliate_id, mode)


def assert_superseded(shop, squat, successor):
    row = conversion(shop, squat.id)
    assert (row["status"], row["decision"], row["decision_reason"]) == ("rejected", "rejected", "superseded")
    assert (row["identity"], row["order_key"]) == (None, None)
    event = shop.one("SELECT * FROM events WHERE subject_id = ? AND type = 'conversion.superseded'", squat.id)
    assert successor.id in event["data"]
    moves = shop.rows(
        "SELECT debit, credit, amount_minor FROM entries WHERE conversion_id = ? ORDER BY kind",
        squat.id,
    )
    assert [(m["debit"], m["credit"]) for m in moves] == [("expense", "pending"), ("pending", "expense")]
    assert moves[0]["amount_minor"] == moves[1]["amount_minor"]


@pytest.mark.parametrize("squatter", ["JOHN123", "MARY123"])
@pytest.mark.parametrize("status", ["pending", "pending_review"])
@pytest.mark.parametrize("by", ["email", "order id", "both"])
def test_the_verified_report_takes_the_identity(shop, counter, squatter, status, by):
    order = {} if by == "email" else {"order_id": "1001"}
    email = EMAIL if by != "order id" else "attacker@example.net"
    squat = counter.purchase(email, ref_code=squatter, **order)
    shop.decide(squat.id, status)
    verified = counter.purchase(secret=True, **order)
    assert verified.status == 200
    assert_superseded(shop, squat, verified)
    assert conversion(shop, verified.id)["status"] == "pending"
    assert balance(shop, shop.john_id)["pending_minor"] == 999
    if squatter == "MARY123":
        assert balance(shop, shop.mary_id)["pending_minor"] == 0
    assert counter.purchase(secret=True, **order).status == 409
    assert counter.purchase(**order).status == 409


def test_the_other_way_round_it_is_a_duplicate(shop, counter):
    counter.purchase(secret=True, order_id="1001")
    assert counter.purchase(order_id="1001").status == 409
    assert counter.purchase("attacker@example.net", order_id="1001").status == 409
    assert counter.purchase(order_id="1002").status == 409


def test_an_approved_one_is_not_displaced(shop, counter):
    first = counter.purchase()
    shop.decide(first.id, "approved")
    refused = counter.purchase(secret=True)
    assert (refused.status, refused.body["conversion_id"]) == (409, first.id)
    assert conversion(shop, first.id)["decision"] == "approved"


def test_squatting_on_email_and_order_apart_loses_both(shop, counter):
    by_email = counter.purchase(ref_code="MARY123")
    by_order = counter.purchase("attacker@example.net", ref_code="MARY123", order_id="1001")
    verified = counter.purchase(secret=True, order_id="1001")
    for squat in (by_email, by_order):
        assert_superseded(shop, squat, verified)
    assert balance(shop, shop.mary_id)["pending_minor"] == 0


def test_a_squatted_order_buys_no_second_commission(shop, counter):
    first = counter.purchase(secret=True, order_id="1001")
    counter.purchase("attacker@example.net", order_id="1002")
    refused = counter.purchase(secret=True, order_id="1002")
    assert (refused.status, refused.body["conversion_id"]) == (409, first.id)


def test_forged_calls_use_up_nothing_of_the_verified_limit(shop, counter):
    assert [counter.signup(f"{name}@example.net").status for name in "abc"] == [200, 200, 429]
    assert [counter.purchase(f"{name}@example.com", secret=True).status for name in "abc"] == [200, 200, 429]
    standing = balance(shop, shop.john_id)
    assert (standing["accepted_count"], standing["verified_count"]) == (4, 2)


def test_verified_calls_do_fill_the_unverified_limit(counter):
    assert [counter.purchase(f"{name}@example.com", secret=True).status for name in "ab"] == [200, 200]
    assert counter.signup("c@example.net").status == 429


def test_an_idempotency_key_cannot_be_taken_away(shop, counter):
    squat = counter.purchase("attacker@example.net", idempotency_key="order-1001")
    verified = counter.purchase(secret=True, idempotency_key="order-1001")
    assert (verified.status, verified.answer.replayed) == (200, False)
    assert verified.id != squat.id


def test_displacement_in_one_group(shop, counter):
    squat = counter.claim(
        ref_code="MARY123", customer_email=EMAIL, conversion_type="purchase", revenue_amount=50
    )
    real = counter.claim(
        secret=True, ref_code="JOHN123", customer_email=EMAIL, conversion_type="purchase", revenue_amount=50
    )
    first, second = counter.settle(squat, real)
    assert (first.status, second.status) == (200, 200)
    assert_superseded(shop, first, second)


def test_test_mode_displaces_nothing_live(shop, counter):
    live = counter.purchase(order_id="1001")
    assert counter.purchase(key=shop.keys["test_secret_key"], order_id="1001").status == 200
    assert conversion(shop, live.id)["status"] == "pending"


def test_the_other_merchants_program_is_out_of_reach(shop, counter, clock):
    other = type(shop)(shop.settings, clock)
    try:
        reply = counter.purchase(program_id=other.program_id)
        unknown = counter.purchase(program_id="prog_nothing")
        assert reply.status == unknown.status == 404
        assert reply.bytes == unknown.bytes
    finally:
        other.close()


@pytest.mark.parametrize(("decision", "winner"), [("pending", "john"), ("approved", "mary")])
def test_a_forged_signup_outbids_no_verified_purchase(shop, counter, decision, winner):
    """Under `attribution: first`: only what the merchant vouched for makes a customer somebody's."""
    shop.change_program(attribution="first")
    shop.decide(counter.signup(ref_code="MARY123").id, decision)
    verified = counter.purchase(secret=True)
    affiliate_id = conversion(shop, verified.id)["affiliate_id"]
    assert affiliate_id == {"john": shop.john_id, "mary": shop.mary_id}[winner]


def test_among_unverified_ones_the_first_still_wins(shop, counter):
    shop.change_program(attribution="first")
    counter.signup(ref_code="MARY123")
    assert conversion(shop, counter.purchase().id)["affiliate_id"] == shop.mary_id


def test_the_events_stay_in_order_though_the_clock_steps_back(shop, counter, clock):
    """The displacement comes after the acceptance, also in the same millisecond or in an earlier one."""
    shop.change_program(limits={"hourly": 100, "daily": 100})
    for number in range(8):
        counter.purchase(f"{number}@example.com")
        clock.now_ms -= number % 2
        assert counter.purchase(f"{number}@example.com", secret=True).status == 200
    assert list(ledger_check.verify(shop.database)) == []


def test_a_block_follows_the_customer_to_their_first_affiliate(shop, counter):
    """Under `attribution: first`: the lists are asked about whoever would earn, not about whose code it was."""
    shop.change_program(attribution="first")
    assert counter.signup(ref_code="MARY123", secret=True).status == 200
    shop.list_entry("block", "affiliate", shop.mary_id)
    assert counter.purchase(secret=True).code == "blocked"
    assert counter.purchase("other@example.com", secret=True).status == 200


def test_a_forged_signup_ties_no_verified_sale_to_an_old_click(shop, counter):
    old = shop.click(at_ms=shop.clock() - 29 * 86_400_000, address="198.51.100.9")
    assert counter.signup(click_id=old).code == "pending"
    shop.clock.advance_s(2 * 86_400)
    assert counter.purchase(secret=True, order_id="1").code == "pending"


def test_an_approved_signup_does_tie_it(shop, counter):
    old = shop.click(at_ms=shop.clock() - 29 * 86_400_000, address="198.51.100.9")
    shop.decide(counter.signup(click_id=old).id, "approved")
    shop.clock.advance_s(2 * 86_400)
    assert counter.purchase(secret=True, order_id="1").code == "timing_too_slow"
