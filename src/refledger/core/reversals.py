"""What refunds and disputes make of a sale: functions of the recorded facts alone, whatever their order.

A refund names an amount, or is whole: everything that the others leave. Nothing here looks at what was the case
before, so that any order and any repetition of the same facts ends in the same state.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from refledger.core.money import to_text
from refledger.core.refusals import Reason, Refusal

OPEN, WON, LOST = "open", "won", "lost"
_FIRMER = (OPEN, WON, LOST)


def spread(revenue_minor: int, refunds: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Refund id → its amount. `refunds`: id, amount_minor, is_whole.

    Of several whole ones the first by id has what the named amounts leave, the others nothing.
    """
    found, left_minor = {}, revenue_minor
    for each in sorted(refunds, key=lambda each: (bool(each["is_whole"]), each["id"])):
        found[each["id"]] = left_minor if each["is_whole"] else each["amount_minor"]
        left_minor -= found[each["id"]]
    return found


def refunded(revenue_minor: int, refunds: Iterable[Mapping[str, Any]]) -> tuple[int, bool]:
    """What the customer has back, and whether that is everything. A sale of nothing has to be refunded as a whole."""
    refunds = list(refunds)
    total_minor = sum(spread(revenue_minor, refunds).values())
    is_whole = any(each["is_whole"] for each in refunds)
    return total_minor, is_whole or 0 < revenue_minor == total_minor


def named_minor(refunds: Iterable[Mapping[str, Any]]) -> int:
    """The sum of the amounts that were named: what a sale has to be worth at least."""
    return sum(each["amount_minor"] for each in refunds if not each["is_whole"])


def fault_in_refund(amount_minor: int, conversion: Mapping[str, Any], named: int) -> str | None:
    """Why a refund of that amount cannot be; `named`: what other refunds name."""
    if conversion["type"] == "signup":
        return "must be left out: a signup is refunded as a whole"
    left_minor, currency = conversion["revenue_minor"] - named, conversion["currency"]
    if amount_minor == 0:
        return "must be more than 0; leave it out for everything that is left"
    if amount_minor > left_minor:
        return f"must be at most {to_text(left_minor, currency)} {currency}, which is left of the sale"
    return None


def fault_in_revenue(revenue_minor: int, conversion: Mapping[str, Any], most_minor: int) -> str | None:
    """Why a sale cannot be worth that by now; `most_minor`: the largest amount of the program."""
    if conversion["type"] == "signup":
        return "cannot be adjusted: a signup has none"
    currency = conversion["currency"]
    if revenue_minor < conversion["refunded_minor"]:
        least = to_text(conversion["refunded_minor"], currency)
        return f"must be at least {least} {currency}, which was refunded"
    if revenue_minor > most_minor:
        return f"must be at most {to_text(most_minor, currency)} {currency}, the program's max_revenue"
    return None


def dispute_of(statuses: Iterable[str]) -> str | None:
    """Of all disputes of a sale: lost if any is, else open if any is, else won; None where there was none."""
    found = set(statuses)
    return next((status for status in (LOST, OPEN, WON) if status in found), None)


def next_status(before: str | None, told: str) -> str | Refusal:
    """The status of one dispute that was `before` when `told` comes, in whatever order: a late "open" opens nothing
    again. A dispute that was won may be lost in the end; one that was lost stays it.
    """
    if before == LOST and told == WON:
        return Refusal(Reason.ILLEGAL_STATUS, "A dispute that was lost cannot be won")
    return max(before or OPEN, told, key=_FIRMER.index)
