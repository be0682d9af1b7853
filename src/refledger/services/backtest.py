"""Replays a changed policy over a program's stored decisions, and reports everything that would have been different.

Reads only, in one snapshot. Without bounds it takes as long as there are decisions; a door that is waited at sets some.
"""

import heapq
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any

import orjson

from refledger.core import decision_reasons
from refledger.core.commissions import NOTHING, reckon, resolve, terms_for
from refledger.core.fingerprints import order_key
from refledger.core.fraud import flips as flipping
from refledger.core.fraud import policy as rules
from refledger.core.fraud.flips import Flip, flip
from refledger.core.fraud.replay import Decision, Policies, Replay, Replayed, keep
from refledger.core.ids import FIRST, LAST, make_id
from refledger.core.programs import DAY_MS, stored
from refledger.core.times import to_text as time_text
from refledger.services import policies
from refledger.services.credentials import Tenant
from refledger.services.notes import invalid
from refledger.store import affiliates as affiliate_store
from refledger.store import backtests as store
from refledger.store import policies as policy_store
from refledger.store import reports
from refledger.store.engine import Connection

USUAL_MS = 30 * DAY_MS  # how far back, unless told
_AT_ONCE = 500  # decisions between two looks at the clock
_SLACK = 1000  # decisions held back to be put in order
_PLACE = attrgetter("place")
ADVICE = "Name a shorter time, or run `refledger backtest` where the database is: it has no bound."

Row = dict[str, Any]
Tell = Callable[[int, int], None]  # done, of about so many


@dataclass(frozen=True, slots=True)
class Question:
    """What to try: `overrides` in place of the program's, None for the policy that judged each; or `enforcing`, the
    policy in force with its shadow signals in force too. From and to (excluded); None: the last 30 days.
    """

    program_id: str
    overrides: Any = None
    enforcing: bool = False
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The newest so many decisions, and about so many seconds; None: no bound."""

    decisions: int | None = None
    seconds: float | None = None
    clock_s: Callable[[], float] = time.monotonic


NO_BOUNDS = Bounds()
AT_THE_DOOR = Bounds(decisions=100_000, seconds=10.0)


@dataclass(slots=True)
class _Found:
    changed_to: Policies
    decisions: int = 0
    last_ms: int | None = None
    differing: list[Row] = field(default_factory=list)
    flips: list[Flip] = field(default_factory=list)

    def add(self, decision: Decision, replayed: Replayed) -> None:
        self.decisions += 1
        self.last_ms = decision.at_ms
        if not replayed.is_reproduced:
            told = {"stored": replayed.stored._asdict(), "replayed": replayed.again._asdict()}
            self.differing.append({"id": decision.id, "object": decision.object, **told})
        if flipped := flip(decision, replayed.stored, replayed.changed, self.changed_to):
            self.flips.append(flipped)


def backtest(
    connection: Connection,
    tenant: Tenant,
    question: Question,
    now_ms: int,
    bounds: Bounds = NO_BOUNDS,
    tell: Tell | None = None,
) -> Row:
    """The report, as it is shown. Refused where the overrides or the times cannot be used."""
    program = policies.holder(connection, tenant, question.program_id)
    to_ms = now_ms + 1 if question.to_ms is None else question.to_ms  # what happens just now is in it
    from_ms = to_ms - USUAL_MS if question.from_ms is None else question.from_ms
    _check(question.overrides, from_ms, to_ms)
    since_ms = _since_ms(connection, tenant, program, from_ms, to_ms, bounds.decisions)
    judged_by, changed_to, document = _policies(connection, tenant, program, question)
    replay = Replay(judged_by, changed_to, stored(program["repeat_purchases"]))
    found, until_s = _Found(changed_to), bounds.clock_s() + (bounds.seconds or 0)

    before = _span(tenant, program, "conv", since_ms - DAY_MS, since_ms)
    for _, at_ms, affiliate_id, verified in store.acceptances_in(connection, before):
        if since_ms - DAY_MS <= at_ms < since_ms:
            replay.remember(affiliate_id, verified, at_ms)
    spans = [_span(tenant, program, prefix, since_ms - DAY_MS, to_ms) for prefix in ("conv", "att")]
    total = store.count(connection, *spans) if tell else 0
    decisions = _decisions(connection, tenant, program, spans, since_ms, to_ms)
    while group := list(islice(decisions, _AT_ONCE)):
        for decision in group:
            found.add(decision, replay.take(decision))
        if tell:
            tell(found.decisions, max(total, found.decisions))
        if bounds.seconds and bounds.clock_s() > until_s:
            break
    ended = next(decisions, None) is None
    covered = (since_ms, to_ms if ended else found.last_ms + 1)
    scope = {"program_id": program["id"], "created_from": from_ms, "created_to": to_ms}
    not_kept = reports.attempts_not_kept(connection, tenant.merchant_id, tenant.mode, scope)
    affiliate_ids = sorted({each.affiliate_id for each in found.flips})
    named = affiliate_store.names(connection, tenant.merchant_id, affiliate_ids)
    return _report(tenant, program, (from_ms, to_ms), covered, document, not_kept, found, named)


def _check(overrides: Any, from_ms: int, to_ms: int) -> None:
    faults = [] if overrides is None else rules.validate(overrides)
    errors = {".".join(part for part in ("policy", where) if part): why for where, why in faults}
    if from_ms >= to_ms:
        errors["from"] = "must be before to"
    if errors:
        raise invalid(errors)


def _since_ms(
    connection: Connection, tenant: Tenant, program: Row, from_ms: int, to_ms: int, most: int | None
) -> int:
    """From when on there are no more decisions than that."""
    if most is None:
        return from_ms
    spans = [_span(tenant, program, prefix, from_ms, to_ms) for prefix in ("conv", "att")]
    times = store.newest_ms(connection, *spans, most + 1)
    return max(from_ms, times[-1] + 1) if len(times) > most else from_ms


def _policies(
    connection: Connection, tenant: Tenant, program: Row, question: Question
) -> tuple[Policies, Policies, Row | None]:
    """By the name a record has: the policy that judged, and the one to try; and the latter's document where it is one
    for all, but for what affiliates have of their own.
    """
    rows = policy_store.of_program(connection, tenant.merchant_id, program["id"])
    documents = {row["id"]: orjson.loads(row["document"]) for row in rows.values()}
    overrides = question.overrides
    if question.enforcing:
        overrides = documents.get(program["policy_id"], {})

    @cache
    def judged_by(version: str) -> rules.Policy:
        return rules.merge(rules.DEFAULT, *(documents[each] for each in version.split("+")[1:]))

    @cache
    def changed_to(version: str) -> rules.Policy:
        if overrides is None:
            return judged_by(version)
        # What is the affiliate's own stays as it was at that time.
        own = [documents[each] for each in version.split("+")[1:] if rows[each]["affiliate_id"]]
        policy = rules.merge(rules.DEFAULT, overrides, *own)
        return rules.enforced(policy) if question.enforcing else policy

    return judged_by, changed_to, None if overrides is None else changed_to(rules.DEFAULT_VERSION).document


def _span(tenant: Tenant, program: Row, prefix: str, from_ms: int, to_ms: int) -> store.Span:
    """Ids from one time on to before another."""
    after_id, before_id = make_id(prefix, max(from_ms, 1) - 1, LAST), make_id(prefix, to_ms, FIRST)
    return tenant.merchant_id, program["id"], tenant.mode, after_id, before_id


# ── decisions in their order ─────────────────────────────────────────────────────────────────────────────────────


def _decisions(
    connection: Connection, tenant: Tenant, program: Row, spans: list[store.Span], from_ms: int, to_ms: int
) -> Iterator[Decision]:
    """An id may be older than its time, where a clock was set back: hence spans that begin a day before."""
    conversions = (
        _conversion(tenant, program, row)
        for row in store.conversions_in(connection, spans[0])
        if from_ms <= row[1] < to_ms
    )
    attempts = (_attempt(row) for row in store.attempts_in(connection, spans[1]) if from_ms <= row[1] < to_ms)
    merged = heapq.merge(conversions, attempts, key=lambda decision: decision.at_ms)
    return _in_order(decision for decision in merged if decision.kept)


def _in_order(decisions: Iterator[Decision]) -> Iterator[Decision]:
    """Within a thousand: those of one moment have ids in any order, and a clock may have been set back."""
    held: list[Decision] = []
    while block := list(islice(decisions, _SLACK)):
        held = sorted(held + block, key=_PLACE)
        yield from held[:-_SLACK]
        held = held[-_SLACK:]
    yield from held


def _conversion(tenant: Tenant, program: Row, row: tuple) -> Decision:
    (
        conversion_id, at_ms, affiliate_id, kind, verified, email_key, key_of_order, order_id,
        revenue_minor, commission_minor, initial, score, status, reason, record,
    ) = row  # fmt: skip
    if key_of_order is None and order_id and kind == "purchase":  # released by a rejection
        key_of_order = order_key(tenant.fingerprint_key, program["id"], tenant.mode, order_id)
    return Decision(
        conversion_id, "conversion", at_ms, affiliate_id, kind, verified, email_key, key_of_order,
        revenue_minor, commission_minor, initial, score, _later(status, reason), keep(orjson.loads(record)),
    )  # fmt: skip


def _attempt(row: tuple) -> Decision:
    attempt_id, at_ms, affiliate_id, verified, email_key, key_of_order, code, accepted_as, text = row
    record = orjson.loads(text)
    kept, kind, revenue_minor = keep(record), record.get("type"), record.get("revenue_minor")
    return Decision(
        attempt_id, "attempt", at_ms, affiliate_id, kind, verified, email_key, key_of_order,
        revenue_minor, _commission_minor(record), code, kept.score if kept else 0,
        "accepted_attempt" if accepted_as else "left", kept,
    )  # fmt: skip


def _commission_minor(record: Row) -> int | None:
    """Of an attempt, by the terms of its time; None where its record does not tell what it would have been."""
    if "type" not in record:
        return None
    kept = record["terms"]
    terms, _ = terms_for(kept["program"], kept["affiliate"], record["type"])
    resolved = resolve(terms, NOTHING, kept["currency"])
    return reckon(resolved, record["type"], record["revenue_minor"], kept["currency"])[0]


def _later(status: str, reason: str | None) -> str:
    """What became of a conversion after all: by the merchant, by the customer, or by a report that took its place."""
    if status == "rejected" and reason == decision_reasons.SUPERSEDED:
        return reason
    if status == "rejected" and reason:
        known = reason if reason in decision_reasons.REASONS else decision_reasons.OTHER
        return f"rejected:{known}"
    return "undecided" if status in ("pending", "pending_review") else status


# ── the report ───────────────────────────────────────────────────────────────────────────────────────────────────


def _report(
    tenant: Tenant,
    program: Row,
    asked: tuple[int, int],
    covered: tuple[int, int],
    document: Row | None,
    not_kept: int,
    found: _Found,
    named: Mapping[str, flipping.Named],
) -> Row:
    flips, currency, complete = found.flips, program["currency"], asked == covered
    by_affiliate = flipping.summed(flips, currency, "affiliate_id", lambda each: each.affiliate_id)
    reproduced = found.decisions - len(found.differing)
    return {
        "object": "backtest",
        "program_id": program["id"],
        "mode": tenant.mode,
        "from": time_text(asked[0]),
        "to": time_text(asked[1]),
        "policy": document,
        "complete": complete,
        "covered": {"from": time_text(covered[0]), "to": time_text(covered[1])},
        "advice": None if complete else ADVICE,
        "decisions": found.decisions,
        "not_kept": not_kept,
        "reproduced": {
            "count": reproduced,
            "share": reproduced / found.decisions if found.decisions else 1.0,
            "differing": found.differing,
        },
        "flips": [flipping.shown(each, currency) for each in flips],
        "totals": flipping.summed(flips, currency),
        "by_signal": flipping.summed(flips, currency, "signal", lambda each: each.signal),
        "by_affiliate": [_with_name(each, named) for each in by_affiliate],
        "examples": flipping.examples(flips, currency, named),
    }


def _with_name(sums: Row, named: Mapping[str, flipping.Named]) -> Row:
    name, ref_code = named[sums["affiliate_id"]]
    return {"affiliate_id": sums["affiliate_id"], "name": name, "ref_code": ref_code, **sums}
