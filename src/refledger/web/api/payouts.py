"""Payouts: who is to be paid how much, the files for it, and what became of each payment."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import Field

from refledger.core.payouts import LAYOUTS
from refledger.core.times import to_text as time_text
from refledger.services import payouts
from refledger.web.api import fields, inputs, render
from refledger.web.api.door import Call, Caller, router
from refledger.web.api.outputs import Money, Page, Shown

routes = router()
STATUSES = Literal["open", "completed", "cancelled"]


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────


class NewPayout(inputs.Body):
    program_id: fields.Text200
    until: fields.Time | None = Field(
        None, description="Of what was payable before this time; left out, or later than now: now."
    )
    minimum: fields.Decimal | None = Field(
        None, description="What an affiliate must have to be paid; left out: the program's."
    )
    preview: Annotated[bool, Field(strict=True)] = Field(
        False, description="Answers what would be paid now, and writes nothing."
    )

    def wanted(self) -> dict[str, Any]:
        return {"program_id": self.program_id, "until_ms": self.until, "minimum": self.minimum}


class PayoutsQuery(inputs.PageQuery):
    program_id: fields.Text200 | None = None
    status: STATUSES | None = None


class FileQuery(inputs.Body):
    layout: Literal[LAYOUTS] = "generic"


class Paid(inputs.Body):
    reference: fields.Note | None = Field(None, description="The bank's or the payment provider's.")


class Failed(inputs.Body):
    reason: fields.Text200


class Cancelled(inputs.Body):
    reason: fields.Text200 | None = None


# ── what is answered ─────────────────────────────────────────────────────────────────────────────────────────────


class Payout(Shown):
    id: str | None = Field(description="Null in a preview.")
    object: Literal["payout"]
    created_at: datetime
    mode: fields.Mode
    updated_at: datetime
    program_id: str
    status: STATUSES
    until: datetime = Field(description="Of what was payable before this time.")
    minimum: Money
    amount: Money = Field(description="The sum of its items, frozen.")


class PayoutItem(Shown):
    object: Literal["payout_item"]
    affiliate_id: str
    name: str
    email: str
    amount: Money
    status: Literal["pending", "paid", "failed", "cancelled"]
    reason: str | None
    reference: str | None
    updated_at: datetime


class WholePayout(Payout):
    items: list[PayoutItem]


class NewlyMade(WholePayout):
    preview: bool
    more_to_pay: bool = Field(description="Whether there are more affiliates than one payout takes.")


class Payouts(Page):
    data: list[Payout]


def _payout(row: dict[str, Any], mode: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "payout",
        "created_at": time_text(row["created_ms"]),
        "mode": mode,
        "updated_at": time_text(row["updated_ms"]),
        "program_id": row["program_id"],
        "status": row["status"],
        "until": time_text(row["until_ms"]),
        "minimum": render.money(row["minimum_minor"], row["currency"]),
        "amount": render.money(row["amount_minor"], row["currency"]),
    }


def _whole(row: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    return _payout(row, row["mode"]) | {"items": [_item(each, row["currency"]) for each in items]}


def _item(row: dict[str, Any], currency: str) -> dict[str, Any]:
    told = ("affiliate_id", "name", "email", "status", "reason", "reference")
    return {
        "object": "payout_item",
        **{name: row[name] for name in told},
        "amount": render.money(row["amount_minor"], currency),
        "updated_at": time_text(row["updated_ms"]),
    }


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.post(
    "/payouts",
    status_code=201,
    response_model=NewlyMade,
    responses={200: {"model": NewlyMade, "description": "A preview."}},
    tags=["Payouts"],
)
def create_payout(call: Caller, wanted: NewPayout) -> Response:
    """Takes every affiliate of the program along whose payable balance reaches the minimum, each once."""
    if wanted.preview:
        return call.read(lambda connection: _previewed(call, connection, wanted))

    def work(connection, now_ms):
        payout_id, more = payouts.create(connection, call.tenant, wanted.wanted(), now_ms, call.house.entropy)
        found = _whole(*payouts.get(connection, call.tenant, payout_id))
        return found | {"preview": False, "more_to_pay": more}

    return call.write(work, status=201)


def _previewed(call: Call, connection, wanted: NewPayout) -> dict[str, Any]:
    payout, items, more = payouts.preview(connection, call.tenant, wanted.wanted(), call.now_ms(connection))
    return _whole(payout, items) | {"preview": True, "more_to_pay": more}


@routes.get("/payouts", response_model=Payouts, tags=["Payouts"])
def list_payouts(call: Caller, query: Annotated[PayoutsQuery, Query()]) -> Response:
    """Payouts of the key's mode, newest first."""

    def work(connection):
        found = payouts.list_payouts(connection, call.tenant, query.filters(), query.limit, query.cursor)
        return render.page(*found, _payout, call.tenant.mode)

    return call.read(work)


@routes.get("/payouts/{payout_id}", response_model=WholePayout, tags=["Payouts"])
def get_payout(call: Caller, payout_id: str) -> Response:
    """One payout with all its items."""
    return call.read(lambda connection: _whole(*payouts.get(connection, call.tenant, payout_id)))


@routes.get(
    "/payouts/{payout_id}/csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    tags=["Payouts"],
)
def download_payout(call: Caller, payout_id: str, query: Annotated[FileQuery, Query()]) -> Response:
    """A file for your bookkeeping (`generic`: all items), or to upload at PayPal or Wise (what is still pending)."""

    def work(connection):
        text = payouts.file_of(connection, call.tenant, payout_id, query.layout)
        name = f"{payout_id}-{query.layout}.csv"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=headers)

    return call.read(work)


def _step(call: Call, payout_id: str, affiliate_id: str | None, step: str, wanted: inputs.Body | None):
    told = wanted.model_dump(exclude_none=True) if wanted else {}

    def work(connection, now_ms):
        payouts.take_step(
            connection, call.tenant, payout_id, affiliate_id, step, told, now_ms, call.house.entropy
        )
        return _whole(*payouts.get(connection, call.tenant, payout_id))

    return call.write(work)


@routes.post("/payouts/{payout_id}/items/{affiliate_id}/paid", response_model=WholePayout, tags=["Payouts"])
def pay_item(call: Caller, payout_id: str, affiliate_id: str, wanted: Paid | None = None) -> Response:
    """Marks what this affiliate gets as paid."""
    return _step(call, payout_id, affiliate_id, "paid", wanted)


@routes.post("/payouts/{payout_id}/items/{affiliate_id}/failed", response_model=WholePayout, tags=["Payouts"])
def fail_item(call: Caller, payout_id: str, affiliate_id: str, wanted: Failed) -> Response:
    """Marks the payment as failed: the amount is payable again, and the next payout takes it along."""
    return _step(call, payout_id, affiliate_id, "failed", wanted)


@routes.post("/payouts/{payout_id}/paid", response_model=WholePayout, tags=["Payouts"])
def pay_all(call: Caller, payout_id: str, wanted: Paid | None = None) -> Response:
    """Marks everything that is still pending as paid."""
    return _step(call, payout_id, None, "paid", wanted)


@routes.post("/payouts/{payout_id}/cancel", response_model=WholePayout, tags=["Payouts"])
def cancel_payout(call: Caller, payout_id: str, wanted: Cancelled | None = None) -> Response:
    """Gives back everything that is still pending: it is payable again."""
    return _step(call, payout_id, None, "cancelled", wanted)
