"""The record of a decision: everything it used and concluded, kept as JSON beside what it decided."""

import re
from decimal import Decimal
from typing import Any

import orjson

from refledger.core import agents, emails, mailboxes
from refledger.core.conversions import Accepted
from refledger.core.fraud.scoring import record as fraud_record
from refledger.core.intake import Report
from refledger.core.origins import Origin
from refledger.core.programs import limits_of
from refledger.core.refusals import Reason, Refusal
from refledger.services.claims import Work

# A throw-away address is refused before anything else is looked at.
_DATA_VERSIONS = emails.DATA_VERSIONS | mailboxes.DATA_VERSIONS | agents.DATA_VERSIONS
_KEY = re.compile(r"refv_(?:sk_)?(?:live|test)_[0-9A-Za-z]+")


def decision_record(work: Work) -> dict[str, Any]:
    """Why it was decided so: everything the decision used, without personal data, readable by itself."""
    outcome, found = work.outcome, {"version": 1, "request_id": work.claim.request_id}
    if work.replay_key:
        found["idempotency"] = {"key": work.replay_key, "body_key": work.claim.body_key}
    found["credential"] = {
        "key_id": work.credential.key_id,
        "kind": work.credential.kind,
        "verified": work.verified,
    }
    if work.program:
        found["terms"] = {
            "program": work.program.commission,
            "currency": work.program.currency,
            "recruiter": work.program.recruiter,
            "version": work.program.terms_id,
        }
    if work.screened:
        attribution = work.screened.attribution
        found["attribution"] = {
            "affiliate_id": attribution.affiliate.id,
            "via": attribution.via,
            "candidates": attribution.candidates,
        }
        found["terms"]["affiliate"] = attribution.affiliate.commission
        found["terms"]["recruiter_id"] = attribution.affiliate.recruiter_id
        found["terms"]["affiliate_version"] = attribution.affiliate.terms_id
        found["warnings"] = work.screened.warnings
        if listed := work.screened.listed:
            found["list_entry"] = {"id": listed.id, "action": listed.action, "kind": listed.kind}
    elif isinstance(work.claim.report, Report):
        found["warnings"] = work.claim.report.warnings
    if work.verdict:
        found["facts"] = _facts(work)
        found["policy"], found["data"] = work.policy_version, _DATA_VERSIONS | work.sources
        found["fraud"] = fraud_record(work.verdict)
    elif isinstance(outcome, Refusal) and outcome.reason is Reason.DISPOSABLE_EMAIL:
        found["data"] = emails.DATA_VERSIONS
    if not isinstance(outcome, Refusal):
        return found | _accepted(work, outcome)
    if work.screened:
        # A conversion has them in its row.
        found |= {"type": work.report.conversion_type, "revenue_minor": work.screened.revenue_minor}
    return found | _refused(outcome)


def _refused(refusal: Refusal) -> dict[str, Any]:
    told = {
        "message": refusal.message,
        "retry_after_s": refusal.retry_after_s,
        "conversion_id": refusal.conversion_id,
    }
    said = {name: value for name, value in told.items() if value}
    return {"outcome": {"reason": refusal.reason, "fields": refusal.fields, "detail": refusal.detail, **said}}


def _accepted(work: Work, outcome: Accepted) -> dict[str, Any]:
    commission, share = outcome.commission, outcome.share
    found = {
        "outcome": {"status": outcome.status, "why": outcome.why},
        "displaced": [past.id for past in outcome.displaces],
        "known_as": work.known_as,
        "commission": {
            "minor": commission.minor,
            "revenue_minor": work.screened.revenue_minor,
            "terms": commission.terms,
            "source": commission.source,
            "arithmetic": commission.arithmetic,
        },
    }
    if share:
        found["share"] = {
            "affiliate_id": share.affiliate_id,
            "minor": share.minor,
            "terms": share.terms,
            "arithmetic": share.arithmetic,
        }
    return found


def _facts(work: Work) -> dict[str, Any]:
    case, counted, limits = work.case, work.history.counted, limits_of(work.program, work.affiliate)
    facts: dict[str, Any] = {
        "now_ms": case.now_ms,
        "window_days": case.window_days,
        "known_customer": case.known_customer,
        "mailbox_spellings": case.mailbox_spellings,
        "sightings": case.sightings,
        "confirmed_frauds": case.confirmed_frauds,
        "confirmed_mailbox": case.confirmed_mailbox,
        "confirmed_address": case.confirmed_address,
        "repeat_sale": case.repeat_sale,
        "accepted_before": work.standing[0],
        "verified_before": work.standing[1],
        "limits": {"hourly": limits.hourly, "daily": limits.daily},
        "limits_filled_ms": {"hourly": counted.hourly_ms, "daily": counted.daily_ms},
    }
    for name, origin in (("origin", case.origin), ("click_origin", case.click_origin)):
        if origin is not None and origin.known:
            facts[name] = _told(origin)
    if case.click:
        facts["click"] = {
            "id": case.click.id,
            "tie": case.click_tie,
            "at_ms": case.click.at_ms,
            "first_ms": case.first_click_ms,
            "last_ms": case.last_click_ms,
        }
    return facts


def _told(origin: Origin) -> dict[str, Any]:
    """Without the address, and with the city as people call it: where that lies, stands in the evidence alone."""
    operator = origin.operator
    return {
        "country": origin.country,
        "city": origin.place.name if origin.place else None,
        "operator": {"asn": operator.asn, "name": operator.name} if operator else None,
        "classes": sorted(origin.classes),
        "known": sorted(origin.known),
    }


def dump(value: Any) -> str:
    """JSON for keeping: exact decimals as text, and no key of ours wherever it was sent."""
    text = orjson.dumps(value, default=_plain).decode()
    return _KEY.sub("refv_…", text) if "refv_" in text else text


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value) if abs(value.adjusted()) > 100 else format(value, "f")
    raise TypeError(type(value).__name__)
