"""Refunds, disputes and adjustments: what happens to a sale afterwards, by the merchant's own ids."""

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from refledger.core import reversals as rules
from refledger.core.times import to_text as time_text
from refledger.services import adjustment, reports, reversals
from refledger.web.api import fields, inputs, outputs, render
from refledger.web.api.door import Call, Caller, router

routes = router()

# Wide enough for the ids of payment providers; without what would end a path.
_GIVEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@=+-]{0,199}\Z")
_GIVEN_ID_SCHEMA = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._~:@=+-]{0,199}$"}
_CURSOR = re.compile(r"([0-9]{1,15}) (.{1,200})\Z")


def _given_id(value: str) -> str:
    if not _GIVEN_ID.match(value):
        raise ValueError("must be 1 to 200 letters, digits and . _ ~ : @ = + -, a letter or digit first")
    return value


GivenId = Annotated[
    str,
    BeforeValidator(fields.text(200)),
    AfterValidator(_given_id),
    WithJsonSchema(_GIVEN_ID_SCHEMA | {"examples": ["re_3MmlLrLkdIwHu7ix0snN0B15"]}),
]


def _cursor(value: Any) -> tuple[int, str]:
    try:
        text = base64.b64decode(str(value).encode("ascii") + b"=" * (-len(value) % 4), b"-_", validate=True)
        at_ms, row_id = _CURSOR.match(text.decode("ascii")).groups()
    except (ValueError, AttributeError, binascii.Error):
        raise ValueError("is no cursor; use `next_cursor` of the page before") from None
    return int(at_ms), row_id


def _write_cursor(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{row['at_ms']} {row['id']}".encode()).decode().rstrip("=")


# ── what comes in and goes out ───────────────────────────────────────────────────────────────────────────────────


class Sale(inputs.Body):
    """Which sale it is about: by the conversion's id, or by the order's."""

    conversion_id: fields.Text200 | None = None
    order_id: fields.Text200 | None = None
    program_id: fields.Text200 | None = Field(None, description="Where several programs have the order.")
    reason: fields.Note | None = Field(None, description="For yourself.")

    def named(self) -> reversals.Sale:
        return reversals.Sale(self.conversion_id, self.order_id, self.program_id)


class NewRefund(Sale):
    refund_id: GivenId = Field(description="Yours, or the payment provider's.")
    amount: fields.Decimal | None = Field(None, description="Left out: everything that is left.")


class NewDispute(Sale):
    dispute_id: GivenId = Field(description="Yours, or the payment provider's.")


class Adjustment(inputs.Body):
    revenue_amount: fields.Decimal = Field(description="What the customer paid in all.")
    reason: fields.Note | None = Field(None, description="For yourself.")


class ReversalsQuery(inputs.Body):
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: (
        Annotated[Any, BeforeValidator(_cursor), WithJsonSchema({"type": "string", "maxLength": 400})] | None
    ) = Field(None, description="`next_cursor` of the page before.")
    conversion_id: fields.Text200 | None = None


class Refund(outputs.Object):
    object: Literal["refund"]
    conversion_id: str
    amount: outputs.Money = Field(description="Of a whole refund: what the others leave.")
    whole: bool = Field(description="Everything that was left.")
    reason: str | None


class Dispute(outputs.Object):
    object: Literal["dispute"]
    updated_at: str
    conversion_id: str
    status: Literal["open", "won", "lost"]
    reason: str | None


class Refunds(outputs.Page):
    data: list[Refund]


class Disputes(outputs.Page):
    data: list[Dispute]


def _refund(row: dict[str, Any], currency: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "refund",
        "created_at": time_text(row["at_ms"]),
        "mode": row["mode"],
        "conversion_id": row["conversion_id"],
        "amount": render.money(row["amount_minor"], currency),
        "whole": bool(row["is_whole"]),
        "reason": row["reason"],
    }


def _dispute(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "dispute",
        "created_at": time_text(row["at_ms"]),
        "updated_at": time_text(row["updated_ms"]),
        "mode": row["mode"],
        "conversion_id": row["conversion_id"],
        "status": row["status"],
        "reason": row["reason"],
    }


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────


@routes.post("/refunds", response_model=Refund, status_code=201, tags=["Refunds and disputes"])
def create_refund(call: Caller, wanted: NewRefund) -> Response:
    """Records what a customer got back. The same `refund_id` again, with the same facts, is answered the same."""

    def work(connection, now_ms):
        entropy, told = call.house.entropy, (wanted.amount, wanted.reason)
        sale = wanted.named()
        row = reversals.refund(connection, call.tenant, sale, wanted.refund_id, *told, now_ms, entropy)
        currency = reports.get_conversion(connection, call.tenant, row["conversion_id"])["currency"]
        return _refund(row, currency)

    return call.write(work, 201)


@routes.get("/refunds", response_model=Refunds, tags=["Refunds and disputes"])
def list_refunds(call: Caller, query: Annotated[ReversalsQuery, Query()]) -> Response:
    """Refunds of the key's mode, newest first; of one conversion, where it is named."""

    def work(connection):
        found, more = reports.list_reversals(
            connection, call.tenant, "refunds", query.conversion_id, query.limit, query.cursor
        )
        return _page(found, more, [_refund(row, row["currency"]) for row in found])

    return call.read(work)


def _page(found: list[dict[str, Any]], more: bool, shown: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": shown, "has_more": more, "next_cursor": _write_cursor(found[-1]) if more else None}


# ── disputes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _tell(call: Call, sale: Sale, dispute_id: str, told: str, status: int) -> Response:
    def work(connection, now_ms):
        named, entropy = sale.named(), call.house.entropy
        return _dispute(
            reversals.dispute(connection, call.tenant, named, dispute_id, told, sale.reason, now_ms, entropy)
        )

    return call.write(work, status)


@routes.post("/disputes", response_model=Dispute, status_code=201, tags=["Refunds and disputes"])
def create_dispute(call: Caller, wanted: NewDispute) -> Response:
    """Records that a payment is disputed: what is due waits in reserve. One that is closed is not opened again."""
    return _tell(call, wanted, wanted.dispute_id, rules.OPEN, 201)


@routes.get("/disputes", response_model=Disputes, tags=["Refunds and disputes"])
def list_disputes(call: Caller, query: Annotated[ReversalsQuery, Query()]) -> Response:
    """Disputes of the key's mode, newest first; of one conversion, where it is named."""

    def work(connection):
        found, more = reports.list_reversals(
            connection, call.tenant, "disputes", query.conversion_id, query.limit, query.cursor
        )
        return _page(found, more, [_dispute(row) for row in found])

    return call.read(work)


DisputePath = Annotated[GivenId, Path(description="`dispute_id` as it was given.")]


@routes.post("/disputes/{dispute}/won", response_model=Dispute, tags=["Refunds and disputes"])
def win_dispute(call: Caller, dispute: DisputePath, wanted: Sale | None = None) -> Response:
    """Closes it: what is due goes back. Unknown yet: with the sale in the body it is opened and closed."""
    return _tell(call, wanted or Sale(), dispute, rules.WON, 200)


@routes.post("/disputes/{dispute}/lost", response_model=Dispute, tags=["Refunds and disputes"])
def lose_dispute(call: Caller, dispute: DisputePath, wanted: Sale | None = None) -> Response:
    """Closes it: nothing is due any more. Unknown yet: with the sale in the body it is opened and closed."""
    return _tell(call, wanted or Sale(), dispute, rules.LOST, 200)


# ── adjustments ──────────────────────────────────────────────────────────────────────────────────────────────────


@routes.post(
    "/conversions/{conversion_id}/adjust", response_model=outputs.Conversion, tags=["Refunds and disputes"]
)
def adjust_conversion(call: Caller, conversion_id: str, wanted: Adjustment) -> Response:
    """Records that the order was edited: another amount, by the terms of the time it came."""

    def work(connection, now_ms):
        told, entropy = (wanted.revenue_amount, wanted.reason), call.house.entropy
        adjustment.adjust(connection, call.tenant, conversion_id, *told, now_ms, entropy)
        return render.conversion(reports.get_conversion(connection, call.tenant, conversion_id), "")

    return call.write(work)
