"""The merchant's allow and block lists."""

from sqlalchemy import delete, or_, select

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import list_entries, merchants

# The lists are compiled by their own version, which a program at hand carries.
_VERSIONS = (merchants.c.setup_version, merchants.c.lists_version)


def add_entry(connection: Connection, row: rows.Row) -> None:
    rows.add(connection, list_entries, row)
    rows.new_version(connection, row["merchant_id"], *_VERSIONS)


def entry(connection: Connection, merchant_id: str, entry_id: str) -> rows.Row | None:
    return rows.get(connection, list_entries, merchant_id, entry_id)


def equal_entry(connection: Connection, merchant_id: str, wanted: rows.Row, now_ms: int) -> str | None:
    """The id of one in force that is the same. `wanted`: column name → value."""
    return connection.execute(
        select(list_entries.c.id).where(
            list_entries.c.merchant_id == merchant_id,
            *(list_entries.c[name].is_not_distinct_from(value) for name, value in wanted.items()),
            or_(list_entries.c.expires_ms.is_(None), list_entries.c.expires_ms > now_ms),
        )
    ).scalar()


def remove_entry(connection: Connection, merchant_id: str, entry_id: str) -> None:
    connection.execute(
        delete(list_entries).where(list_entries.c.merchant_id == merchant_id, list_entries.c.id == entry_id)
    )
    rows.new_version(connection, merchant_id, *_VERSIONS)


def list_entries_of(
    connection: Connection, merchant_id: str, filters: dict[str, str], limit: int, before_id: str | None
):
    """`filters`: column name → value."""
    conditions = [list_entries.c[name] == value for name, value in filters.items()]
    return rows.page(connection, list_entries, merchant_id, conditions, limit, before_id)
