"""Everything that is stored, as NDJSON: one line per row, `{"table": …, "row": {…}}`."""

from collections.abc import Callable
from typing import BinaryIO

import orjson

from refledger.store import dump
from refledger.store.engine import EVERYONE, Database


def export(database: Database, output: BinaryIO, tell: Callable[[str], None]) -> int:
    """Answers the number of rows; `tell` hears of each table as it is done."""
    total = 0
    with database.read(EVERYONE) as connection:
        for table in dump.table_names():
            written = 0
            for row in dump.rows(connection, table):
                output.write(orjson.dumps({"table": table, "row": row}, option=orjson.OPT_APPEND_NEWLINE))
                written += 1
            tell(f"{table}: {written}")
            total += written
    return total
