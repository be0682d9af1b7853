"""What follows from a group's decisions: conversions, records, entries, events, attempts, remembered answers."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from refledger.core.conversions import Accepted
from refledger.core.events import EventType
from refledger.core.fingerprints import fingerprint
from refledger.core.fraud.scoring import record as fraud_record
from refledger.core.ids import make_id
from refledger.core.intake import Report
from refledger.core.programs import HOUR_MS
from refledger.core.refusals import Reason, Refusal
from refledger.services import postings
from refledger.services.claims import Answer, Work
from refledger.store import record
from refledger.store.engine import Connection

# Beyond so many unverified attempts of one program in one hour they are counted, not kept one by one.
MOST_KEPT_AN_HOUR = 1000

Entropy = Callable[[int], bytes]
Rows = dict[str, list[dict[str, Any]]]


def write(
    connection: Connection,
    works: Sequence[Work],
    answers: Mapping[int, Answer],
    now_ms: int,
    entropy: Entropy,
) -> None:
    """Writes set-wise, in the transaction that decided. Replays and dry runs leave nothing."""
    lasting = [work for work in works if not work.is_dry_run and not isinstance(work.outcome, Answer)]
    accepted = [work for work in lasting if isinstance(work.outcome, Accepted)]
    rows: Rows = defaultdict(list)
    for work in accepted:
        _accept(rows, work, entropy)
    # The displaced release their identities before the verified ones take them.
    postings.supersede(connection, rows, accepted, now_ms, entropy)
    record.insert_conversions(connection, rows["conversions"])
    record.insert_decisions(connection, rows["decisions"])
    record.insert_entries(connection, rows["entries"])
    record.move_standings(connection, postings.by_standing(rows["moves"]))
    record.insert_events(connection, rows["events"])
    record.insert_sightings(connection, rows["sightings"])
    _remember(connection, lasting, answers)
    _keep_attempts(
        connection, [work for work in lasting if isinstance(work.outcome, Refusal)], now_ms, entropy
    )


def _accept(rows: Rows, work: Work, entropy: Entropy) -> None:
    outcome, screened, case = work.outcome, work.screened, work.case
    report, affiliate, program = screened.report, work.affiliate, work.program
    email = screened.email.address if screened.email else f"{work.conversion_id}@placeholder.invalid"
    accepted, verified, _ = work.standing
    rows["conversions"].append(
        {
            "merchant_id": work.merchant_id,
            "id": work.conversion_id,
            "program_id": program.id,
            "affiliate_id": affiliate.id,
            "mode": work.mode,
            "type": report.conversion_type,
            "status": outcome.status,
            "decision": outcome.status,
            "initial": outcome.status,
            "decision_reason": None,
            "verified": work.verified,
            "via": screened.attribution.via,
            "ref_code": affiliate.ref_code if screened.attribution.via != "coupon" else None,
            "coupon_id": screened.attribution.coupon.id if screened.attribution.coupon else None,
            "email": email,
            "email_key": work.email_key or fingerprint(work.fingerprint_key, "email", email),
            "mailbox_key": work.mailbox_key or fingerprint(work.fingerprint_key, "mailbox", email),
            "identity_key": identity_key(work),
            "order_key": work.order_key,
            "order_id": report.order_id,
            "customer_id": report.customer_id,
            "revenue_minor": screened.revenue_minor,
            "currency": program.currency,
            "commission_minor": outcome.commission.minor,
            "refunded": False,
            "refunded_minor": 0,
            "dispute": None,
            "score": work.verdict.score,
            "address": case.address.text if case.address else None,
            "agent": report.agent,
            "click_id": case.click.id if case.click else None,
            "metadata": orjson.dumps(report.metadata).decode() if report.metadata else None,
            "attempt_id": None,
            "accepted_no": accepted + 1,
            "verified_no": verified + 1 if work.verified else None,
            "at_ms": work.now_ms,
            "updated_ms": work.now_ms,
        }
    )
    rows["decisions"].append(
        {
            "merchant_id": work.merchant_id,
            "conversion_id": work.conversion_id,
            "record": _dump(decision_record(work)),
        }
    )
    event_id = make_id("evt", work.now_ms, entropy(10))
    postings.post(
        rows,
        conversion=rows["conversions"][-1],
        posted={},
        wanted={"pending": outcome.commission.minor} if outcome.commission.minor else {},
        cause=event_id,
        kind=EventType.ACCEPTED,
        at_ms=work.now_ms,
        counters={"accepted_count": 1, "verified_count": int(work.verified), "last_accepted_ms": work.now_ms},
    )
    rows["events"].append(postings.event(rows["conversions"][-1], event_id, EventType.ACCEPTED, work.now_ms))
    rows["sightings"] += [
        {
            "merchant_id": work.merchant_id,
            "key": key,
            "at_ms": work.now_ms,
            "subject_id": work.conversion_id,
            "customer_key": customer_key,
        }
        for _, key, customer_key in work.sightings
    ]


def identity_key(work: Work) -> str | None:
    """The customer's identity in this type of conversion, unless an earlier one that stands has it already."""
    email, report = work.screened.email, work.report
    if email is None:
        return None
    displaced = {past.id for past in work.outcome.displaces}
    standing = (past for past in work.history.own if past.stands and past.type == report.conversion_type)
    if any(past.id not in displaced for past in standing):
        return None
    return fingerprint(
        work.fingerprint_key, "identity", work.program.id, work.mode, email.address, report.conversion_type
    )


def decision_record(work: Work) -> dict[str, Any]:
    """Why it was decided so: everything the decision used, without personal data, readable by itself."""
    outcome, found = work.outcome, {"version": 1, "request_id": work.claim.request_id}
    found["credential"] = {
        "key_id": work.credential.key_id,
        "kind": work.credential.kind,
        "verified": work.verified,
    }
    if work.program:
        found["terms"] = {"program": work.program.commission, "currency": work.program.currency}
    if work.screened:
        attribution = work.screened.attribution
        found["attribution"] = {
            "affiliate_id": attribution.affiliate.id,
            "via": attribution.via,
            "candidates": attribution.candidates,
        }
        found["terms"]["affiliate"] = attribution.affiliate.commission
        found["warnings"] = work.screened.warnings
        if work.screened.listed:
            found["list_entry"] = {"id": work.screened.listed.id, "action": work.screened.listed.action}
    elif isinstance(work.claim.report, Report):
        found["warnings"] = work.claim.report.warnings
    if work.verdict:
        found["facts"] = _facts(work)
        found["policy"] = work.policy_version
        found["fraud"] = fraud_record(work.verdict)
    if isinstance(outcome, Refusal):
        found["outcome"] = {"reason": outcome.reason, "fields": outcome.fields, "detail": outcome.detail}
        if outcome.message:
            found["outcome"]["message"] = outcome.message
        if outcome.retry_after_s:
            found["outcome"]["retry_after_s"] = outcome.retry_after_s
        if outcome.conversion_id:
            found["outcome"]["conversion_id"] = outcome.conversion_id
        return found
    found["outcome"] = {"status": outcome.status, "why": outcome.why}
    found["displaced"] = [past.id for past in outcome.displaces]
    commission = outcome.commission
    found["commission"] = {
        "minor": commission.minor,
        "revenue_minor": work.screened.revenue_minor,
        "terms": commission.terms,
        "source": commission.source,
        "arithmetic": commission.arithmetic,
    }
    return found


def _facts(work: Work) -> dict[str, Any]:
    case, counted = work.case, work.history.counted
    facts: dict[str, Any] = {
        "now_ms": case.now_ms,
        "window_days": case.window_days,
        "known_customer": case.known_customer,
        "mailbox_spellings": case.mailbox_spellings,
        "sightings": case.sightings,
        "confirmed_frauds": case.confirmed_frauds,
        "repeat_sale": case.repeat_sale,
        "accepted_before": work.standing[0],
        "verified_before": work.standing[1],
        "limits_filled_ms": {"hourly": counted.hourly_ms, "daily": counted.daily_ms},
    }
    if case.click:
        facts["click"] = {
            "id": case.click.id,
            "tie": case.click_tie,
            "at_ms": case.click.at_ms,
            "first_ms": case.first_click_ms,
            "last_ms": case.last_click_ms,
        }
    return facts


def _remember(connection: Connection, works: Sequence[Work], answers: Mapping[int, Answer]) -> None:
    """Only accepted and duplicate are final; anything else a retry may still change."""
    record.insert_idempotency(
        connection,
        [
            {
                "merchant_id": work.merchant_id,
                "key": work.replay_key,
                "body_key": work.claim.body_key,
                "status": answers[id(work)].status,
                "answer": answers[id(work)].body.decode(),
                "at_ms": work.now_ms,
            }
            for work in works
            if work.replay_key and answers[id(work)].status in (200, 409)
        ],
    )


def _keep_attempts(connection: Connection, works: Sequence[Work], now_ms: int, entropy: Entropy) -> None:
    if not works:
        return
    hour_ms = now_ms - now_ms % HOUR_MS
    unverified = [(*_place(work), hour_ms) for work in works if not work.verified]
    kept = record.kept_attempts(connection, unverified)
    attempts, counts = [], {}
    for work in works:
        place = _place(work)
        if not work.verified:
            count = counts.setdefault(place, {"kept": 0, "counted": 0})
            if kept.get(place, 0) + count["kept"] >= MOST_KEPT_AN_HOUR:
                count["counted"] += 1
                continue
            count["kept"] += 1
        attempts.append(_attempt(work, now_ms, entropy))
    record.insert_attempts(connection, attempts)
    record.count_attempts(
        connection,
        [
            {"merchant_id": merchant_id, "program_id": program_id, "mode": mode, "hour_ms": hour_ms, **count}
            for (merchant_id, program_id, mode), count in counts.items()
        ],
    )


def _place(work: Work) -> tuple[str, str, str]:
    return work.merchant_id, work.program.id if work.program else "", work.mode


def _attempt(work: Work, now_ms: int, entropy: Entropy) -> dict[str, Any]:
    work.now_ms = work.now_ms or now_ms
    return {
        "merchant_id": work.merchant_id,
        "id": make_id("att", now_ms, entropy(10)),
        "program_id": work.program.id if work.program else None,
        "affiliate_id": work.affiliate.id if work.screened else None,
        "mode": work.mode,
        "verified": work.verified,
        "code": work.outcome.reason.value,
        "input": _dump(_kept_input(work)),
        "record": _dump(decision_record(work)),
        "request_id": work.claim.request_id,
        "conversion_id": None,
        "at_ms": work.now_ms,
        "updated_ms": work.now_ms,
    }


def _kept_input(work: Work) -> dict[str, Any]:
    """The request's fields without any key of ours; without the address where no affiliate is concerned."""
    dropped = {"publishable_key"}
    if work.outcome.reason is Reason.NO_REFERRAL:
        dropped |= {"customer_ip", "customer_user_agent"}
    kept = {
        name: value
        for name, value in work.claim.given.items()
        if name not in dropped and not (isinstance(value, str) and value.startswith("refv_"))
    }
    if isinstance(work.claim.report, Report) and work.claim.address and "customer_ip" not in dropped:
        kept["customer_ip"] = work.claim.address.text
    return kept


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
