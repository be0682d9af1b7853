"""The merchant's allow and block lists."""

from sqlalchemy import delete, update

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import list_entries, merchants


def add_entry(connection: Connection, row: rows.Row) -> None:
    rows.add(connection, list_entries, row)
    _new_version(connection, row["merchant_id"])


def entry(connection: Connection, merchant_id: str, entry_id: str) -> rows.Row | None:
    return rows.get(connection, list_entries, merchant_id, entry_id)


def remove_entry(connection: Connection, merchant_id: str, entry_id: str) -> None:
    connection.execute(
        delete(list_entries).where(list_entries.c.merchant_id == merchant_id, list_entries.c.id == entry_id)
    )
    _new_version(connection, merchant_id)


def list_entries_of(
    connection: Connection, merchant_id: str, filters: dict[str, str], limit: int, before_id: str | None
):
    """`filters`: column name → value."""
    conditions = [list_entries.c[name] == value for name, value in filters.items()]
    return rows.page(connection, list_entries, merchant_id, conditions, limit, before_id)


def _new_version(connection: Connection, merchant_id: str) -> None:
    """Compiled lists are kept by version: this is what makes the next report see the change."""
    connection.execute(
        update(merchants)
        .where(merchants.c.merchant_id == merchant_id)
        .values(lists_version=merchants.c.lists_version + 1)
    )
