"""The entries of one affiliate. Found by the time in the ids of their causes, which lead the key: an index by affiliate
would cost every conversion another write.
"""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, cast, func, or_, select
from sqlalchemy.sql.expression import ColumnElement

from refledger.store.engine import Connection
from refledger.store.schema import entries

Row = dict[str, Any]


class Place(NamedTuple):
    """Whose entries."""

    merchant_id: str
    affiliate_id: str
    mode: str


def between(connection: Connection, place: Place, from_id: str, before_id: str) -> list[Row]:
    """Oldest first, of causes from `from_id` on and before `before_id`."""
    found = connection.execute(
        select(entries)
        .where(*_of(place), entries.c.cause >= from_id, entries.c.cause < before_id)
        .order_by(entries.c.cause, entries.c.line)
    )
    return [dict(row) for row in found.mappings()]


def moved_since(connection: Connection, place: Place, from_id: str) -> list[Row]:
    """One row for each way that amounts went from `from_id` on: debit, credit, amount_minor."""
    found = connection.execute(
        select(
            entries.c.debit,
            entries.c.credit,
            cast(func.sum(entries.c.amount_minor), BigInteger).label("amount_minor"),
        )
        .where(*_of(place), entries.c.cause >= from_id)
        .group_by(entries.c.debit, entries.c.credit)
    )
    return [dict(row) for row in found.mappings()]


def newest(
    connection: Connection,
    place: Place,
    conditions: tuple[str | None, str | None],
    limit: int,
    before: str | None,
) -> tuple[list[Row], bool]:
    """Newest first, and whether there are more. `conditions`: ids of causes, from and before; `before`: an entry, as
    `cause.line`.
    """
    from_id, before_id = conditions
    wanted = _of(place)
    if from_id:
        wanted.append(entries.c.cause >= from_id)
    if before_id:
        wanted.append(entries.c.cause < before_id)
    if before:
        cause, _, line = before.partition(".")
        wanted += [entries.c.cause <= cause, or_(entries.c.cause < cause, entries.c.line < int(line or 0))]
    found = connection.execute(
        select(entries)
        .where(*wanted)
        .order_by(entries.c.cause.desc(), entries.c.line.desc())
        .limit(limit + 1)
    )
    rows = [dict(row) for row in found.mappings()]
    return rows[:limit], len(rows) > limit


def _of(place: Place) -> list[ColumnElement[bool]]:
    return [
        entries.c.merchant_id == place.merchant_id,
        entries.c.affiliate_id == place.affiliate_id,
        entries.c.mode == place.mode,
    ]
