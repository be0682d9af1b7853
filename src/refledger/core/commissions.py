"""What a conversion earns, by the terms in force when it came: the affiliate, and whoever recruited them.

Whatever is due follows from the terms as they held for that one conversion, and from what the customer has paid and
not got back: so any refunds in any order end at the same sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from refledger.core.money import share, to_minor, to_text
from refledger.core.programs import Affiliate, Program, stored
from refledger.core.terms import threshold


@dataclass(frozen=True, slots=True)
class Tally:
    """What an affiliate's conversions of one type came to before this one: in its month, and how many in all."""

    conversions: int = 0
    revenue_minor: int = 0
    commission_minor: int = 0
    ever: int = 0


NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class Commission:
    """An amount due, with the terms it follows from and the arithmetic in words."""

    minor: int
    terms: dict[str, Any]  # as they hold for this conversion, see `resolve`
    source: str  # whose terms: program | affiliate
    arithmetic: str


@dataclass(frozen=True, slots=True)
class Share:
    """What the recruiter of a conversion's affiliate earns of it."""

    affiliate_id: str
    minor: int
    terms: dict[str, Any]  # {"value", "most"}: percentages of the revenue
    arithmetic: str


# ── at the time of the sale ──────────────────────────────────────────────────────────────────────────────────────


def terms_for(
    program_terms: str, affiliate_terms: str | None, conversion_type: str
) -> tuple[dict[str, Any], str]:
    """The terms of that type of conversion and whose they are; an affiliate's own come first."""
    own = stored(affiliate_terms) if affiliate_terms else {}
    if conversion_type in own:
        return own[conversion_type], "affiliate"
    return stored(program_terms)[conversion_type], "program"


def looks_at_month(terms: Mapping[str, Any]) -> bool:
    """Whether these terms depend on what the affiliate's month came to before."""
    return "tiers" in terms or "monthly_cap" in terms


def looks_at_all(terms: Mapping[str, Any]) -> bool:
    """Whether they depend on how many conversions there ever were."""
    return "bonus" in terms


def commission_for(
    program: Program,
    affiliate: Affiliate | None,
    conversion_type: str,
    revenue_minor: int,
    tally: Tally = NOTHING,
) -> Commission:
    """A percentage of what the customer paid, rounded down, or a fixed sum; a sale of nothing earns nothing."""
    own = affiliate.commission if affiliate else None
    terms, source = terms_for(program.commission, own, conversion_type)
    resolved = resolve(terms, tally, program.currency)
    if program.recruiter and conversion_type == "purchase":
        resolved["most"] = stored(program.recruiter)["most"]
    minor, arithmetic = reckon(resolved, conversion_type, revenue_minor, program.currency)
    if "left" in resolved:
        # No more of the month was set aside for it, also where its order grows later.
        resolved["left"] = to_text(minor, program.currency)
    return Commission(minor, resolved, source, arithmetic)


def share_for(
    program: Program,
    affiliate: Affiliate,
    conversion_type: str,
    revenue_minor: int,
    direct_minor: int,
) -> Share | None:
    """The recruiter's of a purchase. `direct_minor`: what the affiliate earns of it themselves."""
    if not program.recruiter or not affiliate.recruiter_id or conversion_type != "purchase":
        return None
    terms = stored(program.recruiter)
    minor, arithmetic = reckon_share(terms, revenue_minor, program.currency, direct_minor)
    return Share(affiliate.recruiter_id, minor, terms, arithmetic)


def resolve(terms: Mapping[str, Any], tally: Tally, currency: str) -> dict[str, Any]:
    """The terms as they hold for one conversion: `type` and `value`, and where they apply `tier` (from where the value
    is), `cap`, `bonus` (what it comes to), `monthly_cap` and `left` (of that cap, for this one).
    """
    found = {"type": terms["type"], "value": terms["value"]}
    reached = {"conversions": tally.conversions, "revenue": tally.revenue_minor}
    for tier in terms.get("tiers", ()):
        counted, least = threshold(tier["from"], currency)
        if reached[counted] >= least:
            found |= {"value": tier["value"], "tier": tier["from"]}
    if "cap" in terms:
        found["cap"] = terms["cap"]
    if "bonus" in terms and terms["bonus"]["after"] == tally.ever:
        found["bonus"] = terms["bonus"]["value"]
    if "monthly_cap" in terms:
        left_minor = max(0, _minor(terms["monthly_cap"], currency) - tally.commission_minor)
        found |= {"monthly_cap": terms["monthly_cap"], "left": to_text(left_minor, currency)}
    return found


# ── now, and after refunds ───────────────────────────────────────────────────────────────────────────────────────


def reckon(
    terms: Mapping[str, Any],
    conversion_type: str,
    revenue_minor: int,
    currency: str,
    refunded_minor: int = 0,
) -> tuple[int, str]:
    """What resolved terms allow, and the arithmetic in words.

    In this order: the percentage of what was not refunded or the fixed sum, at most the cap; the bonus on top; at most
    what the month had left; at most the program's share of the whole revenue.
    """
    left_minor = revenue_minor - refunded_minor
    if conversion_type == "purchase" and left_minor == 0:
        return 0, "a sale of 0 earns 0"
    minor, words = _plain(terms, left_minor, currency)
    if "cap" in terms and minor > (cap_minor := _minor(terms["cap"], currency)):
        minor, words = cap_minor, f"{words}, capped at {to_text(cap_minor, currency)} {currency}"
    if "bonus" in terms:
        minor += _minor(terms["bonus"], currency)
        bonus, due = terms["bonus"], to_text(minor, currency)
        words = f"{words}; with a bonus of {bonus} {currency} it is {due} {currency}"
    if "left" in terms and minor > (left := _minor(terms["left"], currency)):
        minor = left
        cap, remains = terms["monthly_cap"], to_text(left, currency)
        words = f"{words}; the month's cap of {cap} {currency} left {remains} {currency} for it"
    if "most" in terms and minor > (most_minor := share(revenue_minor, Decimal(terms["most"]))):
        minor = most_minor
        words = (
            f"{words}; at most {terms['most']} % of a sale are paid: {to_text(minor, currency)} {currency}"
        )
    return minor, words


def _plain(terms: Mapping[str, Any], revenue_minor: int, currency: str) -> tuple[int, str]:
    of_tier = f" (the tier from {_start(terms['tier'], currency)})" if "tier" in terms else ""
    if terms["type"] == "fixed":
        minor = _minor(terms["value"], currency)
        return minor, f"a fixed {to_text(minor, currency)} {currency}{of_tier}"
    minor = share(revenue_minor, Decimal(terms["value"]))
    revenue, due = to_text(revenue_minor, currency), to_text(minor, currency)
    return minor, f"{terms['value']} %{of_tier} of {revenue} {currency}, rounded down, is {due} {currency}"


def reckon_share(
    terms: Mapping[str, Any], revenue_minor: int, currency: str, direct_minor: int, refunded_minor: int = 0
) -> tuple[int, str]:
    """What a recruiter's terms allow beside `direct_minor`, which the affiliate is due; and the arithmetic in words."""
    left_minor = revenue_minor - refunded_minor
    minor = share(left_minor, Decimal(terms["value"]))
    revenue, due = to_text(left_minor, currency), to_text(minor, currency)
    words = f"{terms['value']} % of {revenue} {currency}, rounded down, is {due} {currency}"
    room_minor = max(0, share(left_minor, Decimal(terms["most"])) - direct_minor)
    if minor > room_minor:
        minor = room_minor
        words = (
            f"{words}; beside the affiliate's {to_text(direct_minor, currency)} {currency}, "
            f"{terms['most']} % of the sale leave {to_text(minor, currency)} {currency}"
        )
    return minor, words


def due_minor(kept: Mapping[str, Any], conversion: Mapping[str, Any]) -> int:
    """What a conversion's recorded commission (`kept`: terms, minor) comes to by now: of what was not refunded."""
    if conversion["refunded"]:
        return 0
    if not conversion["refunded_minor"]:
        return conversion["commission_minor"]
    sums = (conversion["revenue_minor"], conversion["currency"], conversion["refunded_minor"])
    return reckon(kept["terms"], conversion["type"], *sums)[0]


def share_due_minor(recruiters: Mapping[str, Any], conversion: Mapping[str, Any], direct_minor: int) -> int:
    """What a recruiter's share comes to by now. `recruiters`: terms (JSON) and commission_minor; `direct_minor`: what
    is due to the affiliate who was recruited.
    """
    if conversion["refunded"]:
        return 0
    if not conversion["refunded_minor"]:
        return recruiters["commission_minor"]
    sums = (conversion["currency"], direct_minor, conversion["refunded_minor"])
    return reckon_share(stored(recruiters["terms"]), conversion["revenue_minor"], *sums)[0]


def adjusted(kept: Mapping[str, Any], conversion: Mapping[str, Any], revenue_minor: int) -> tuple[int, str]:
    """What the recorded terms allow of another amount than was reported, and the arithmetic in words."""
    return reckon(kept["terms"], conversion["type"], revenue_minor, conversion["currency"])


def adjusted_share(recruiters: Mapping[str, Any], conversion: Mapping[str, Any]) -> int:
    """What a recruiter's share allows of a conversion whose amount and commission are others by now."""
    sums = (conversion["revenue_minor"], conversion["currency"], conversion["commission_minor"])
    return reckon_share(stored(recruiters["terms"]), *sums)[0]


def _minor(amount: str, currency: str) -> int:
    return to_minor(Decimal(amount), currency)[0]


def _start(start: Mapping[str, Any], currency: str) -> str:
    if "conversions" in start:
        return f"{start['conversions']} conversions in the month"
    return f"{start['revenue']} {currency} of revenue in the month"
