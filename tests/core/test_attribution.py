"""Whose conversion it is: the live coupon's, else the live referral code's."""

from dataclasses import replace

import pytest

from refledger.core.attribution import Attribution, attribute, stay_with_first
from refledger.core.intake import MISSING_MESSAGE, Report
from refledger.core.programs import Affiliate, Coupon, fold_code
from refledger.core.refusals import Reason

NOW_MS = 1_790_000_000_000
JOHN = Affiliate(
    "mer_1", "aff_john", "prog_1", "john@a.example", "JOHN123", "k1", "active", None, None, None, "[]", None
)
MARY = replace(JOHN, id="aff_mary", email="mary@a.example", ref_code="MARY123", code_key="k2")
COUPON = Coupon("mer_1", "cpn_1", "prog_1", "aff_mary", "SAVE20", "k3", None, None, True)
BOTH = Report("prog_1", "purchase", ref_code="john123", coupon_code="save20", email="c@c.example")

LIVE = {
    "no bounds": COUPON,
    "begins now": replace(COUPON, starts_ms=NOW_MS),
    "ends after now": replace(COUPON, ends_ms=NOW_MS + 1),
}
DEAD = {
    "unknown": (None, None, "unknown"),
    "switched off": (replace(COUPON, active=False), MARY, "switched off"),
    "not started": (replace(COUPON, starts_ms=NOW_MS + 1), MARY, "not started"),
    "expired": (replace(COUPON, ends_ms=NOW_MS), MARY, "expired"),
    "its affiliate is paused": (COUPON, replace(MARY, status="paused"), "affiliate paused"),
    "its affiliate is banned": (COUPON, replace(MARY, status="banned"), "affiliate banned"),
}
DEAD_AFFILIATES = [None, replace(JOHN, status="paused"), replace(JOHN, status="banned")]


@pytest.mark.parametrize("coupon", LIVE.values(), ids=LIVE.keys())
@pytest.mark.parametrize("john", [JOHN, *DEAD_AFFILIATES])
def test_a_live_coupon_wins(coupon, john):
    found = attribute(BOTH, john, coupon, MARY, NOW_MS)
    assert (found.affiliate, found.via, found.coupon) == (MARY, "coupon", coupon)


@pytest.mark.parametrize(("coupon", "owner", "state"), DEAD.values(), ids=DEAD.keys())
def test_a_dead_coupon_falls_back(coupon, owner, state):
    found = attribute(BOTH, JOHN, coupon, owner, NOW_MS)
    assert (found.affiliate, found.via, found.coupon) == (JOHN, "ref_code", None)
    assert [(each["by"], each["state"]) for each in found.candidates] == [
        ("coupon", state),
        ("ref_code", "live"),
    ]


@pytest.mark.parametrize(("coupon", "owner", "state"), DEAD.values(), ids=DEAD.keys())
@pytest.mark.parametrize("john", DEAD_AFFILIATES)
def test_neither_live_is_told_in_the_coupons_words(coupon, owner, state, john):
    refusal = attribute(BOTH, john, coupon, owner, NOW_MS)
    assert refusal.reason is Reason.INVALID_COUPON
    assert len(refusal.detail["candidates"]) == 2


@pytest.mark.parametrize("john", DEAD_AFFILIATES)
def test_a_dead_referral_code_alone(john):
    assert (
        attribute(replace(BOTH, coupon_code=None), john, None, None, NOW_MS).reason
        is Reason.INVALID_AFFILIATE
    )


def test_falling_back_needs_the_email():
    anonymous = replace(BOTH, email=None)
    refusal = attribute(anonymous, JOHN, None, None, NOW_MS)
    assert (refusal.reason, refusal.fields) == (Reason.MISSING_FIELDS, ("customer_email",))
    assert refusal.message == MISSING_MESSAGE
    assert attribute(anonymous, JOHN, COUPON, MARY, NOW_MS).affiliate == MARY


def test_codes_are_compared_trimmed_and_without_case():
    assert fold_code(" JoHn123 ") == fold_code("john123")
    assert fold_code("STRASSE") == fold_code("straße")
    assert fold_code("john123_") != fold_code("john123")


# ── attribution: first ───────────────────────────────────────────────────────────────────────────────────────────

WON = Attribution(JOHN, "ref_code", None, ({"by": "ref_code"},))


def test_a_known_customer_stays_with_their_first_affiliate():
    kept = stay_with_first(WON, MARY)
    assert (kept.affiliate, kept.via) == (MARY, "first")
    assert [each["by"] for each in kept.candidates] == ["first", "ref_code"]


@pytest.mark.parametrize(
    "first", [None, JOHN, replace(MARY, status="paused"), replace(MARY, status="banned")]
)
def test_otherwise_nothing_changes(first):
    assert stay_with_first(WON, first) is WON
