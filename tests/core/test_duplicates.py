"""Whether a conversion is known already, and who yields to whom."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from refledger.core.duplicates import Past, check_identity
from refledger.core.refusals import Reason, Refusal


def ms(*date):
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)


NOW_MS = ms(2026, 9, 21, 14)
PAST = Past("conv_1", "aff_1", "purchase", "pending", True, "mail", None, None, NOW_MS)
FIRM = "firm"


def check(own=(), order=None, kind="purchase", order_id=None, repeats="first", verified=False, now_ms=NOW_MS):
    """`FIRM` with the id of the holder, or the ids of the displaced."""
    found = check_identity(kind, order_id, repeats, own, order, verified, now_ms)
    if isinstance(found, Refusal):
        assert found.reason is Reason.DUPLICATE
        return FIRM, found.conversion_id
    return tuple(past.id for past in found)


def past(id="conv_1", **more):
    return replace(PAST, id=id, **more)


# ── who holds an identity ────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_call_twice():
    assert check() == ()
    assert check([past()]) == (FIRM, "conv_1")
    assert check([past()], verified=True) == (FIRM, "conv_1")


def test_a_signup_and_a_purchase_are_two():
    assert check([past(type="signup")]) == ()
    assert check([past()], kind="signup") == ()
    assert check([past(type="signup")], kind="signup") == (FIRM, "conv_1")


@pytest.mark.parametrize("verified", [True, False])
def test_a_rejected_one_has_released_its_identity(verified):
    gone = past(decision="rejected", order_id="1001")
    assert check([gone], verified=verified) == ()
    assert check([gone], gone, order_id="1001", verified=verified) == ()


@pytest.mark.parametrize(
    ("decision", "held", "reported", "expected"),
    [
        ("pending", False, True, ("conv_1",)),
        ("pending_review", False, True, ("conv_1",)),
        ("approved", False, True, (FIRM, "conv_1")),
        ("pending", True, True, (FIRM, "conv_1")),
        ("pending_review", True, True, (FIRM, "conv_1")),
        ("pending", False, False, (FIRM, "conv_1")),
        ("pending", True, False, (FIRM, "conv_1")),
        ("rejected", False, True, ()),
    ],
)
@pytest.mark.parametrize("by", ["email", "order", "both"])
def test_verified_displaces_unverified_until_it_is_approved(decision, held, reported, expected, by):
    holder = past(decision=decision, verified=held, order_id=None if by == "email" else "1001")
    own = [] if by == "order" else [holder]
    order = None if by == "email" else holder
    order_id = None if by == "email" else "1001"
    assert check(own, order, order_id=order_id, verified=reported) == expected


# ── order ids and repeat purchases ───────────────────────────────────────────────────────────────────────────────

FIRST = past(order_id="1001", at_ms=ms(2026, 1, 31, 12))


@pytest.mark.parametrize("repeats", ["first", "lifetime", {"months": 3}])
def test_an_order_is_tracked_once_whatever_the_program_pays(repeats):
    other = past(email_key="someone else", order_id="1001")
    assert check([], other, order_id="1001", repeats=repeats) == (FIRM, "conv_1")
    assert check([], other, order_id="1001", repeats=repeats, verified=True) == (FIRM, "conv_1")


@pytest.mark.parametrize("verified", [True, False])
def test_a_further_order(verified):
    assert check([FIRST], order_id="1002", repeats="first", verified=verified) == (FIRM, "conv_1")
    assert check([FIRST], order_id="1002", repeats="lifetime", verified=verified) == ()
    # Without an order id nothing tells a further sale from the same one.
    assert check([FIRST], repeats="lifetime", verified=verified) == (FIRM, "conv_1")


@pytest.mark.parametrize(
    ("first_ms", "months", "until_ms"),
    [
        (ms(2026, 1, 15, 12), 1, ms(2026, 2, 15, 12)),
        (ms(2026, 1, 31, 12), 1, ms(2026, 2, 28, 12)),
        (ms(2028, 1, 31, 12), 1, ms(2028, 2, 29, 12)),
        (ms(2026, 1, 31, 12), 3, ms(2026, 4, 30, 12)),
        (ms(2026, 11, 30, 12), 3, ms(2027, 2, 28, 12)),
        (ms(2026, 12, 31, 12), 12, ms(2027, 12, 31, 12)),
        (ms(2026, 12, 1, 0), 1, ms(2027, 1, 1, 0)),
        (ms(2026, 1, 15, 12) + 7, 1, ms(2026, 2, 15, 12) + 7),
    ],
)
def test_months_are_counted_from_the_first_purchase(first_ms, months, until_ms):
    own = [past(order_id="1001", at_ms=first_ms), past("conv_2", order_id="1002", at_ms=first_ms + 1000)]
    repeats = {"months": months}
    assert check(own, order_id="1003", repeats=repeats, now_ms=until_ms - 1) == ()
    assert check(own, order_id="1003", repeats=repeats, now_ms=until_ms) == (FIRM, "conv_1")


def test_a_rejected_first_purchase_does_not_start_the_months():
    own = [replace(FIRST, decision="rejected"), past("conv_2", order_id="1002", at_ms=ms(2026, 8, 1))]
    assert check(own, order_id="1003", repeats={"months": 3}) == ()


def test_a_forged_purchase_starts_no_months_for_a_verified_report():
    """Whoever forges a customer's purchase today must not end the paid months of their real ones."""
    forged = past("conv_forged", order_id="9", verified=False, at_ms=ms(2026, 1, 1))
    real = past("conv_real", order_id="1001", at_ms=ms(2026, 8, 1))
    repeats = {"months": 3}
    assert check([forged, real], order_id="1002", repeats=repeats, verified=True) == ()
    assert check([forged], order_id="1002", repeats=repeats, verified=True) == ()
    assert check([forged, real], order_id="1002", repeats=repeats) == (FIRM, "conv_forged")
    approved = replace(forged, decision="approved")
    expected = (FIRM, "conv_forged")
    assert check([approved, real], order_id="1002", repeats=repeats, verified=True) == expected


def test_a_signup_has_no_order():
    order = past(order_id="1001")
    assert check([], order, kind="signup", order_id="1001") == ()


def test_an_unverified_sale_without_its_order_id_may_be_the_verified_one():
    anonymous = past(verified=False)
    assert check([anonymous], order_id="1002", repeats="lifetime", verified=True) == ("conv_1",)
    assert check([anonymous], order_id="1002", repeats="lifetime", verified=False) == ()
    known = past(verified=False, order_id="1001")
    assert check([known], order_id="1002", repeats="lifetime", verified=True) == ()


# ── squatting on an order number ─────────────────────────────────────────────────────────────────────────────────

SQUAT = past("conv_squat", affiliate_id="aff_2", verified=False, email_key="another", order_id="1002")


def test_a_squatted_order_opens_no_second_paid_sale():
    """The customer's first purchase is paid; forging their next order number must not make that one paid too."""
    assert check([FIRST], SQUAT, order_id="1002", repeats="first", verified=True) == (FIRM, "conv_1")
    assert check([FIRST], SQUAT, order_id="1002", repeats="lifetime", verified=True) == ("conv_squat",)


def test_both_squatters_yield():
    by_email = past("conv_mail", verified=False)
    for repeats in ("first", "lifetime", {"months": 1}):
        found = check([by_email], SQUAT, order_id="1002", repeats=repeats, verified=True)
        assert found == ("conv_squat", "conv_mail")


def test_an_approved_holder_is_firm_though_another_yields():
    approved = past("conv_mail", verified=False, decision="approved")
    assert check([approved], SQUAT, order_id="1002", verified=True) == (FIRM, "conv_mail")
    firm_order = replace(SQUAT, decision="approved")
    assert check([past(verified=False)], firm_order, order_id="1002", verified=True) == (FIRM, "conv_squat")
