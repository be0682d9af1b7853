"""What every refusal is answered with: the only table from reason to status and words."""

from typing import NamedTuple

import orjson
from starlette.responses import Response

from refledger.core.intake import MISSING_MESSAGE
from refledger.core.refusals import REJECTIONS, Reason, Refusal


class Words(NamedTuple):
    """`message` None: the body has none, unless the refusal brings its own."""

    status: int
    error: str
    message: str | None = None


REJECTED = Words(400, "Conversion rejected", "Conversion did not pass validation")

TABLE: dict[Reason, Words] = {
    Reason.INVALID_BODY: Words(400, "Invalid request body", "The body must be one JSON object"),
    Reason.INVALID_KEY: Words(401, "Invalid Publishable key"),
    Reason.MISSING_FIELDS: Words(400, "Missing required fields", MISSING_MESSAGE),
    Reason.NO_REFERRAL: Words(400, "Missing required fields", MISSING_MESSAGE),
    Reason.INVALID_FIELD: Words(400, "Invalid field", "A field has the wrong type or is out of range"),
    Reason.INVALID_PROGRAM: Words(404, "Invalid or inactive program"),
    Reason.INVALID_EMAIL: Words(400, "Invalid email address", "Email format validation failed"),
    Reason.DISPOSABLE_EMAIL: Words(
        400, "Disposable email not allowed", "Please use a permanent email address"
    ),
    Reason.INVALID_AFFILIATE: Words(404, "Invalid or inactive affiliate code"),
    Reason.INVALID_COUPON: Words(404, "Invalid coupon code or inactive affiliate"),
    Reason.DUPLICATE: Words(
        409, "Duplicate conversion detected", "This email has already been tracked for this program"
    ),
    Reason.RATE_LIMITED: Words(429, "Conversion rate limit exceeded", "Daily conversion limit exceeded"),
    Reason.BLOCKED: REJECTED,
    Reason.TIMING_TOO_FAST: REJECTED,
    Reason.TIMING_TOO_SLOW: REJECTED,
    Reason.POLICY: REJECTED,
    Reason.IDEMPOTENCY_MISMATCH: Words(
        422, "Idempotency key reused", "This Idempotency-Key came before with another body"
    ),
    Reason.INVALID_REQUEST: Words(400, "Invalid request", "The request has invalid fields"),
    Reason.SECRET_KEY_REQUIRED: Words(
        401, "Secret key required", "Send a secret key as Authorization: Bearer"
    ),
    Reason.NOT_FOUND: Words(404, "Not found", "Nothing of yours has this path or id"),
    Reason.METHOD_NOT_ALLOWED: Words(405, "Method not allowed"),
    Reason.CONFLICT: Words(409, "Conflict", "This is taken already"),
    Reason.ILLEGAL_STATUS: Words(409, "Illegal status change"),
    Reason.NOTHING_TO_PAY: Words(409, "Nothing to pay", "No affiliate has reached the minimum"),
    Reason.NOT_ACCEPTABLE_ATTEMPT: Words(409, "Attempt cannot be accepted"),
    Reason.ORIGIN_NOT_ALLOWED: Words(403, "Origin not allowed", "The program does not list this origin"),
    Reason.HEADERS_TOO_LARGE: Words(431, "Request headers too large"),
    Reason.BODY_TIMEOUT: Words(408, "Request timed out", "The body did not arrive in time"),
    Reason.OVERLOADED: Words(503, "Service busy", "Too many requests are waiting; try again shortly"),
    Reason.UNAVAILABLE: Words(
        503, "Service unavailable", "The database cannot be reached or written; try again"
    ),
    Reason.FAULT: Words(500, "Internal error"),
}

_PUBLIC_REJECTION = "conversion_rejected"
_RETRY_AFTER_S = {Reason.OVERLOADED: 1, Reason.UNAVAILABLE: 2}


def public_code(reason: Reason, is_secret: bool) -> str:
    """The machine code in the answer: why a conversion was rejected is told to a secret key only."""
    return reason.value if is_secret or reason not in REJECTIONS else _PUBLIC_REJECTION


def retry_after_s(refusal: Refusal) -> int | None:
    """Whole seconds after which the call may succeed; None where waiting does not help."""
    return refusal.retry_after_s or _RETRY_AFTER_S.get(refusal.reason)


def error_body(refusal: Refusal, request_id: str, is_secret: bool = False) -> tuple[int, bytes]:
    """Status and body of a refusal."""
    reason = refusal.reason
    words = TABLE[reason]
    body = {"error": words.error}
    message = refusal.message or words.message
    if message:
        body["message"] = message
    if wait_s := retry_after_s(refusal):
        body["retry_after"] = wait_s
    if refusal.fields:
        body["fields"] = list(refusal.fields)
    if "errors" in refusal.detail:
        body["errors"] = refusal.detail["errors"]
    body["code"] = public_code(reason, is_secret)
    if is_secret and reason in REJECTIONS and refusal.detail:
        body["reason"] = refusal.detail
    if is_secret and refusal.conversion_id:
        body["conversion_id"] = refusal.conversion_id
    body["request_id"] = request_id
    return words.status, orjson.dumps(body)


def error_headers(refusal: Refusal) -> dict[str, str]:
    """`Retry-After` in seconds, where waiting helps; the end of a connection whose body was not read."""
    retry_after_s = refusal.retry_after_s or _RETRY_AFTER_S.get(refusal.reason)
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    if refusal.reason is Reason.BODY_TIMEOUT or refusal.detail.get("close"):
        headers["Connection"] = "close"
    return headers


def error_response(refusal: Refusal, request_id: str, is_secret: bool = False) -> Response:
    """The whole answer to a refusal."""
    status, body = error_body(refusal, request_id, is_secret)
    return Response(body, status, headers=error_headers(refusal), media_type="application/json")
