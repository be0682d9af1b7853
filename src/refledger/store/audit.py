"""Who changed what: written with each change, never altered."""

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import audit


def add_audit(connection: Connection, row: rows.Row) -> None:
    rows.add(connection, audit, row)
