"""What an affiliate has and how it came about: balance, ledger, statements."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from refledger.core.ledger_words import words
from refledger.core.times import to_text as time_text
from refledger.services import affiliate_ledger, catalogue
from refledger.services.affiliate_ledger import Statement
from refledger.web.api import fields, inputs, outputs, render, statement_page
from refledger.web.api.door import Caller, router
from refledger.web.api.outputs import Money, Page, Shown

routes = router()
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────


def _moment(value: Any) -> int | date:
    if not isinstance(value, str) or not "1970" <= value[:4] < "9000":
        raise ValueError("must be a day like 2026-01-31, or an RFC 3339 time with its zone")
    if not _DAY.match(value):
        return fields.query_time(value)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("is no day that exists") from None


Moment = Annotated[
    int | date,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-01-31", "2026-01-31T12:00:00Z"]}),
]


class StatementQuery(inputs.Body):
    from_: Moment | None = Field(
        None, alias="from", description="A day of the program's, or a time; left out: the month's first day."
    )
    to: Moment | None = Field(None, description="Before this day or time; left out: until now.")
    format: Literal["json", "csv", "html"] = "json"


class LedgerQuery(inputs.PageQuery):
    created_from: fields.QueryTime | None = None
    created_to: fields.QueryTime | None = Field(None, description="Before this time.")


# ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────


class LedgerEntry(outputs.Entry):
    what: str = Field(description="The kind in words.", examples=["approved"])
    conversion_id: str | None
    payout_id: str | None


class Ledger(Page):
    data: list[LedgerEntry]


class StatementPayout(Shown):
    payout_id: str
    created_at: datetime
    amount: Money
    status: Literal["pending", "paid", "failed", "cancelled"] = Field(description="As it is now.")
    reason: str | None
    reference: str | None
    updated_at: datetime


class StatementShown(Shown):
    """A half-open period: what was there, every entry, what is there then."""

    object: Literal["statement"]
    mode: fields.Mode
    affiliate_id: str
    program_id: str
    currency: str
    time_zone: str
    from_: datetime = Field(alias="from")
    to: datetime = Field(description="Before this time.")
    opening: dict[str, Money] = Field(description="By account.")
    lines: list[LedgerEntry]
    closing: dict[str, Money] = Field(description="The opening balances and all lines.")
    payouts: list[StatementPayout] = Field(description="Made in the period.")


def _entry(row: dict[str, Any], mode: str) -> dict[str, Any]:
    more = {"conversion_id": row["conversion_id"] or None, "payout_id": row["payout_id"]}
    return render.entry(row, mode) | {"what": words(row["kind"])} | more


def _accounts(balances: dict[str, int], currency: str) -> dict[str, Any]:
    return {account: render.money(minor, currency) for account, minor in balances.items()}


def _statement(found: Statement) -> dict[str, Any]:
    currency, mode = found.program["currency"], found.mode
    return {
        "object": "statement",
        "mode": mode,
        "affiliate_id": found.affiliate["id"],
        "program_id": found.program["id"],
        "currency": currency,
        "time_zone": found.program["time_zone"],
        "from": time_text(found.from_ms),
        "to": time_text(found.to_ms),
        "opening": _accounts(found.opening, currency),
        "lines": [_entry(line, mode) for line in found.lines],
        "closing": _accounts(found.closing, currency),
        "payouts": [_paid_out(item, currency) for item in found.payouts],
    }


def _paid_out(item: dict[str, Any], currency: str) -> dict[str, Any]:
    return {
        **{name: item[name] for name in ("payout_id", "status", "reason", "reference")},
        "created_at": time_text(item["created_ms"]),
        "amount": render.money(item["amount_minor"], currency),
        "updated_at": time_text(item["updated_ms"]),
    }


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.get("/affiliates/{affiliate_id}/balance", response_model=outputs.Balance, tags=["Affiliates"])
def get_balance(call: Caller, affiliate_id: str) -> Response:
    """What the affiliate's accounts hold, in the mode of the key."""

    def work(connection):
        affiliate = catalogue.get_affiliate(connection, call.tenant, affiliate_id)
        program = catalogue.get_program(connection, call.tenant, affiliate["program_id"])
        found = affiliate_ledger.balance(connection, call.tenant, affiliate_id, call.now_ms(connection))
        return render.balance(affiliate, call.tenant.mode, program["currency"], *found)

    return call.read(work)


@routes.get("/affiliates/{affiliate_id}/ledger", response_model=Ledger, tags=["Affiliates"])
def list_ledger(call: Caller, affiliate_id: str, query: Annotated[LedgerQuery, Query()]) -> Response:
    """The affiliate's entries, newest first."""

    def work(connection):
        found = affiliate_ledger.history(
            connection, call.tenant, affiliate_id, query.filters(), query.limit, query.cursor
        )
        return render.page(*found, _entry, call.tenant.mode)

    return call.read(work)


@routes.get(
    "/affiliates/{affiliate_id}/statement",
    response_model=StatementShown,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in ("text/csv", "text/html")}}
    },
    tags=["Affiliates"],
)
def get_statement(call: Caller, affiliate_id: str, query: Annotated[StatementQuery, Query()]) -> Response:
    """A period of an affiliate: as JSON, as CSV, or as a page to print."""

    def work(connection):
        now_ms = call.now_ms(connection)
        found = affiliate_ledger.statement(
            connection, call.tenant, affiliate_id, query.from_, query.to, now_ms
        )
        if query.format == "csv":
            return statement_page.sheet(found)
        return statement_page.page(found) if query.format == "html" else _statement(found)

    return call.read(work)
