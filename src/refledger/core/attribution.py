"""Whose conversion it is.

A conversion belongs to the affiliate whose live code the report carries, the coupon before the referral code. A
program may choose `attribution: first`: a known customer then stays with the affiliate of their first conversion.
"""

from dataclasses import dataclass, replace
from typing import Any

from refledger.core.intake import MISSING_MESSAGE, Report
from refledger.core.programs import Affiliate, Coupon
from refledger.core.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True)
class Attribution:
    """The winner, by which code, and every candidate with what spoke for or against it."""

    affiliate: Affiliate
    via: str  # coupon | ref_code | first
    coupon: Coupon | None
    candidates: tuple[dict[str, Any], ...]


def attribute(
    report: Report,
    by_ref_code: Affiliate | None,
    coupon: Coupon | None,
    by_coupon: Affiliate | None,
    now_ms: int,
) -> Attribution | Refusal:
    """The affiliate of the live coupon, else of the live referral code, else a refusal in the page's words."""
    candidates = []
    if report.coupon_code:
        why = _coupon_state(coupon, by_coupon, now_ms)
        candidates.append(_candidate("coupon", report.coupon_code, by_coupon, why))
        if why == "live":
            return Attribution(by_coupon, "coupon", coupon, tuple(candidates))
    if report.ref_code:
        why = _affiliate_state(by_ref_code)
        candidates.append(_candidate("ref_code", report.ref_code, by_ref_code, why))
        if why == "live":
            if report.email is None:
                return Refusal(Reason.MISSING_FIELDS, MISSING_MESSAGE, ("customer_email",))
            return Attribution(by_ref_code, "ref_code", None, tuple(candidates))
    reason = Reason.INVALID_COUPON if report.coupon_code else Reason.INVALID_AFFILIATE
    return Refusal(reason, detail={"candidates": candidates})


def stay_with_first(attribution: Attribution, first: Affiliate | None) -> Attribution:
    """Under `attribution: first`: the known customer's first affiliate keeps them while live."""
    if first is None or not first.is_live or first.id == attribution.affiliate.id:
        return attribution
    kept = _candidate("first", first.ref_code, first, "live")
    return replace(attribution, affiliate=first, via="first", candidates=(kept, *attribution.candidates))


def _candidate(by: str, code: str, affiliate: Affiliate | None, why: str) -> dict[str, Any]:
    return {"by": by, "code": code, "affiliate_id": affiliate.id if affiliate else None, "state": why}


def _affiliate_state(affiliate: Affiliate | None) -> str:
    if affiliate is None:
        return "unknown"
    return "live" if affiliate.is_live else f"affiliate {affiliate.status}"


def _coupon_state(coupon: Coupon | None, affiliate: Affiliate | None, now_ms: int) -> str:
    if coupon is None or affiliate is None:
        return "unknown"
    if not coupon.active:
        return "switched off"
    if coupon.starts_ms is not None and now_ms < coupon.starts_ms:
        return "not started"
    if coupon.ends_ms is not None and coupon.ends_ms <= now_ms:
        return "expired"
    return _affiliate_state(affiliate)
