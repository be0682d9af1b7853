"""What a conversion earns, by the terms in force when it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from refledger.core.money import share, to_minor, to_text
from refledger.core.programs import Affiliate, Program, stored


@dataclass(frozen=True, slots=True)
class Commission:
    """An amount due, with the terms it follows from and the arithmetic in words."""

    minor: int
    terms: dict[str, Any]  # {"type": "percentage" | "fixed", "value": decimal text}
    source: str  # whose terms: program | affiliate
    arithmetic: str


def terms_for(
    program_terms: str, affiliate_terms: str | None, conversion_type: str
) -> tuple[dict[str, Any], str]:
    """The terms of that type of conversion and whose they are; an affiliate's own come first."""
    own = stored(affiliate_terms) if affiliate_terms else {}
    if conversion_type in own:
        return own[conversion_type], "affiliate"
    return stored(program_terms)[conversion_type], "program"


def commission_for(
    program: Program, affiliate: Affiliate | None, conversion_type: str, revenue_minor: int
) -> Commission:
    """A percentage of what the customer paid, rounded down, or a fixed sum; a sale of nothing earns nothing."""
    own = affiliate.commission if affiliate else None
    terms, source = terms_for(program.commission, own, conversion_type)
    minor, arithmetic = reckon(terms, conversion_type, revenue_minor, program.currency)
    return Commission(minor, terms, source, arithmetic)


def reckon(terms: dict[str, Any], conversion_type: str, revenue_minor: int, currency: str) -> tuple[int, str]:
    """What these terms allow, and the arithmetic in words."""
    if conversion_type == "purchase" and revenue_minor == 0:
        return 0, "a sale of 0 earns 0"
    value = Decimal(terms["value"])
    if terms["type"] == "fixed":
        minor, _ = to_minor(value, currency)
        return minor, f"a fixed {to_text(minor, currency)} {currency}"
    minor = share(revenue_minor, value)
    revenue, due = to_text(revenue_minor, currency), to_text(minor, currency)
    return minor, f"{terms['value']} % of {revenue} {currency}, rounded down, is {due} {currency}"


def due_minor(kept: Mapping[str, Any], conversion: Mapping[str, Any]) -> int:
    """What a conversion's recorded commission (`kept`: terms, minor) comes to by now: of what was not refunded."""
    if conversion["refunded"]:
        return 0
    if not conversion["refunded_minor"]:
        return conversion["commission_minor"]
    left_minor = conversion["revenue_minor"] - conversion["refunded_minor"]
    return reckon(kept["terms"], conversion["type"], left_minor, conversion["currency"])[0]


def share_due_minor(share: Mapping[str, Any], conversion: Mapping[str, Any], direct_minor: int) -> int:
    """What a recruiter's share comes to by now. `share`: terms (JSON) and commission_minor; `direct_minor`: what is due
    to the affiliate who was recruited.
    """
    if conversion["refunded"]:
        return 0
    if not conversion["refunded_minor"]:
        return share["commission_minor"]
    left_minor = conversion["revenue_minor"] - conversion["refunded_minor"]
    return reckon(stored(share["terms"]), conversion["type"], left_minor, conversion["currency"])[0]


def adjusted(kept: Mapping[str, Any], conversion: Mapping[str, Any], revenue_minor: int) -> tuple[int, str]:
    """What the recorded terms allow of another amount than was reported, and the arithmetic in words."""
    return reckon(kept["terms"], conversion["type"], revenue_minor, conversion["currency"])


def adjusted_share(share: Mapping[str, Any], conversion: Mapping[str, Any]) -> int:
    """What a recruiter's share allows of a conversion whose amount is another by now."""
    what = (conversion["type"], conversion["revenue_minor"], conversion["currency"])
    return reckon(stored(share["terms"]), *what)[0]
