"""Says of a decision what its affiliate may hear: their own codes, what became of it, what it earns, and roughly why.

Only words that are written here, the affiliate's own code, and the sum with its arithmetic: nothing of the customer,
of other affiliates or other customers, of lists, and no number that would teach how not to be noticed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from refledger.core.decision_reasons import DUPLICATE_CUSTOMER, TEST
from refledger.core.events import EventType
from refledger.core.fraud.catalogue import BY_CODE
from refledger.core.money import to_text
from refledger.core.refusals import Reason

_VIA = {
    "ref_code": "It is yours by your referral code {code}.",
    "coupon": "It is yours by your coupon {code}.",
    "first": "It is yours because the customer first came through you.",
    "merchant": "The merchant decided that it is yours.",
}

# What a family of signals is about; who is suspected of what is nobody's business but the merchant's.
ABOUT = {
    "email": "the e-mail address",
    "identity": "the e-mail address",
    "geo": "the network it came from",
    "ip": "the network it came from",
    "ua": "the browser",
    "timing": "the time at which it came",
    "click": "the click",
    "history": "what was decided earlier",
    "affiliate": "what was decided earlier",
    "conversion": "a sale much like it",
}
_SOMETHING = "its circumstances"

_INCOMPLETE, _UNUSABLE = "the report was not complete", "the report could not be used"
_ADDRESS, _RULES = "the customer's e-mail address could not be used", "the merchant's rules do not admit it"
REFUSED = {
    Reason.MISSING_FIELDS: _INCOMPLETE,
    Reason.NO_REFERRAL: _INCOMPLETE,
    Reason.INVALID_FIELD: _UNUSABLE,
    Reason.INVALID_PROGRAM: "the program was not active",
    Reason.INVALID_EMAIL: _ADDRESS,
    Reason.DISPOSABLE_EMAIL: _ADDRESS,
    Reason.INVALID_AFFILIATE: "the referral code was not live",
    Reason.INVALID_COUPON: "the coupon was not live",
    Reason.DUPLICATE: "this customer or order had been reported before",
    Reason.RATE_LIMITED: "many conversions had come within a short time",
    Reason.BLOCKED: _RULES,
    Reason.TIMING_TOO_FAST: "of the time between click and sale",
    Reason.TIMING_TOO_SLOW: "of the time between click and sale",
    Reason.POLICY: _RULES,
    Reason.IDEMPOTENCY_MISMATCH: _UNUSABLE,
}

_LATER = {
    EventType.APPROVED: "The merchant approved it; the commission is due.",
    EventType.REJECTED: "The merchant did not approve it{because}; no commission is due.",
    EventType.SUPERSEDED: "A report signed by the merchant's server took its place; no commission is due.",
    EventType.REOPENED: "The merchant took another look: it became what it had been before.",
    EventType.REFUNDED: "The customer has their money back, so no commission is due.",
    EventType.PARTLY_REFUNDED: "The customer has part of their money back; the commission follows what is left.",
    EventType.CHARGEBACK: "The payment is disputed; the commission waits until that is settled.",
    EventType.DISPUTE_WON: "The dispute is settled; the commission is due as before.",
    EventType.DISPUTE_LOST: "The payment was taken back, so no commission is due.",
    EventType.ADJUSTED: "The order was changed, and the commission with it: {arithmetic}.",
    EventType.MATURED: "The time in which sales can be taken back is over; the commission is payable.",
}
_BECAUSE = {TEST: ", for it was a test", DUPLICATE_CUSTOMER: ", for the customer was known already"}


def explain(record: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """Sentences in the order of what happened; `events` as the API shows them."""
    return [
        *_attribution(record.get("attribution")),
        *_outcome(record),
        *_commission(record),
        *_later(events),
    ]


def _attribution(attribution: Mapping[str, Any] | None) -> Iterator[str]:
    if attribution:
        via, candidates = attribution["via"], attribution["candidates"]
        code = next((each["code"] for each in candidates if each["by"] == via), "")
        yield _VIA[via].format(code=code)


def _outcome(record: Mapping[str, Any]) -> Iterator[str]:
    outcome = record.get("outcome", {})
    if "attempt" in record:
        yield "It was not accepted at first; the merchant accepted it later, at its original time."
    elif outcome.get("status") == "pending":
        yield "It was accepted, for the merchant to approve."
    elif outcome.get("status") == "pending_review":
        yield f"It was accepted, for the merchant to look at first, because of {_about(record)}. That accuses nobody."
    elif "reason" in outcome:
        why = REFUSED.get(outcome["reason"])
        yield f"It was not accepted, because {why}." if why else "It was not accepted."


def _about(record: Mapping[str, Any]) -> str:
    """What the signals were about that had a part in it, each once."""
    fraud = record.get("fraud") or {}
    leading = fraud.get("leading")
    heard = [each["code"] for each in fraud.get("fired", ()) if each["counted"] or each["code"] == leading]
    about = dict.fromkeys(_family(code) for code in heard)
    *others, last = about or [_SOMETHING]
    return f"{', '.join(others)} and {last}" if others else last


def _family(code: str) -> str:
    return ABOUT[BY_CODE[code].family] if code in BY_CODE else _SOMETHING


def _commission(record: Mapping[str, Any]) -> Iterator[str]:
    commission = record.get("commission")
    if commission:
        whose = {"program": "the program's terms", "affiliate": "your own terms"}[commission["source"]]
        due, currency = to_text(commission["minor"], record["terms"]["currency"]), record["terms"]["currency"]
        yield f"The commission is {due} {currency} by {whose} of that time: {commission['arithmetic']}."


def _later(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for event in events:
        if event["type"] in _LATER:
            reason = event["data"].get("reason")
            because, arithmetic = _BECAUSE.get(reason, ""), event["data"].get("arithmetic", "")
            yield _LATER[event["type"]].format(because=because, arithmetic=arithmetic)
