"""What can happen, by name: the types of events in the outbox. Each entry of the ledger names one as its cause."""

from enum import StrEnum


class EventType(StrEnum):
    ACCEPTED = "conversion.accepted"
    APPROVED = "conversion.approved"
    REJECTED = "conversion.rejected"
    SUPERSEDED = "conversion.superseded"
    REOPENED = "conversion.reopened"
    REFUNDED = "conversion.refunded"
    CHARGEBACK = "conversion.chargeback"
    MATURED = "conversion.matured"
    PAYOUT_CREATED = "payout.created"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_CANCELLED = "payout.cancelled"
