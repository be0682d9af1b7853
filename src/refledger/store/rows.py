"""Single rows and pages of one merchant's table: what every listing and every small change is made of."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, Table, insert, select, update
from sqlalchemy.sql.expression import ColumnElement

from refledger.store.engine import Connection
from refledger.store.schema import merchants

Row = dict[str, Any]


def add(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    connection.execute(insert(table).values(**row))


def get(connection: Connection, table: Table, merchant_id: str, row_id: str) -> Row | None:
    """The merchant's row of that id; another merchant's is no row at all."""
    found = connection.execute(select(table).where(table.c.merchant_id == merchant_id, table.c.id == row_id))
    row = found.mappings().first()
    return row and dict(row)


def change(
    connection: Connection, table: Table, merchant_id: str, row_id: str, values: Mapping[str, Any]
) -> None:
    if values:
        connection.execute(
            update(table).where(table.c.merchant_id == merchant_id, table.c.id == row_id).values(**values)
        )


def change_setup(
    connection: Connection, table: Table, merchant_id: str, row_id: str, values: Mapping[str, Any]
) -> None:
    """Of what conversions are decided by, and what is kept at hand for it: the next group sees the change."""
    change(connection, table, merchant_id, row_id, values)
    new_version(connection, merchant_id, merchants.c.setup_version)


def new_version(connection: Connection, merchant_id: str, *versions: Column) -> None:
    """Raises versions of the merchant's row by one."""
    connection.execute(
        update(merchants)
        .where(merchants.c.merchant_id == merchant_id)
        .values({version: version + 1 for version in versions})
    )


def page(
    connection: Connection,
    table: Table,
    merchant_id: str,
    conditions: Iterable[ColumnElement[bool]],
    limit: int,
    before_id: str | None,
) -> tuple[list[Row], bool]:
    """The newest rows that meet the conditions, older than `before_id`; and whether there are more."""
    wanted = [table.c.merchant_id == merchant_id, *conditions]
    if before_id is not None:
        wanted.append(table.c.id < before_id)
    found = connection.execute(select(table).where(*wanted).order_by(table.c.id.desc()).limit(limit + 1))
    rows = [dict(row) for row in found.mappings()]
    return rows[:limit], len(rows) > limit
