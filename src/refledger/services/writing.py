"""What follows from a group's decisions: conversions, records, entries, events, attempts, remembered answers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from refledger.core.conversions import Accepted
from refledger.core.duplicates import Past
from refledger.core.events import EventType
from refledger.core.fingerprints import fingerprint
from refledger.core.ids import make_id
from refledger.core.intake import Report
from refledger.core.ledger import State, target
from refledger.core.personal import DROPPED, PLACEHOLDER
from refledger.core.programs import DAY_MS, HOUR_MS
from refledger.core.refusals import Reason, Refusal
from refledger.services import months, postings, settlement, whereabouts
from refledger.services.claims import Answer, Work
from refledger.services.notes import Entropy
from refledger.services.records import decision_record, dump
from refledger.store import months as month_store
from refledger.store import record
from refledger.store.engine import Connection, together

# Beyond so many unverified attempts of one program in one hour they are counted, not kept one by one.
MOST_KEPT_AN_HOUR = 1000
# How long an answer is given again to the same Idempotency-Key.
REMEMBERED_MS = 400 * DAY_MS


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
        accept(rows, work, work.now_ms, entropy)
    if accepted:
        write_rows(connection, rows, accepted, now_ms, entropy)
    _remember(connection, lasting, answers, now_ms)
    _keep_attempts(
        connection, [work for work in lasting if isinstance(work.outcome, Refusal)], now_ms, entropy
    )


def write_rows(
    connection: Connection, rows: Rows, accepted: Sequence[Work], now_ms: int, entropy: Entropy
) -> None:
    """Writes the rows of accepted conversions. The displaced release their identities before they are taken."""
    settlement.supersede(connection, rows, accepted, now_ms, entropy)
    with together(connection):
        record.insert_conversions(connection, rows["conversions"])
        record.insert_decisions(connection, rows["decisions"])
        record.insert_acceptances(connection, rows["acceptances"])
        record.insert_entries(connection, rows["entries"])
        record.insert_events(connection, rows["events"])
        record.insert_sightings(connection, rows["sightings"])
        record.insert_findings(connection, rows["findings"])
        record.insert_whereabouts(connection, rows["whereabouts"])
        record.insert_shares(connection, rows["shares"])
        month_store.add(connection, rows["months"])
    record.move_standings(connection, postings.by_standing(rows["moves"]))


def accept(
    rows: Rows, work: Work, now_ms: int, entropy: Entropy, attempt: Mapping[str, Any] | None = None
) -> None:
    """Adds the rows of an accepted conversion. One accepted from an attempt is dated at the attempt's time
    (`work.now_ms`), its entries now, and it counts towards no limit. No entry is dated before what is sealed.
    """
    found = decision_record(work) | _from_attempt(attempt)
    click = found.get("facts", {}).get("click")
    # Where the merchant chose the affiliate, the click that was found then is perhaps another's.
    has_click = click and work.screened.attribution.via != "merchant"
    at_ms = max(now_ms, work.credential.sealed_ms + 1)
    conversion = _conversion(work, attempt) | {
        "updated_ms": at_ms,
        "score": found.get("fraud", {}).get("score", 0),
        "leading_code": found.get("fraud", {}).get("leading"),
        "click_id": click["id"] if has_click else None,
    }
    rows["conversions"].append(conversion)
    rows["decisions"].append(
        {"merchant_id": work.merchant_id, "conversion_id": work.conversion_id, "record": dump(found)}
    )
    rows["findings"] += _findings(conversion, found.get("fraud", {}))
    counters = {"accepted_count": 1, "verified_count": int(work.verified), "last_accepted_ms": now_ms}
    if not attempt:
        rows["acceptances"] += _numbered(conversion, now_ms)
    event_id = make_id("evt", at_ms, entropy(10))
    shares = _shares(work)
    rows["shares"] += shares
    postings.post(
        rows,
        conversion,
        posted={},
        wanted=_wanted(conversion, shares),
        cause=event_id,
        kind=EventType.ACCEPTED,
        at_ms=at_ms,
        counters=None if attempt else counters,
    )
    rows["events"].append(postings.event(conversion, event_id, EventType.ACCEPTED, at_ms))
    rows["months"] += months.left_by(work, conversion["revenue_minor"], conversion["commission_minor"])
    rows["whereabouts"] += whereabouts.left_by(work)
    rows["sightings"] += [
        {
            "merchant_id": work.merchant_id,
            "key": key,
            "at_ms": now_ms,
            "customer_key": customer_key,
        }
        for _, key, customer_key in work.sightings
    ]


def _conversion(work: Work, attempt: Mapping[str, Any] | None) -> dict[str, Any]:
    outcome, screened, key = work.outcome, work.screened, work.fingerprint_key
    report, affiliate, program = screened.report, work.affiliate, work.program
    email = screened.email.address if screened.email else f"{work.conversion_id}{PLACEHOLDER}"
    accepted, verified, _ = work.standing
    address, attribution = work.claim.address, screened.attribution
    return {
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
        "via": attribution.via,
        "ref_code": affiliate.ref_code if attribution.via != "coupon" else None,
        "coupon_id": attribution.coupon.id if attribution.coupon else None,
        "email": email,
        "email_key": work.email_key or fingerprint(key, "email", email),
        "identity": _identity(work),
        "order_key": work.order_key,
        "order_id": report.order_id,
        "customer_id": report.customer_id,
        "revenue_minor": screened.revenue_minor,
        "currency": program.currency,
        "commission_minor": outcome.commission.minor,
        "refunded": False,
        "refunded_minor": 0,
        "dispute": None,
        "address": address.text if address else None,
        "agent": report.agent,
        "metadata": dump(report.metadata) if report.metadata else None,
        "attempt_id": attempt["id"] if attempt else None,
        "accepted_no": None if attempt else accepted + 1,
        "verified_no": verified + 1 if work.verified and not attempt else None,
        "at_ms": work.now_ms,
        **_times(work, outcome.status),
    }


def _shares(work: Work) -> list[dict[str, Any]]:
    """The row of what the recruiter earns, where one does."""
    share = work.outcome.share
    if share is None:
        return []
    return [
        {
            "merchant_id": work.merchant_id,
            "conversion_id": work.conversion_id,
            "affiliate_id": share.affiliate_id,
            "terms": dump(share.terms),
            "commission_minor": share.minor,
        }
    ]


def _wanted(conversion: Mapping[str, Any], shares: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    dues = {row["affiliate_id"]: row["commission_minor"] for row in (conversion, *shares)}
    return {earner: target(State("pending", minor)) for earner, minor in dues.items()}


def _times(work: Work, status: str) -> dict[str, int | None]:
    """What time alone will bring about. Nothing that a person has to look at is approved by itself."""
    hold_days, approve_days = work.program.hold_days, work.program.approve_days
    approves = approve_days is not None and work.verified and status == "pending"
    return {
        "hold_until_ms": work.now_ms + hold_days * DAY_MS if hold_days else None,
        "matures_ms": None,
        "approves_ms": work.now_ms + approve_days * DAY_MS if approves else None,
    }


def _findings(conversion: Mapping[str, Any], fraud: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was noticed about it, by the record: a row for each signal that fired."""
    return [
        {
            "merchant_id": conversion["merchant_id"],
            "code": fired["code"],
            "conversion_id": conversion["id"],
            "program_id": conversion["program_id"],
            "mode": conversion["mode"],
            "effect": _effect(fired, fraud["leading"]),
            "points": fired["points"],
        }
        for fired in fraud.get("fired", ())
    ]


def _effect(fired: Mapping[str, Any], leading: str | None) -> str:
    """Without effect is also what a larger one of its family outweighed, or an allow entry covered."""
    if fired["mode"] == "shadow":
        return "shadow"
    return "counted" if fired["counted"] or fired["code"] == leading else "evidence"


def _numbered(conversion: Mapping[str, Any], at_ms: int) -> list[dict[str, Any]]:
    """Its numbers among its affiliate's conversions, each of which is given once."""
    return [
        {
            "merchant_id": conversion["merchant_id"],
            "day": at_ms // DAY_MS,
            "affiliate_id": conversion["affiliate_id"],
            "mode": conversion["mode"],
            "counts": counts,
            "no": conversion[f"{counts}_no"],
            "at_ms": at_ms,
        }
        for counts in ("accepted", "verified")
        if conversion[f"{counts}_no"] is not None
    ]


def _from_attempt(attempt: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the record of an accepted attempt says besides: the attempt, and what its signals had found."""
    if not attempt:
        return {}
    then = orjson.loads(attempt["record"])
    kept = {name: then[name] for name in ("facts", "policy", "data", "fraud") if name in then}
    return {"attempt": {"id": attempt["id"], "code": attempt["code"], "at_ms": attempt["at_ms"]}, **kept}


def _identity(work: Work) -> str | None:
    """The type, where this conversion is to stand for its customer's: unless an earlier one does already."""
    displaced = {past.id for past in work.outcome.displaces}
    own = [past for past in work.history.own if past.id not in displaced]
    conversion_type = work.report.conversion_type
    if work.screened.email is None or has_identity(own, conversion_type):
        return None
    return conversion_type


def has_identity(own: Iterable[Past], conversion_type: str) -> bool:
    """Whether one of a customer's conversions holds their identity in this type."""
    return any(past.stands and past.type == conversion_type for past in own)


def _remember(
    connection: Connection, works: Sequence[Work], answers: Mapping[int, Answer], now_ms: int
) -> None:
    """Only accepted and duplicate are final; anything else a retry may still change."""
    record.remember(
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
        now_ms - REMEMBERED_MS,
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
        "input": dump(_kept_input(work)),
        "record": dump(decision_record(work)),
        "request_id": work.claim.request_id,
        "conversion_id": None,
        "at_ms": work.now_ms,
        "updated_ms": work.now_ms,
        "email_key": work.email_key or None,
        "order_key": work.order_key,
    }


def _kept_input(work: Work) -> dict[str, Any]:
    """The request's fields without its key; without the address where no affiliate is concerned.

    With what was taken from the connection besides, so that accepting it later knows as much.
    """
    dropped = {"publishable_key", DROPPED}
    if work.outcome.reason is Reason.NO_REFERRAL:
        dropped |= {"customer_ip", "customer_user_agent"}
    kept = {name: value for name, value in work.claim.given.items() if name not in dropped}
    if isinstance(work.claim.report, Report):
        if work.claim.address:
            kept["customer_ip"] = work.claim.address.text
        if work.claim.report.agent:
            kept["customer_user_agent"] = work.claim.report.agent
    return kept
