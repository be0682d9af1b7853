"""Says in plain sentences what a decision record holds: fit to be read to an affiliate."""

from collections.abc import Mapping
from typing import Any

from refledger.core.fraud.scoring import explain as explain_signals
from refledger.core.money import to_text
from refledger.core.refusals import Reason

_VIA = {
    "ref_code": "It belongs to the affiliate whose referral code {code} the report carried.",
    "coupon": "It belongs to the affiliate whose coupon {code} was used; a coupon comes before a referral code.",
    "first": "The customer was known already and stays with the affiliate of their first conversion ({code}).",
    "merchant": "The merchant chose the affiliate.",
}

_REFUSED = {
    Reason.MISSING_FIELDS: "It was refused because required fields were missing: {fields}.",
    Reason.NO_REFERRAL: "It carried neither a referral code nor a coupon, so there was nobody to credit.",
    Reason.INVALID_FIELD: "It was refused because a field could not be used: {message}.",
    Reason.INVALID_PROGRAM: "It was refused because the program is unknown or not active.",
    Reason.INVALID_EMAIL: "It was refused because the customer's e-mail address is not well formed.",
    Reason.DISPOSABLE_EMAIL: "It was refused because the customer's e-mail address is a disposable one ({matched}).",
    Reason.INVALID_AFFILIATE: "It was refused because the referral code is unknown or its affiliate is not active.",
    Reason.INVALID_COUPON: "It was refused because the coupon is unknown or not valid, or its affiliate not active.",
    Reason.DUPLICATE: "It was refused because this customer or order was tracked before, as {conversion_id}.",
    Reason.RATE_LIMITED: "It was refused because the affiliate had reached the {window} limit of conversions; "
    "there was room again {retry_after_s} seconds later.",
    Reason.BLOCKED: "It was refused because the merchant's block list names this customer, address or affiliate.",
    Reason.TIMING_TOO_FAST: "It was refused because it came less than 10 seconds after the visitor's first click.",
    Reason.TIMING_TOO_SLOW: "It was refused because it came later than the program's window after the last click.",
    Reason.POLICY: "It was refused because the program's fraud policy refuses such reports ({signal}).",
    Reason.IDEMPOTENCY_MISMATCH: "It was refused because its Idempotency-Key had come before with another body.",
}

_STATUS = {
    "pending": "It was accepted and waits for the merchant's approval: {why}.",
    "pending_review": "It was accepted and waits for the merchant's review: {why}.",
}


class _Known(dict):
    def __missing__(self, name: str) -> str:
        return "unknown"


def explain(record: Mapping[str, Any]) -> list[str]:
    """One sentence for each step that mattered: whose it is, what was noticed, what followed, what it earns."""
    return [
        *_attribution(record.get("attribution")),
        *_attempt(record.get("attempt")),
        *_click(record.get("facts")),
        *explain_signals(record.get("fraud") or {"fired": ()}),
        *_outcome(record.get("outcome", {})),
        *_commission(record),
        *(f"Note: {warning}." for warning in record.get("warnings", ())),
    ]


def _attribution(attribution: Mapping[str, Any] | None) -> list[str]:
    if not attribution:
        return []
    candidates = attribution["candidates"]
    won = next((each for each in candidates if each["affiliate_id"] == attribution["affiliate_id"]), None)
    said = [_VIA[attribution["via"]].format(code=won["code"] if won else "")]
    for each in candidates:
        if each["state"] not in ("live", "chosen"):
            kind = "coupon" if each["by"] == "coupon" else "referral code"
            said.append(f"The {kind} {each['code']} did not count: {each['state']}.")
    return said


def _attempt(attempt: Mapping[str, Any] | None) -> list[str]:
    if not attempt:
        return []
    return [
        f"It was refused at first ({attempt['code']}); the merchant accepted it later, at its original time."
    ]


def _click(facts: Mapping[str, Any] | None) -> list[str]:
    if not facts or "click" not in facts:
        return []
    click = facts["click"]
    ties = {
        "click_id": "the report named it",
        "customer": "the same customer's earlier conversion came from it",
        "address_and_agent": "the same address and browser made it",
        "address": "the same address made it",
    }
    seconds = (facts["now_ms"] - click["at_ms"]) // 1000
    return [f"The click behind it came {seconds} seconds before ({ties[click['tie']]})."]


def _outcome(outcome: Mapping[str, Any]) -> list[str]:
    if "status" in outcome:
        return [_STATUS[outcome["status"]].format(why=outcome["why"])]
    template = _REFUSED.get(outcome.get("reason", ""))
    if template is None:
        return []
    told = outcome | outcome.get("detail", {}) | {"fields": ", ".join(outcome.get("fields", ()))}
    return [template.format_map(_Known(told))]


def _commission(record: Mapping[str, Any]) -> list[str]:
    commission = record.get("commission")
    if not commission:
        return []
    whose = {"program": "the program's terms", "affiliate": "the affiliate's own terms"}[commission["source"]]
    due = to_text(commission["minor"], record["terms"]["currency"])
    return [
        f"The commission is {due} {record['terms']['currency']} by {whose}, which stay as they were at that time: "
        f"{commission['arithmetic']}."
    ]
