"""What can happen, by name: the types of events in the outbox. Each entry of the ledger names one as its cause."""

from enum import StrEnum


class EventType(StrEnum):
    ACCEPTED = "conversion.accepted"
    APPROVED = "conversion.approved"
    REJECTED = "conversion.rejected"
    SUPERSEDED = "conversion.superseded"
    REOPENED = "conversion.reopened"
    PARTLY_REFUNDED = "conversion.partly_refunded"
    REFUNDED = "conversion.refunded"
    CHARGEBACK = "conversion.chargeback"
    DISPUTE_WON = "conversion.dispute_won"
    DISPUTE_LOST = "conversion.dispute_lost"
    ADJUSTED = "conversion.adjusted"
    MATURED = "conversion.matured"
    PAYOUT_CREATED = "payout.created"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_CANCELLED = "payout.cancelled"
