"""Says in plain sentences what a decision record holds, for the merchant; the affiliate hears less of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from refledger.core.decision_reasons import AUTOMATIC, REASONS
from refledger.core.events import EventType
from refledger.core.fraud import sentences
from refledger.core.money import to_text
from refledger.core.refusals import Reason
from refledger.core.times import spoken

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
    "there was room again {room_after} later.",
    Reason.BLOCKED: "It was refused because the merchant's block list names this customer, address or affiliate.",
    Reason.TIMING_TOO_FAST: "It was refused because it came less than 10 seconds after the visitor's first click.",
    Reason.TIMING_TOO_SLOW: "It was refused because it came later than the program's window after the last click.",
    Reason.POLICY: "It was refused by the program's fraud policy.",
    Reason.IDEMPOTENCY_MISMATCH: "It was refused because its Idempotency-Key had come before with another body.",
}

# What a signal alone leads to.
_BY_SIGNALS = {Reason.POLICY, Reason.TIMING_TOO_FAST, Reason.TIMING_TOO_SLOW}

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
    EventType.REOPENED: "The merchant reopened it{because}: it became what it had been before.",
    EventType.REFUNDED: "The customer has their money back, so no commission is due.",
    EventType.PARTLY_REFUNDED: "The customer has part of their money back; the commission follows what is left.",
    EventType.CHARGEBACK: "The customer disputes the payment; the commission waits until that is settled.",
    EventType.DISPUTE_WON: "The dispute was won; the commission is due as before.",
    EventType.DISPUTE_LOST: "The dispute was lost; no commission is due.",
    EventType.ADJUSTED: "The order was changed, and the commission with it: {arithmetic}.",
    EventType.MATURED: "The hold is over; the commission is payable.",
}
_BY_ITSELF = "It was approved by itself, as the program has it for what nobody has to look at."


# By the kind of a list's entry; records did not always hold it.
_NAMED = {
    "mailbox": "the customer's mailbox",
    "domain": "the domain of the customer's mailbox",
    "address_range": "the customer's address",
    "affiliate": "the affiliate",
}


class _Known(dict):
    def __missing__(self, name: str) -> str:
        return "unknown"


def explain(record: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """One sentence for each step that mattered: whose it is, what was noticed, what followed, what it earns, what came
    later; and what was not looked at. `events` as the API shows them.
    """
    fraud = record.get("fraud") or {}
    return [
        *_attribution(record.get("attribution")),
        *_click(record.get("facts")),
        *sentences.explain(fraud, _tense(record)),
        *(_attempt(record) if "attempt" in record else _outcome(record)),
        *_commission(record),
        *_share(record),
        *_later(events),
        *sentences.unseen(fraud),
    ]


def _tense(record: Mapping[str, Any]) -> int:
    """Of what follows from the signals: something else may have refused the report before they could."""
    attempt, reason = record.get("attempt"), record.get("outcome", {}).get("reason")
    if (attempt["code"] if attempt else reason or Reason.POLICY) not in _BY_SIGNALS:
        return sentences.WOULD
    return sentences.WAS if attempt else sentences.IS


def _later(events: Iterable[Mapping[str, Any]]) -> list[str]:
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


def _attempt(record: Mapping[str, Any]) -> list[str]:
    code = record["attempt"]["code"]
    why = _AT_FIRST.get(code, code)
    if code == Reason.POLICY:
        why = sentences.cause(record.get("fraud") or {}) or why
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
    return [
        f"The click behind it came {spoken(facts['now_ms'] - click['at_ms'])} before ({ties[click['tie']]})."
    ]


def _outcome(record: Mapping[str, Any]) -> list[str]:
    outcome, fraud = record.get("outcome", {}), record.get("fraud") or {}
    because, status, reason = sentences.cause(fraud), outcome.get("status"), outcome.get("reason")
    if status == "pending":
        return [f"It was accepted, for the merchant to approve: {outcome['why']}."]
    if status == "pending_review":
        return [
            f"It was accepted, for the merchant to look at first{f', because {because}' if because else ''}."
        ]
    if reason == Reason.BLOCKED and "kind" in (entry := record.get("list_entry", {})):
        return [
            f"It was refused because the merchant's block list names {_NAMED[entry['kind']]} (entry {entry['id']})."
        ]
    return _refusal(reason, outcome, fraud, because) if reason in _REFUSED else []


def _refusal(
    reason: str, outcome: Mapping[str, Any], fraud: Mapping[str, Any], because: str | None
) -> list[str]:
    template = _REFUSED[reason]
    if reason in _BY_SIGNALS and fraud and not because:
        template = _REFUSED[Reason.POLICY]  # by its points, of whatever
    elif reason == Reason.POLICY and because:
        template = "It was refused by the program's fraud policy, because {because}."
    told = outcome | outcome.get("detail", {}) | {"fields": ", ".join(outcome.get("fields", ()))}
    told |= {"because": because, "room_after": spoken(outcome.get("retry_after_s", 0) * 1000)}
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
