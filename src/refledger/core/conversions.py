"""The decision: is this conversion real, whose is it, what is it worth?

Two ladders, both in the order of answers: `screen` needs what was asked and what the merchant set up; `decide` needs
what happened before. First plain returns, then only consequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from refledger.core import emails
from refledger.core.addresses import Address
from refledger.core.attribution import Attribution, attribute
from refledger.core.commissions import NOTHING, Commission, Share, Tally, commission_for, share_for
from refledger.core.duplicates import Past, check_identity
from refledger.core.emails import Email
from refledger.core.fraud.scoring import Judgement, Verdict
from refledger.core.intake import Report
from refledger.core.limits import Counted, check_limits
from refledger.core.lists import Entry, Lists
from refledger.core.money import to_minor, to_text
from refledger.core.programs import Affiliate, Coupon, Program, stored
from refledger.core.refusals import Reason, Refusal

_REFUSING = {"timing.too_fast": Reason.TIMING_TOO_FAST, "timing.too_slow": Reason.TIMING_TOO_SLOW}


@dataclass(frozen=True, slots=True)
class Setup:
    """What the merchant set up that bears on one report; None where nothing has that id or code."""

    program: Program | None
    by_ref_code: Affiliate | None
    coupon: Coupon | None
    by_coupon: Affiliate | None
    lists: Lists


@dataclass(frozen=True, slots=True)
class Screened:
    """A report that its own words and the merchant's set-up admit."""

    report: Report
    program: Program
    email: Email | None
    revenue_minor: int
    attribution: Attribution
    listed: Entry | None  # the entry of the merchant's lists that applies
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What happened before that bears on one report; read while its keys are held."""

    own: tuple[Past, ...]  # conversions of the very same e-mail address
    order: Past | None
    counted: Counted
    tally: Tally = NOTHING  # of the affiliate's month


@dataclass(frozen=True, slots=True)
class Accepted:
    """A conversion to be: what it starts as, what it earns, and which unverified ones it displaces."""

    status: str  # pending | pending_review
    commission: Commission
    share: Share | None = None  # the recruiter's
    displaces: tuple[Past, ...] = ()
    why: str = ""


def screen(report: Report, address: Address | None, setup: Setup, now_ms: int) -> Screened | Refusal:
    """Steps 3 to 7: program, fields that only the program can judge, e-mail, disposable, code."""
    program = setup.program
    if program is None or program.status != "active":
        return Refusal(Reason.INVALID_PROGRAM)
    if report.currency and report.currency.upper() != program.currency:
        return Refusal(
            Reason.INVALID_FIELD, f"currency must be {program.currency}, the program's", ("currency",)
        )
    revenue_minor, rounded = (
        to_minor(report.revenue, program.currency) if report.revenue is not None else (0, False)
    )
    if revenue_minor > program.max_revenue_minor:
        most = to_text(program.max_revenue_minor, program.currency)
        return Refusal(
            Reason.INVALID_FIELD,
            f"revenue_amount is above the program's maximum of {most}",
            ("revenue_amount",),
        )
    email = emails.parse(report.email) if report.email else None
    if report.email and email is None:
        return Refusal(Reason.INVALID_EMAIL)
    attribution = attribute(report, setup.by_ref_code, setup.coupon, setup.by_coupon, now_ms)
    affiliate_id = attribution.affiliate.id if isinstance(attribution, Attribution) else None
    listed = setup.lists.match(email, address, affiliate_id, program.id, now_ms)
    disposable = emails.disposable(email.domain) if email else None
    if disposable and not (listed and listed.action == "allow"):
        return Refusal(Reason.DISPOSABLE_EMAIL, detail={"matched": disposable})
    if isinstance(attribution, Refusal):
        return attribution

    warnings = report.warnings
    if rounded:
        warnings += (
            f"revenue_amount rounded to {to_text(revenue_minor, program.currency)} {program.currency}",
        )
    return Screened(report, program, email, revenue_minor, attribution, listed, warnings)


def decide(
    screened: Screened, history: History, verdict: Verdict, verified: bool, now_ms: int
) -> Accepted | Refusal:
    """Steps 8 to 11: duplicate, limit, block list, timing and policy, accepted."""
    report, program, listed = screened.report, screened.program, screened.listed
    displaced = check_identity(
        report.conversion_type,
        report.order_id,
        stored(program.repeat_purchases),
        history.own,
        history.order,
        verified,
        now_ms,
    )
    block_id = listed.id if listed and listed.action == "block" else None
    status = settle(displaced, history.counted, block_id, verdict, now_ms)
    if isinstance(status, Refusal):
        return status

    why = "the merchant's allow list admits it" if listed else "no signal asks for a review"
    if status == "pending_review":
        why = f"{verdict.leading} asks for a review (score {verdict.score})"
    return Accepted(status, *earned(screened, history.tally), displaced, why)


def earned(screened: Screened, tally: Tally) -> tuple[Commission, Share | None]:
    """What the affiliate earns, and what whoever recruited them does."""
    affiliate = screened.attribution.affiliate
    sale = (screened.report.conversion_type, screened.revenue_minor)
    commission = commission_for(screened.program, affiliate, *sale, tally)
    return commission, share_for(screened.program, affiliate, *sale, commission.minor)


def settle(
    identity: Refusal | tuple[Past, ...],
    counted: Counted,
    block_id: str | None,
    verdict: Verdict | Judgement,
    now_ms: int,
) -> str | Refusal:
    """The ladder of `decide`: the status to begin with, or why not. What was decided is replayed by it too.

    `block_id`: the entry of the merchant's lists that blocks.
    """
    if isinstance(identity, Refusal):
        return identity
    limited = check_limits(counted, now_ms)
    if limited:
        return limited
    if block_id:
        return Refusal(Reason.BLOCKED, detail={"list_entry": block_id})
    if verdict.outcome == "refuse":
        reason = _REFUSING.get(verdict.leading or "", Reason.POLICY)
        return Refusal(reason, detail={"signal": verdict.leading, "score": verdict.score})
    return "pending_review" if verdict.outcome == "review" else "pending"


def shown_status(decision: str, refunded: bool, dispute: str | None) -> str:
    """An open or lost dispute, else a full refund, else the merchant's decision."""
    if dispute in ("open", "lost"):
        return "chargeback"
    return "refunded" if refunded else decision


def matures_ms(
    decision: str, hold_until_ms: int | None, refunded: bool, dispute: str | None, now_ms: int
) -> int | None:
    """Until when an approved commission lies in `held`; None where it does not."""
    if decision != "approved" or refunded or dispute in ("open", "lost"):
        return None
    return hold_until_ms if hold_until_ms is not None and hold_until_ms > now_ms else None


def approves_now(conversion: Mapping[str, Any], now_ms: int) -> bool:
    """Whether it is approved by itself: it is verified, waits for nobody in particular, and its days are over. What is
    disputed waits until that is settled; what was refunded needs no approval.
    """
    at_ms = conversion["approves_ms"]
    waits = conversion["decision"] == conversion["status"] == "pending"
    return waits and bool(conversion["verified"]) and at_ms is not None and at_ms <= now_ms


_STEPS = {
    "approve": ({"pending", "pending_review"}, "approved"),
    "reject": ({"pending", "pending_review"}, "rejected"),
    "reopen": ({"rejected"}, None),
}


def next_decision(step: str, decision: str, initial: str) -> str | Refusal:
    """The decision that approving, rejecting or reopening leads to; an illegal step names both statuses."""
    allowed, leads_to = _STEPS[step]
    wanted = leads_to or initial
    if decision not in allowed:
        return Refusal(
            Reason.ILLEGAL_STATUS,
            f"A conversion that is {decision} cannot become {wanted}",
            detail={"from": decision, "to": wanted},
        )
    return wanted
