"""Affiliates, with the standings that their money and their limits are counted in."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import ACCOUNTS, affiliates, standings

_AT_ONCE = 1000  # names: engines bound the values of a statement


def add_affiliate(connection: Connection, row: rows.Row, currency: str) -> None:
    """With a standing of zeros for each mode."""
    rows.add(connection, affiliates, row)
    for mode in ("live", "test"):
        standing = {
            "merchant_id": row["merchant_id"],
            "affiliate_id": row["id"],
            "mode": mode,
            "program_id": row["program_id"],
            "currency": currency,
            "accepted_count": 0,
            "verified_count": 0,
            "last_accepted_ms": 0,
        }
        rows.add(connection, standings, standing | {f"{account}_minor": 0 for account in ACCOUNTS})


def affiliate(connection: Connection, merchant_id: str, affiliate_id: str) -> rows.Row | None:
    return rows.get(connection, affiliates, merchant_id, affiliate_id)


def change_affiliate(connection: Connection, row: rows.Row, values: dict[str, Any]) -> None:
    rows.change_setup(connection, affiliates, row["merchant_id"], row["id"], values)


def list_affiliates(
    connection: Connection,
    merchant_id: str,
    program_id: str,
    status: str | None,
    limit: int,
    before_id: str | None,
):
    conditions = [affiliates.c.program_id == program_id]
    if status:
        conditions.append(affiliates.c.status == status)
    return rows.page(connection, affiliates, merchant_id, conditions, limit, before_id)


def names(
    connection: Connection, merchant_id: str, affiliate_ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Name and referral code, by id."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(affiliate_ids), _AT_ONCE):
        wanted = affiliates.c.id.in_(affiliate_ids[start : start + _AT_ONCE])
        statement = select(affiliates.c.id, affiliates.c.name, affiliates.c.ref_code).where(
            affiliates.c.merchant_id == merchant_id, wanted
        )
        found |= {each: (name, ref_code) for each, name, ref_code in connection.execute(statement)}
    return found


def holder_of_code(connection: Connection, merchant_id: str, code_key: str) -> str | None:
    """The affiliate that has this referral code."""
    return connection.execute(
        select(affiliates.c.id).where(
            affiliates.c.merchant_id == merchant_id, affiliates.c.code_key == code_key
        )
    ).scalar()
