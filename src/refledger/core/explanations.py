"""Says in plain sentences what a decision record holds, for the merchant; the affiliate hears less of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from refledger.core.decision_reasons import AUTOMATIC, REASONS
from refledger.core.events import EventType
from refledger.core.fraud.catalogue import BY_CODE
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
    Reason.POLICY: "It was refused because the program's fraud policy refuses such reports: {signal}.",
    Reason.IDEMPOTENCY_MISMATCH: "It was refused because its Idempotency-Key had come before with another body.",
}

_STATUS = {
    "pending": "It was accepted, for the merchant to approve: {why}.",
    "pending_review": "It was accepted, for the merchant to look at first: {why}.",
}

_AT_FIRST = {
    Reason.RATE_LIMITED: "the affiliate's limit of conversions was reached",
    Reason.DISPOSABLE_EMAIL: "the customer's e-mail address is a disposable one",
    Reason.INVALID_AFFILIATE: "the referral code was not live",
    Reason.INVALID_COUPON: "the coupon was not live",
    Reason.BLOCKED: "the merchant's block list named it",
    Reason.TIMING_TOO_FAST: "it came too soon after the click",
    Reason.TIMING_TOO_SLOW: "it came too late after the click",
    Reason.POLICY: "the fraud policy did not admit it",
}

_LATER = {
    EventType.APPROVED: "The merchant approved it{because}.",
    EventType.REJECTED: "The merchant rejected it{because}; no commission is due.",
    EventType.SUPERSEDED: "A report signed by the merchant's server took its place; no commission is due.",
    EventType.REOPENED: "The merchant reopened it{because}: it is what it was before.",
    EventType.REFUNDED: "The customer has their money back, so no commission is due.",
    EventType.PARTLY_REFUNDED: "The customer has part of their money back; the commission follows what is left.",
    EventType.CHARGEBACK: "The customer disputes the payment; the commission waits until that is settled.",
    EventType.DISPUTE_WON: "The dispute was won; the commission is due as before.",
    EventType.DISPUTE_LOST: "The dispute was lost; no commission is due.",
    EventType.ADJUSTED: "The order was changed, and the commission with it: {arithmetic}.",
    EventType.MATURED: "The hold is over; the commission is payable.",
}
_BY_ITSELF = "It was approved by itself, as the program has it for what nobody has to look at."


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
        *_outcome(record.get("outcome", {}), record.get("fraud") or {}),
        *_commission(record),
        *_share(record),
    ]


def explain_events(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """What happened to a conversion after it was decided: a sentence for each event, in their order."""
    said = []
    for event in events:
        template, data = _LATER.get(event["type"]), event["data"]
        reason = data.get("reason")
        if event["type"] == EventType.APPROVED and reason == AUTOMATIC:
            said.append(_BY_ITSELF)
        elif template:
            because = f" ({_words(reason)})" if reason else ""
            said.append(template.format(because=because, arithmetic=data.get("arithmetic", "")))
    return said


def _words(reason: str) -> str:
    return reason.replace("_", " ") if reason in REASONS else reason


def _attribution(attribution: Mapping[str, Any] | None) -> list[str]:
    if not attribution:
        return []
    candidates = attribution["candidates"]
    won = next((each for each in candidates if each["by"] == attribution["via"]), None)
    said = [_VIA[attribution["via"]].format(code=won["code"] if won else "")]
    for each in candidates:
        if each["state"] not in ("live", "chosen"):
            kind = "coupon" if each["by"] == "coupon" else "referral code"
            said.append(f"The {kind} {each['code']} did not count: {each['state']}.")
    return said


def _attempt(attempt: Mapping[str, Any] | None) -> list[str]:
    if not attempt:
        return []
    why = _AT_FIRST.get(attempt["code"], attempt["code"])
    return [f"It was refused at first, because {why}; the merchant accepted it later, at its original time."]


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


def _outcome(outcome: Mapping[str, Any], fraud: Mapping[str, Any]) -> list[str]:
    if "status" in outcome:
        leading = BY_CODE.get(fraud.get("leading") or "")
        asked = outcome["status"] == "pending_review" and leading is not None
        return [_STATUS[outcome["status"]].format(why=leading.notice if asked else outcome["why"])]
    template = _REFUSED.get(outcome.get("reason", ""))
    if template is None:
        return []
    told = outcome | outcome.get("detail", {}) | {"fields": ", ".join(outcome.get("fields", ()))}
    if told.get("signal") in BY_CODE:
        told["signal"] = BY_CODE[told["signal"]].notice
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


def _share(record: Mapping[str, Any]) -> list[str]:
    share = record.get("share")
    if not share:
        return []
    due, currency = to_text(share["minor"], record["terms"]["currency"]), record["terms"]["currency"]
    return [
        f"Who recruited the affiliate, {share['affiliate_id']}, earns {due} {currency} of it: {share['arithmetic']}."
    ]
