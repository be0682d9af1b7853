"""The review: what waits for a person, and how often each signal was right to ask for one."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import Field

from refledger.core.fraud.catalogue import BY_CODE
from refledger.core.times import to_text as time_text
from refledger.services import queue
from refledger.services.queue import MOST_IDS, Usefulness
from refledger.web.api import fields, inputs, render
from refledger.web.api.door import Caller, router
from refledger.web.api.outputs import Money, Shown

routes = router()


class ReviewQuery(inputs.Body):
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    program_id: fields.Text200 | None = None
    affiliate_id: fields.Text200 | None = None
    signal: fields.SignalCode | None = None


class SignalsQuery(inputs.Body):
    program_id: fields.Text200 | None = None
    created_from: fields.QueryTime | None = None
    created_to: fields.QueryTime | None = Field(None, description="Before this time.")


class NamedAffiliate(Shown):
    id: str
    name: str
    ref_code: str


class NamedSignal(Shown):
    code: str
    notice: str = Field(description="What it notices, in a few words.")


class ReviewGroup(Shown):
    """Conversions of one affiliate that wait because of one signal."""

    object: Literal["review_group"]
    mode: fields.Mode
    program_id: str
    affiliate: NamedAffiliate
    signal: NamedSignal | None = Field(description="Null: kept before leading signals were.")
    count: int
    commission: Money = Field(description="Held until somebody decides.")
    revenue: Money
    oldest_at: datetime
    newest_at: datetime
    age_s: int = Field(description="Of the oldest.")
    conversion_ids: list[str] = Field(description=f"The newest, {MOST_IDS} at most.")


class Review(Shown):
    data: list[ReviewGroup]
    has_more: bool = Field(description="Whether there are more groups than `limit`.")


class Hits(Shown):
    """On how many accepted conversions it fired, by what followed from it."""

    total: int
    counted: int = Field(description="Its points are in the score, or it decided.")
    shadow: int = Field(description="Recorded as it would have been.")
    evidence: int = Field(
        description="Without effect: by its action, an allow entry, or a larger one of its family."
    )


class Precision(Shown):
    value: float = Field(description="Confirmed, of those confirmed or cleared.")
    low: float = Field(description="With `high` the interval of 95 % confidence (Wilson's).")
    high: float


class SignalReport(Shown):
    object: Literal["signal_report"]
    mode: fields.Mode
    code: str
    notice: str
    hits: Hits
    decided: int = Field(
        description="Approved or rejected by now, for whatever reason; not what a signed report displaced."
    )
    confirmed: int = Field(description="Rejected as `fraud`, `test` or `duplicate_customer`.")
    cleared: int = Field(description="Approved by somebody, or rejected as `not_fraud`.")
    undecided: int
    precision: Precision | None = Field(description="Null before the first is confirmed or cleared.")
    waiting: int = Field(description="Conversions in the review queue because of it.")
    held: list[Money] = Field(description="Their commission, by currency.")


class SignalReports(Shown):
    data: list[SignalReport]


@routes.get("/review", response_model=Review, tags=["Review"])
def list_review(call: Caller, query: Annotated[ReviewQuery, Query()]) -> Response:
    """What waits for a person, by affiliate and leading signal: the largest sums first, of equal ones the oldest."""
    wanted = query.model_dump(exclude={"limit"}, exclude_none=True)

    def work(connection):
        groups, more = queue.waiting(connection, call.tenant, wanted, query.limit)
        now_ms = call.now_ms(connection)
        return {"data": [_group(each, call.tenant.mode, now_ms) for each in groups], "has_more": more}

    return call.read(work)


@routes.get("/signals", response_model=SignalReports, tags=["Review"])
def report_signals(call: Caller, query: Annotated[SignalsQuery, Query()]) -> Response:
    """How often each signal fired on accepted conversions, how often it was right, and what it holds now."""
    wanted = query.model_dump(exclude_none=True)

    def work(connection):
        found = queue.usefulness(connection, call.tenant, wanted)
        return {"data": [_report(each, call.tenant.mode) for each in found]}

    return call.read(work)


def _group(row: dict[str, Any], mode: str, now_ms: int) -> dict[str, Any]:
    code, currency = row["leading_code"], row["currency"]
    notice = BY_CODE[code].notice if code in BY_CODE else "a signal of an earlier version"
    return {
        "object": "review_group",
        "mode": mode,
        "program_id": row["program_id"],
        "affiliate": {"id": row["affiliate_id"], "name": row["name"], "ref_code": row["ref_code"]},
        "signal": {"code": code, "notice": notice} if code else None,
        "count": row["waiting"],
        "commission": render.money(row["commission_minor"], currency),
        "revenue": render.money(row["revenue_minor"], currency),
        "oldest_at": time_text(row["oldest_ms"]),
        "newest_at": time_text(row["newest_ms"]),
        "age_s": max(0, now_ms - row["oldest_ms"]) // 1000,
        "conversion_ids": row["conversion_ids"],
    }


def _report(found: Usefulness, mode: str) -> dict[str, Any]:
    total, precision = found.hits.total(), found.precision
    return {
        "object": "signal_report",
        "mode": mode,
        "code": found.signal.code,
        "notice": found.signal.notice,
        "hits": {"total": total, **{name: found.hits[name] for name in ("counted", "shadow", "evidence")}},
        "decided": found.decided,
        "confirmed": found.confirmed,
        "cleared": found.cleared,
        "undecided": found.undecided,
        "precision": precision and {name: round(share, 4) for name, share in precision._asdict().items()},
        "waiting": found.held,
        "held": [render.money(minor, currency) for currency, minor in sorted(found.held_minor.items())],
    }
