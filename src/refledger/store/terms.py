"""Versions of terms: every one is kept, for conversions name those they were decided under."""

from sqlalchemy import func, select
from sqlalchemy.sql.expression import ColumnElement

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import terms


def add_version(connection: Connection, row: rows.Row) -> None:
    rows.add(connection, terms, row)


def version_of(connection: Connection, merchant_id: str, terms_id: str) -> rows.Row | None:
    return rows.get(connection, terms, merchant_id, terms_id)


def latest_version(
    connection: Connection, merchant_id: str, program_id: str, affiliate_id: str | None
) -> int:
    """Of the program's or the affiliate's own; 0 where there were none."""
    found = connection.execute(
        select(func.coalesce(func.max(terms.c.version), 0)).where(
            terms.c.merchant_id == merchant_id, *_of(program_id, affiliate_id)
        )
    )
    return int(found.scalar_one())


def versions(
    connection: Connection,
    merchant_id: str,
    program_id: str,
    affiliate_id: str | None,
    limit: int,
    before_id: str | None,
) -> tuple[list[rows.Row], bool]:
    """A page of the program's or the affiliate's own, newest first."""
    return rows.page(connection, terms, merchant_id, _of(program_id, affiliate_id), limit, before_id)


def _of(program_id: str, affiliate_id: str | None) -> list[ColumnElement[bool]]:
    whose = terms.c.affiliate_id
    return [
        terms.c.program_id == program_id,
        whose.is_(None) if affiliate_id is None else whose == affiliate_id,
    ]
