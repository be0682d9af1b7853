"""Every expected no, by name. What each is answered with stands in `web/errors.py`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """The machine code of a refusal: in error bodies, attempts, metrics and docs alike."""

    # the door: before a merchant is known
    INVALID_BODY = "invalid_body"
    INVALID_KEY = "invalid_key"
    # the report
    MISSING_FIELDS = "missing_fields"
    NO_REFERRAL = "no_referral"
    INVALID_FIELD = "invalid_field"
    INVALID_PROGRAM = "invalid_program"
    INVALID_EMAIL = "invalid_email"
    DISPOSABLE_EMAIL = "disposable_email"
    INVALID_AFFILIATE = "invalid_affiliate"
    INVALID_COUPON = "invalid_coupon"
    DUPLICATE = "duplicate"
    RATE_LIMITED = "rate_limited"
    BLOCKED = "blocked"
    TIMING_TOO_FAST = "timing_too_fast"
    TIMING_TOO_SLOW = "timing_too_slow"
    POLICY = "policy"
    # retries
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    # the management API
    INVALID_REQUEST = "invalid_request"
    SECRET_KEY_REQUIRED = "secret_key_required"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    ILLEGAL_STATUS = "illegal_status"
    NOTHING_TO_PAY = "nothing_to_pay"
    NOT_ACCEPTABLE_ATTEMPT = "not_acceptable_attempt"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    HEADERS_TOO_LARGE = "headers_too_large"
    BODY_TIMEOUT = "body_timeout"
    # the house itself
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    FAULT = "fault"


# Told to a secret key only; anyone else hears `conversion_rejected`.
REJECTIONS = frozenset({Reason.BLOCKED, Reason.TIMING_TOO_FAST, Reason.TIMING_TOO_SLOW, Reason.POLICY})

# What a merchant may accept after all.
ACCEPTABLE = REJECTIONS | {
    Reason.RATE_LIMITED,
    Reason.DISPOSABLE_EMAIL,
    Reason.INVALID_AFFILIATE,
    Reason.INVALID_COUPON,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An expected no. `fields` names what is wrong in the input; `message` says it where the words vary."""

    reason: Reason
    message: str | None = None
    fields: tuple[str, ...] = ()
    retry_after_s: int | None = None
    conversion_id: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class Refused(Exception):
    """Carries a refusal out of a service to its door."""

    def __init__(self, refusal: Refusal):
        super().__init__(refusal.reason)
        self.refusal = refusal
