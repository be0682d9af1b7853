"""Statements of the merchant's own decisions: one conversion or attempt at a time."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from refledger.core.duplicates import Past
from refledger.store import history
from refledger.store.engine import Connection
from refledger.store.schema import attempts, conversions, sightings
from refledger.store.statements import Query, item, rows_of

_keys = rows_of("keys")
_CHANGED = (
    "decision",
    "status",
    "decision_reason",
    "identity",
    "order_key",
    "revenue_minor",
    "commission_minor",
    "refunded",
    "refunded_minor",
    "dispute",
    "matures_ms",
    "approves_ms",
    "updated_ms",
)
_CHANGE = Query(
    update(conversions)
    .where(conversions.c.merchant_id == bindparam("of_merchant"), conversions.c.id == bindparam("of_id"))
    .values({name: bindparam(name, type_=conversions.c[name].type) for name in _CHANGED})
)
_ATTEMPT = Query(
    select(attempts).where(
        attempts.c.merchant_id == bindparam("merchant_id"), attempts.c.id == bindparam("attempt_id")
    )
)
_ACCEPTED = Query(
    update(attempts)
    .where(attempts.c.merchant_id == bindparam("of_merchant"), attempts.c.id == bindparam("of_id"))
    .values(conversion_id=bindparam("conversion_id"), updated_ms=bindparam("updated_ms"))
)
_FORGET = Query(
    delete(sightings).where(
        sightings.c.merchant_id == bindparam("merchant_id"),
        sightings.c.key.in_(select(item(_keys, 0)).select_from(_keys)),
        sightings.c.customer_key == bindparam("customer_key"),
    )
)


def change_conversions(connection: Connection, conversions: Iterable[dict[str, Any]]) -> None:
    """Writes what a decision, a refund, a dispute or an adjustment changes of conversions' rows."""
    for conversion in conversions:
        _CHANGE.run(
            connection,
            of_merchant=conversion["merchant_id"],
            of_id=conversion["id"],
            **{name: conversion[name] for name in _CHANGED},
        )


def attempt(connection: Connection, merchant_id: str, attempt_id: str) -> dict[str, Any] | None:
    """The attempt's whole row."""
    rows = _ATTEMPT.rows(connection, merchant_id=merchant_id, attempt_id=attempt_id)
    return dict(zip((column.name for column in attempts.columns), rows[0], strict=True)) if rows else None


def mark_accepted(
    connection: Connection, merchant_id: str, attempt_id: str, conversion_id: str, now_ms: int
) -> None:
    """The attempt has become that conversion."""
    _ACCEPTED.run(
        connection,
        of_merchant=merchant_id,
        of_id=attempt_id,
        conversion_id=conversion_id,
        updated_ms=now_ms,
    )


def forget_sightings(
    connection: Connection, merchant_id: str, keys: Iterable[str], customer_key: str
) -> None:
    """Takes back what one conversion left under these keys."""
    rows = [(key,) for key in keys]
    _FORGET.run(connection, merchant_id=merchant_id, keys=rows, customer_key=customer_key)


def customer_and_order(
    connection: Connection, merchant_id: str, email_key: str, order_key: str | None
) -> tuple[tuple[Past, ...], Past | None]:
    """The conversions of the very same e-mail address, the oldest first, and the one that has the order id."""
    own = history.of_customers(connection, [(merchant_id, email_key)]).get((merchant_id, email_key), [])
    orders = history.of_orders(connection, [(merchant_id, order_key)]) if order_key else {}
    return tuple(own), orders.get((merchant_id, order_key))
