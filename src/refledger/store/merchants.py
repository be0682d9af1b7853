"""Merchants and their keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update

from refledger.store.engine import Connection
from refledger.store.schema import api_key_routes, api_keys, merchants
from refledger.store.statements import Insert

_insert_merchant = Insert(merchants)
_insert_keys = Insert(api_keys)
_insert_routes = Insert(api_key_routes)

Row = Mapping[str, Any]


def add_merchant(connection: Connection, row: Row) -> None:
    _insert_merchant.run(connection, [row])


def add_keys(connection: Connection, rows: Sequence[Row]) -> None:
    """Rows of `api_keys`; from here on each key leads to its merchant."""
    _insert_keys.run(connection, rows)
    routes = [
        {name: row[name] for name in ("key_hash", "merchant_id")} | {"key_id": row["id"]} for row in rows
    ]
    _insert_routes.run(connection, routes)


def all_merchants(connection: Connection) -> list[Row]:
    """Oldest first."""
    found = connection.execute(select(merchants).order_by(merchants.c.created_ms, merchants.c.merchant_id))
    return [dict(row) for row in found.mappings()]


def merchant(connection: Connection, merchant_id: str) -> Row | None:
    found = connection.execute(select(merchants).where(merchants.c.merchant_id == merchant_id))
    row = found.mappings().first()
    return row and dict(row)


def keys_of(connection: Connection, merchant_id: str) -> list[Row]:
    """Oldest first, revoked ones too."""
    found = connection.execute(
        select(api_keys).where(api_keys.c.merchant_id == merchant_id).order_by(api_keys.c.id)
    )
    return [dict(row) for row in found.mappings()]


def find_keys(connection: Connection, key_id: str) -> list[Row]:
    """The key of that id, wherever it is; the command line names a key by its id alone."""
    return [
        dict(row) for row in connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings()
    ]


def revoke_key(connection: Connection, merchant_id: str, key_id: str, now_ms: int) -> bool:
    """Answers whether there was such a key, in force until now."""
    changed = connection.execute(
        update(api_keys)
        .where(
            api_keys.c.merchant_id == merchant_id, api_keys.c.id == key_id, api_keys.c.revoked_ms.is_(None)
        )
        .values(revoked_ms=now_ms)
    )
    connection.execute(
        delete(api_key_routes).where(
            api_key_routes.c.merchant_id == merchant_id, api_key_routes.c.key_id == key_id
        )
    )
    return changed.rowcount == 1
