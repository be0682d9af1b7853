"""Coupons: codes of a shop that belong to an affiliate."""

from typing import Any

from sqlalchemy import select

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import coupons


def add_coupon(connection: Connection, row: rows.Row) -> None:
    rows.add(connection, coupons, row)


def coupon(connection: Connection, merchant_id: str, coupon_id: str) -> rows.Row | None:
    return rows.get(connection, coupons, merchant_id, coupon_id)


def change_coupon(connection: Connection, row: rows.Row, values: dict[str, Any]) -> None:
    rows.change_setup(connection, coupons, row["merchant_id"], row["id"], values)


def list_coupons(
    connection: Connection,
    merchant_id: str,
    program_id: str,
    affiliate_id: str | None,
    limit: int,
    before_id: str | None,
):
    conditions = [coupons.c.program_id == program_id]
    if affiliate_id:
        conditions.append(coupons.c.affiliate_id == affiliate_id)
    return rows.page(connection, coupons, merchant_id, conditions, limit, before_id)


def holder_of_code(connection: Connection, merchant_id: str, code_key: str) -> str | None:
    """The coupon that has this code."""
    return connection.execute(
        select(coupons.c.id).where(coupons.c.merchant_id == merchant_id, coupons.c.code_key == code_key)
    ).scalar()
