"""Every row of every table, as it stands at one moment."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from refledger.store.engine import Connection
from refledger.store.schema import metadata

# A key's hash and the key of fingerprints are of use to this installation only, and to somebody attacking it.
LEFT_OUT = {
    "api_keys": {"key_hash"},
    "api_key_routes": {"key_hash"},
    "merchants": {"fingerprint_key"},
}


def table_names() -> list[str]:
    return list(metadata.tables)


def rows(connection: Connection, table_name: str) -> Iterator[dict[str, Any]]:
    """Read as they are asked for, so that a table need not fit into memory."""
    table = metadata.tables[table_name]
    columns = [column for column in table.columns if column.name not in LEFT_OUT.get(table_name, ())]
    names = [str(column.name) for column in columns]
    flags = [str(column.name) for column in columns if column.type.python_type is bool]
    found = connection.execution_options(stream_results=True, yield_per=1000).execute(select(*columns))
    for row in found:
        named = dict(zip(names, row, strict=True))
        # SQLite knows numbers only; an export is the same from either engine.
        yield named | {name: bool(named[name]) for name in flags}
