"""Rows of the demo program, added together or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from refledger.store.engine import Connection, Insert
from refledger.store.schema import affiliates, coupons, programs, slug_routes, standings

_insert = {table.name: Insert(table) for table in (programs, slug_routes, affiliates, coupons, standings)}

Rows = Sequence[Mapping[str, Any]]


def standing_demo(connection: Connection, merchant_id: str) -> tuple[str, str] | None:
    """Id and slug of the merchant's first program."""
    first = (
        select(programs.c.id, programs.c.slug)
        .where(programs.c.merchant_id == merchant_id)
        .order_by(programs.c.id)
        .limit(1)
    )
    found = connection.execute(first).first()
    return found and tuple(found)


def slug_is_taken(connection: Connection, slug: str) -> bool:
    return (
        connection.execute(select(slug_routes.c.slug).where(slug_routes.c.slug == slug)).first() is not None
    )


def add_demo(
    connection: Connection, program: Mapping[str, Any], who: Rows, codes: Rows, accounts: Rows
) -> None:
    _insert["programs"].run(connection, [program])
    route = {"slug": program["slug"], "merchant_id": program["merchant_id"], "program_id": program["id"]}
    _insert["slug_routes"].run(connection, [route])
    _insert["affiliates"].run(connection, who)
    _insert["coupons"].run(connection, codes)
    _insert["standings"].run(connection, accounts)
