"""Answers that are kept, so that a repeated call gets the first one's."""

from sqlalchemy import delete, select

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import idempotency


def reply(connection: Connection, merchant_id: str, key: str, since_ms: int) -> rows.Row | None:
    """What was answered to the first call under the key; None where it is unknown or older than `since_ms`."""
    found = connection.execute(
        select(idempotency).where(
            idempotency.c.merchant_id == merchant_id, idempotency.c.key == key, idempotency.c.at_ms > since_ms
        )
    )
    row = found.mappings().first()
    return row and dict(row)


def keep_reply(connection: Connection, row: rows.Row) -> None:
    """In place of one that is too old to count."""
    connection.execute(
        delete(idempotency).where(
            idempotency.c.merchant_id == row["merchant_id"], idempotency.c.key == row["key"]
        )
    )
    rows.add(connection, idempotency, row)
