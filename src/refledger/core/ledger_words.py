"""What an entry was for, in words that its affiliate can read, and what entries add up to."""

from collections.abc import Iterable, Mapping
from typing import Any

from refledger.core.events import EventType

WORDS = {
    EventType.ACCEPTED: "recorded",
    EventType.APPROVED: "approved",
    EventType.REJECTED: "rejected",
    EventType.SUPERSEDED: "replaced by a confirmed report",
    EventType.REOPENED: "considered again",
    EventType.PARTLY_REFUNDED: "refunded in part",
    EventType.REFUNDED: "refunded",
    EventType.CHARGEBACK: "payment disputed",
    EventType.DISPUTE_WON: "dispute won",
    EventType.DISPUTE_LOST: "dispute lost",
    EventType.ADJUSTED: "order changed",
    EventType.MATURED: "hold over",
    EventType.PAYOUT_CREATED: "payout on its way",
    EventType.PAYOUT_PAID: "payout paid",
    EventType.PAYOUT_FAILED: "payout failed, payable again",
    EventType.PAYOUT_CANCELLED: "payout cancelled, payable again",
}

# What is the affiliate's, in the order in which money passes; the rest is the program's side.
OWN_ACCOUNTS = ("pending", "held", "payable", "in_payout", "paid", "dispute_reserve")


def words(kind: str) -> str:
    return WORDS.get(kind, kind)


def added(balances: Mapping[str, int], entries: Iterable[Mapping[str, Any]], sign: int = 1) -> dict[str, int]:
    """The balances after these entries; with `sign` -1 the balances before them. Entry: debit, credit, amount_minor."""
    found = dict(balances)
    for entry in entries:
        found[entry["debit"]] -= sign * entry["amount_minor"]
        found[entry["credit"]] += sign * entry["amount_minor"]
    return found
