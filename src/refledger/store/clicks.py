"""Clicks: what leads to them, written in groups, and listed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, bindparam, insert, select

from refledger.store.engine import Connection, see
from refledger.store.schema import (
    affiliates,
    api_key_routes,
    api_keys,
    automated_clicks,
    clicks,
    merchants,
    programs,
    slug_routes,
)
from refledger.store.statements import Query, item, number_item, rows_of

# ── what leads to a click ──────────────────────────────────────────────────────────────────────────────────

_KEY_ROUTE = Query(
    select(api_key_routes.c.merchant_id, api_key_routes.c.key_id).where(
        api_key_routes.c.key_hash == bindparam("key_hash")
    )
)
_KEY = Query(
    select(api_keys.c.merchant_id, api_keys.c.id, api_keys.c.kind, api_keys.c.mode).where(
        api_keys.c.merchant_id == bindparam("merchant_id"),
        api_keys.c.id == bindparam("key_id"),
        api_keys.c.revoked_ms.is_(None),
    )
)
_SLUG_ROUTE = Query(
    select(slug_routes.c.merchant_id, slug_routes.c.program_id).where(slug_routes.c.slug == bindparam("slug"))
)

_PROGRAM = (
    programs.c.merchant_id,
    programs.c.id,
    programs.c.site_url,
    programs.c.allowed_hosts,
    programs.c.allowed_origins,
    programs.c.window_days,
    programs.c.status,
    merchants.c.fingerprint_key,
)
_PROGRAM_BY_ID = Query(
    select(*_PROGRAM).where(
        programs.c.merchant_id == bindparam("merchant_id"),
        programs.c.id == bindparam("program_id"),
        merchants.c.merchant_id == bindparam("merchant_id"),
    )
)
_AFFILIATE = Query(
    select(affiliates.c.id, affiliates.c.ref_code, affiliates.c.status).where(
        affiliates.c.merchant_id == bindparam("merchant_id"), affiliates.c.code_key == bindparam("code_key")
    )
)


def find_key(connection: Connection, key_hash: str) -> tuple | None:
    """Merchant, id, kind and mode of a key in force."""
    for merchant_id, key_id in _KEY_ROUTE.rows(connection, key_hash=key_hash):
        see(connection, [merchant_id])
        return next(iter(_KEY.rows(connection, merchant_id=merchant_id, key_id=key_id)), None)
    return None


def find_program(connection: Connection, merchant_id: str, program_id: str) -> tuple | None:
    """Merchant, id, site, allowed hosts, allowed origins, window in days, status, fingerprint key."""
    return next(iter(_PROGRAM_BY_ID.rows(connection, merchant_id=merchant_id, program_id=program_id)), None)


def find_program_by_slug(connection: Connection, slug: str) -> tuple | None:
    """As `find_program`."""
    for merchant_id, program_id in _SLUG_ROUTE.rows(connection, slug=slug):
        see(connection, [merchant_id])
        return find_program(connection, merchant_id, program_id)
    return None


def find_affiliate(connection: Connection, merchant_id: str, code_key: str) -> tuple | None:
    """Id, code and status."""
    return next(iter(_AFFILIATE.rows(connection, merchant_id=merchant_id, code_key=code_key)), None)


# ── clicks ─────────────────────────────────────────────────────────────────────────────────────────────────


def _insert_all(table: Table) -> Query:
    # One statement that is stepped once: while it runs the interpreter is free, whereas a statement per row
    # would have to win the interpreter back from the event loop after every row.
    rows = rows_of("rows")
    picked = [
        (number_item if column.name == "at_ms" else item)(rows, n).label(column.name)
        for n, column in enumerate(table.columns)
    ]
    # A set of rows may be padded with rows of NULLs.
    chosen = select(*picked).where(item(rows, 0).is_not(None))
    return Query(insert(table).from_select([column.name for column in table.columns], chosen))


_INSERT, _INSERT_AUTOMATED = _insert_all(clicks), _insert_all(automated_clicks)

COLUMNS = tuple(column.name for column in clicks.columns)


def store(connection: Connection, rows: list[Sequence[Any]]) -> None:
    """Values in the order of `COLUMNS`."""
    if rows:
        _INSERT.run(connection, rows=rows)


def store_automated(connection: Connection, rows: list[Sequence[Any]]) -> None:
    """Values in the order of `COLUMNS`, then why no person is thought to be behind it."""
    if rows:
        _INSERT_AUTOMATED.run(connection, rows=rows)
