"""Programs, and the slugs that lead to them."""

from typing import Any

from sqlalchemy import delete, select, update

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import affiliates, conversions, programs, slug_routes, standings


def add_program(connection: Connection, row: rows.Row) -> None:
    """With the route from its slug."""
    rows.add(connection, programs, row)
    _route(connection, row["merchant_id"], row["id"], row["slug"])


def program(connection: Connection, merchant_id: str, program_id: str) -> rows.Row | None:
    return rows.get(connection, programs, merchant_id, program_id)


def change_program(connection: Connection, row: rows.Row, values: dict[str, Any]) -> None:
    """Moves the route along where the slug changes."""
    rows.change_setup(connection, programs, row["merchant_id"], row["id"], values)
    if "slug" in values:
        connection.execute(delete(slug_routes).where(slug_routes.c.slug == row["slug"]))
        _route(connection, row["merchant_id"], row["id"], values["slug"])


def list_programs(
    connection: Connection, merchant_id: str, status: str | None, limit: int, before_id: str | None
):
    conditions = [programs.c.status == status] if status else []
    return rows.page(connection, programs, merchant_id, conditions, limit, before_id)


def program_ids(connection: Connection, merchant_id: str) -> list[str]:
    found = connection.execute(select(programs.c.id).where(programs.c.merchant_id == merchant_id))
    return list(found.scalars())


def slug_is_taken(connection: Connection, slug: str) -> bool:
    """By any merchant: slugs are unique in the installation."""
    return (
        connection.execute(select(slug_routes.c.slug).where(slug_routes.c.slug == slug)).first() is not None
    )


def has_conversions(connection: Connection, merchant_id: str, program_id: str) -> bool:
    found = connection.execute(
        select(conversions.c.id)
        .where(conversions.c.merchant_id == merchant_id, conversions.c.program_id == program_id)
        .limit(1)
    )
    return found.first() is not None


def own_terms(connection: Connection, merchant_id: str, program_id: str) -> list[tuple[str, str]]:
    """(affiliate id, stored terms) of the program's affiliates that have terms of their own."""
    found = connection.execute(
        select(affiliates.c.id, affiliates.c.commission).where(
            affiliates.c.merchant_id == merchant_id,
            affiliates.c.program_id == program_id,
            affiliates.c.commission.is_not(None),
        )
    )
    return [(row.id, row.commission) for row in found]


def set_currency_of_standings(
    connection: Connection, merchant_id: str, program_id: str, currency: str
) -> None:
    """Only while nothing was ever posted to them: to be asked afterwards, in the same transaction."""
    connection.execute(
        update(standings)
        .where(standings.c.merchant_id == merchant_id, standings.c.program_id == program_id)
        .values(currency=currency)
    )


def _route(connection: Connection, merchant_id: str, program_id: str, slug: str) -> None:
    rows.add(connection, slug_routes, {"slug": slug, "merchant_id": merchant_id, "program_id": program_id})
