"""What a copy from one database to another reads and writes: whole tables, in the order of their primary keys.

While a copy is not finished the target's revision reads `copying-…`, so that nothing serves from it, and a table of
its own there (`copy_progress`) says how far each table came. Both go in the transaction that found everything equal.
"""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson
import psycopg
from sqlalchemy import Table, func, inspect, literal, select, text, tuple_
from sqlalchemy.exc import DBAPIError

from refledger.store import migrate
from refledger.store.engine import Connection, Database
from refledger.store.schema import metadata
from refledger.store.statements import Insert

CHUNK = 1000  # rows held at once: a row is some kilobytes at most
TABLES: tuple[Table, ...] = tuple(metadata.sorted_tables)
_LOCK_CLASS = 1_734_829_105  # of the advisory lock by which a database recognises itself
_DIGEST_BYTES = 32


class Busy(Exception):
    """Others use the database: what a copy reads must stand still."""


class Unfit(Exception):
    """The target does not take what the source holds; the message says where and why."""


def denial(error: Exception) -> str | None:
    """The server's words where the account may not do what a copy needs; none for any other error."""
    cause = getattr(error, "orig", error)
    return str(cause).splitlines()[0] if getattr(cause, "sqlstate", None) == "42501" else None


# ── keeping others out ───────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def held(database: Database) -> Iterator[Connection]:
    """One transaction during which nobody else writes to any table. Raises `Busy` where somebody is writing."""
    with database.write() as connection:
        if not database.is_sqlite:
            # Rows that a policy would hide must be an error, not a smaller copy.
            connection.exec_driver_sql("SET LOCAL row_security = off")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(database.wait_s * 1000)}")
            names = ", ".join(table.name for table in TABLES)
            try:
                connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE MODE")
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == "55P03":
                    raise Busy from error
                raise
        yield connection


def wait_for_the_others(database: Database) -> None:
    """Raises `Busy` while other sessions of this account are connected to this PostgreSQL database.

    Their processes may have ended just now, roughly: the server needs a moment to notice, and gets it.
    """
    if database.is_sqlite:
        return
    until_s = time.monotonic() + database.wait_s
    while others := _other_sessions(database):
        if time.monotonic() > until_s:
            raise Busy(str(others))
        time.sleep(0.05)


def _other_sessions(database: Database) -> int:
    with database.read() as connection:
        return connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND usename = session_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).scalar_one()


def same_server_database(source: Database, target: Database) -> bool:
    """Whether two addresses lead to one PostgreSQL database: a lock taken through one is seen through the other."""
    if source.is_sqlite or target.is_sqlite:
        return False
    numbers = f"{_LOCK_CLASS}, {secrets.randbits(31)}"
    with source.write() as here, target.write() as there:
        here.exec_driver_sql(f"SELECT pg_advisory_xact_lock({numbers})")
        return not there.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({numbers})").scalar_one()


# ── how far a copy came ──────────────────────────────────────────────────────────────────────────────────────────

_MAKE = (
    "CREATE TABLE copy_progress (table_name TEXT PRIMARY KEY, copied BIGINT NOT NULL, last_key TEXT NOT NULL)"
)
_NOTE = text(
    "INSERT INTO copy_progress (table_name, copied, last_key) VALUES (:table_name, :copied, :last_key) "
    "ON CONFLICT (table_name) DO UPDATE SET copied = copy_progress.copied + excluded.copied, "
    "last_key = excluded.last_key"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one table: rows in the target, and the primary key of the last of them."""

    copied: int
    last_key: tuple


def begin(target: Database) -> None:
    """Marks a migrated, empty database as a target."""
    with target.write() as connection:
        connection.exec_driver_sql(_MAKE)
        _set_revision(connection, migrate.COPYING + migrate.head())


def finish(connection: Connection) -> None:
    """The target is an installation like any other from here on. PostgreSQL plans by statistics: it gets some."""
    connection.exec_driver_sql("DROP TABLE copy_progress")
    _set_revision(connection, migrate.head())
    if connection.dialect.name != "sqlite":
        for table in TABLES:
            connection.exec_driver_sql(f"ANALYZE {table.name}")


def _set_revision(connection: Connection, revision: str) -> None:
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def progress(connection: Connection) -> dict[str, Progress]:
    """By table, of those that hold something already."""
    found = connection.exec_driver_sql("SELECT table_name, copied, last_key FROM copy_progress")
    return {name: Progress(copied, tuple(orjson.loads(last_key))) for name, copied, last_key in found}


def tables_there(database: Database) -> list[str]:
    """Every table of the database, whosever it is."""
    with database.read() as connection:
        return inspect(connection).get_table_names()


def any_row(database: Database) -> str | None:
    """A table that holds rows; none where all are empty."""
    with database.read() as connection:
        for table in TABLES:
            if connection.execute(select(literal(1)).select_from(table).limit(1)).first():
                return table.name
    return None


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _key(table: Table, values: Sequence[Any]):
    return tuple_(
        *(literal(value, column.type) for value, column in zip(values, _key_columns(table), strict=True))
    )


def _key_columns(table: Table) -> list:
    return list(table.primary_key.columns)


def chunks(connection: Connection, table: Table, after: tuple | None) -> Iterator[list[dict[str, Any]]]:
    """The table's rows in the order of its primary key, as the database itself sorts it, from behind that key on."""
    names, keys = [column.name for column in table.columns], _key_columns(table)
    ordered = select(*table.columns).order_by(*keys).limit(CHUNK)
    while True:
        wanted = ordered if after is None else ordered.where(tuple_(*keys) > _key(table, after))
        rows = [dict(zip(names, row, strict=True)) for row in connection.execute(wanted)]
        if rows:
            yield rows
            after = key_of(table, rows[-1])
        if len(rows) < CHUNK:
            return


def key_of(table: Table, row: dict[str, Any]) -> tuple:
    return tuple(row[column.name] for column in _key_columns(table))


def put(target: Database, table: Table, rows: list[dict[str, Any]]) -> None:
    """Adds rows and notes how far the copy came, in one transaction. Raises `Unfit`."""
    last_key = orjson.dumps(key_of(table, rows[-1])).decode()
    try:
        with target.write() as connection:
            Insert(table).run(connection, rows)
            connection.execute(_NOTE, {"table_name": table.name, "copied": len(rows), "last_key": last_key})
    except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
        first = " ".join(map(str, key_of(table, rows[0])))
        why = str(getattr(error, "orig", error)).splitlines()[0]  # further lines quote customers' data
        raise Unfit(f"{table.name}, within {len(rows)} rows from {first} on: {why}") from error


# ── comparing ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Contents:
    """What a table holds: how many rows, the sum of each column of numbers or flags, and a hash over all.

    The hash is the sum of the rows' own hashes: it does not depend on the order, in which the engines differ.
    """

    rows: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    digest: int = 0


def contents(
    connection: Connection, table: Table, until: tuple | None, tell: Callable[[int], None]
) -> Contents:
    """Reads every row, or those up to that key; `tell` hears how many rows more have been read."""
    columns = list(table.columns)
    wanted = select(*columns)
    if until is not None:
        wanted = wanted.where(tuple_(*_key_columns(table)) <= _key(table, until))
    kinds = [column.type.python_type for column in columns]
    numbers = [n for n, kind in enumerate(kinds) if kind is not str]
    flags = [n for n, kind in enumerate(kinds) if kind is bool]
    total, sums, digest = 0, dict.fromkeys(numbers, 0), 0
    streamed = {"stream_results": True, "yield_per": CHUNK}
    for part in connection.execute(wanted, execution_options=streamed).partitions():
        rows = [list(row) for row in part]
        for row in rows:
            for n in flags:
                row[n] = int(row[n])  # one engine says true, the other 1
            digest += int.from_bytes(blake2b(orjson.dumps(row), digest_size=_DIGEST_BYTES).digest())
        for n in numbers:
            sums[n] += sum(row[n] for row in rows if row[n] is not None)
        total += len(rows)
        tell(len(rows))
    named = {columns[n].name: sums[n] for n in numbers if total}
    return Contents(total, named, digest % (1 << 8 * _DIGEST_BYTES))
