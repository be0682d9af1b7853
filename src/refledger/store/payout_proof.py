"""Every payout of a merchant with its items, for whoever proves them."""

from typing import Any

from sqlalchemy import Table, bindparam, select

from refledger.store.engine import Connection
from refledger.store.schema import payout_items, payouts
from refledger.store.statements import Query


def _all(table: Table) -> Query:
    return Query(select(table).where(table.c.merchant_id == bindparam("merchant_id")))


_PAYOUTS, _ITEMS = _all(payouts), _all(payout_items)


def payouts_of(connection: Connection, merchant_id: str) -> list[dict[str, Any]]:
    names = payouts.columns.keys()
    return [dict(zip(names, row, strict=True)) for row in _PAYOUTS.rows(connection, merchant_id=merchant_id)]


def items_of(connection: Connection, merchant_id: str) -> list[dict[str, Any]]:
    names = payout_items.columns.keys()
    return [dict(zip(names, row, strict=True)) for row in _ITEMS.rows(connection, merchant_id=merchant_id)]
