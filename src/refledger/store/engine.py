"""The two engines, and every difference between them.

Statements are built once with SQLAlchemy Core and compiled once per engine (`Query`, `Insert`); they then run on the
driver's own cursor, for SQLAlchemy's execution costs several times what SQLite itself needs for a point look-up.
A set of rows goes in as one parameter (`rows_of`): each statement is one statement, however many rows it is about.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain, repeat
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import BigInteger, Table, Text, bindparam, create_engine, event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.expression import FunctionElement, TableValuedAlias

__all__ = [
    "Connection",
    "Database",
    "Insert",
    "Query",
    "Unavailable",
    "hold",
    "item",
    "number_item",
    "rows_of",
]


class Unavailable(Exception):
    """The database cannot serve now: locked, full, read-only, out of reach. Nothing was stored."""


# ── sets of rows as one parameter ────────────────────────────────────────────────────────────────────────────────


class _Rows(FunctionElement):
    inherit_cache = True
    name = "rows"


class item(FunctionElement):
    """The n-th value, as text, of a row of `rows_of`."""

    inherit_cache = False
    name = "item"
    type = Text()

    def __init__(self, rows: TableValuedAlias, position: int):
        self.rows_name, self.position = rows.name, position
        super().__init__(rows.c.value)


class number_item(item):
    """The n-th value, as an integer, of a row of `rows_of`."""

    type = BigInteger()


def rows_of(parameter: str) -> TableValuedAlias:
    """A FROM clause over the parameter of that name: a list of rows, each a list of texts and integers."""
    return _Rows(bindparam(parameter)).table_valued("value", name=parameter)


# SQLite: a VALUES clause, as long as the rows need (see `_spread`): it costs a tenth of reading JSON.


@compiles(_Rows, "sqlite")
def _sqlite_rows(element, compiler, **options):
    parameter = compiler.process(element.clauses, **options)
    return f"(VALUES /*{element.clauses.clauses[0].key}*/{parameter})"


@compiles(item, "sqlite")
@compiles(number_item, "sqlite")
def _sqlite_item(element, compiler, **options):
    return f"{element.rows_name}.column{element.position + 1}"


# PostgreSQL: one JSON parameter, so that a statement's text is the same for any number of rows.


@compiles(_Rows, "postgresql")
def _postgresql_rows(element, compiler, **options):
    return f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS json))"


@compiles(item, "postgresql")
def _postgresql_item(element, compiler, **options):
    return f"({compiler.process(element.clauses, **options)} ->> {element.position})"


@compiles(number_item, "postgresql")
def _postgresql_number_item(element, compiler, **options):
    return f"CAST({compiler.process(element.clauses, **options)} ->> {element.position} AS bigint)"


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────


class Query:
    """A statement, built once. Parameters: `bindparam`s by name, and lists of rows for `rows_of`."""

    def __init__(self, statement):
        self.statement = statement
        self._compiled: dict[str, tuple[str, list[str] | None, Mapping[str, Any]]] = {}
        self._spread: dict[tuple[tuple[str, int, int], ...], str] = {}

    def rows(self, connection: Connection, **parameters) -> list[tuple]:
        """All rows, as plain tuples in the order of the selected columns."""
        return self._execute(connection, parameters).fetchall()

    def run(self, connection: Connection, **parameters) -> int:
        """Executes; answers the number of rows changed."""
        return self._execute(connection, parameters).rowcount

    def _execute(self, connection: Connection, parameters: dict):
        text, names, constants = self._compiled.get(connection.dialect.name) or self._compile(connection)
        raw = connection.connection.driver_connection
        if names is None:
            sent = {
                name: _json(value) if isinstance(value, list) else value for name, value in parameters.items()
            }
            return raw.execute(text, constants | sent)
        return raw.execute(*self._spread_out(text, names, constants | parameters))

    def _spread_out(self, text: str, names: list[str], given: dict) -> tuple[str, list]:
        """Text and positional arguments for SQLite. Rows are padded with NULLs, which join nothing, to a power of
        two, so that a statement has few texts and each is prepared once.
        """
        arguments, shape = [], []
        for name in names:
            value = given[name]
            if not isinstance(value, list):
                arguments.append(value)
                continue
            width = len(value[0]) if value else _WIDEST
            missing = (1 << (len(value) - 1).bit_length() if value else 1) - len(value)
            arguments.extend(chain.from_iterable(value))
            arguments.extend(repeat(None, missing * width))
            shape.append((name, len(value) + missing, width))
        spread = self._spread.get(key := tuple(shape))
        if spread is None:
            for name, length, width in shape:
                row = f"({', '.join('?' * width)})"
                text = text.replace(f"/*{name}*/?", ", ".join([row] * length))
            spread = self._spread[key] = text
        return spread, arguments

    def _compile(self, connection: Connection):
        compiled = self.statement.compile(
            dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        found = (str(compiled), compiled.positiontup, compiled.params)
        self._compiled[connection.dialect.name] = found
        return found


# An empty list becomes one row of NULLs, wide enough for any statement here.
_WIDEST = 16


def _json(rows: list) -> str:
    return orjson.dumps(rows).decode()


class Insert:
    """Inserts many rows of one table with one statement; rows are mappings that hold every column named."""

    def __init__(self, table: Table, suffix: str = ""):
        self.table, self.suffix = table, suffix
        self.columns = [column.name for column in table.columns]
        self.pick = itemgetter(*self.columns)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        raw = connection.connection.driver_connection
        names = ", ".join(self.columns)
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(self.columns))
            raw.executemany(
                f"INSERT INTO {self.table.name} ({names}) VALUES ({marks}) {self.suffix}",
                map(self.pick, rows),
            )
            return
        values = ", ".join(
            f"CAST(r.value ->> {n} AS {kind})" for n, kind in enumerate(self._postgresql_types())
        )
        raw.execute(
            f"INSERT INTO {self.table.name} ({names}) "
            f"SELECT {values} FROM json_array_elements(CAST(%s AS json)) AS r {self.suffix}",
            [_json([self.pick(row) for row in rows])],
        )

    def _postgresql_types(self) -> Iterator[str]:
        from sqlalchemy.dialects import postgresql

        return (column.type.compile(postgresql.dialect()) for column in self.table.columns)


# ── databases ────────────────────────────────────────────────────────────────────────────────────────────────────


class Database:
    """One installation's database: a pool that writes, a pool that only reads."""

    def __init__(self, url: str, wait_s: float = 5.0):
        self.url = make_url(url)
        self.wait_s = wait_s
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.writer, self.reader = _sqlite(self.url, wait_s)
        else:
            self.writer = self.reader = _postgresql(self.url, wait_s)
        # SQLite admits one writer: our own threads queue here, fairly, rather than by polling the file.
        self._turn = _Turn() if self.is_sqlite else nullcontext()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write; commits at the end, rolls back on any exception."""
        with self._turn, _named_faults(), self.writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot."""
        with _named_faults(), self.reader.connect() as connection:
            yield connection

    def hold(self, connection: Connection, keys: Iterable[int], now_ms: int) -> int:
        """Holds the keys (see `hold`) and answers the time, taken once they are held."""
        hold(connection, keys)
        return self.now_ms(connection, now_ms)

    def now_ms(self, connection: Connection, now_ms: int) -> int:
        """The time that counts: PostgreSQL's own, for several machines share it; else the one given."""
        if self.is_sqlite:
            return now_ms
        clock = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
        return connection.connection.driver_connection.execute(clock).fetchone()[0]

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()


def hold(connection: Connection, keys: Iterable[int]) -> None:
    """Nobody else decides about these keys until the transaction ends.

    PostgreSQL: transaction-level locks, sorted here, taken by a statement of its own. On SQLite the transaction
    holds everything already.
    """
    if connection.dialect.name != "sqlite":
        connection.connection.driver_connection.execute(
            "SELECT count(pg_advisory_xact_lock(k)) FROM unnest(CAST(%s AS bigint[])) AS k",
            [sorted(set(keys))],
        )


class _Turn:
    """A lock that serves in the order of asking: a busy desk must not starve whoever else writes."""

    def __init__(self):
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self):
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()

    def __exit__(self, *details):
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def _sqlite(url, wait_s: float) -> tuple[Engine, Engine]:
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect(
            path, timeout=wait_s, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA cache_size = -65536")
        return raw

    def connect_reader() -> sqlite3.Connection:
        raw = connect()
        raw.execute("PRAGMA query_only = 1")
        return raw

    writer = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=4,
        pool_reset_on_return=None,
    )
    reader = create_engine(
        "sqlite://", creator=connect_reader, poolclass=QueuePool, pool_size=8, max_overflow=32
    )
    event.listen(
        writer, "begin", lambda connection: connection.connection.driver_connection.execute("BEGIN IMMEDIATE")
    )
    event.listen(reader, "begin", lambda connection: connection.connection.driver_connection.execute("BEGIN"))
    return writer, reader


def _postgresql(url, wait_s: float) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_size=8,
        max_overflow=8,
        pool_timeout=wait_s,
        pool_pre_ping=True,
        connect_args={"prepare_threshold": None, "connect_timeout": max(1, int(wait_s))},
    )


# ── what an exception of the driver means ────────────────────────────────────────────────────────────────────────


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "orig", None) or error


def is_conflict(error: BaseException) -> bool:
    """Whether deciding again may succeed: a unique violation, a serialization failure, a deadlock."""
    cause = _cause(error)
    if isinstance(cause, sqlite3.IntegrityError):
        return "UNIQUE constraint failed" in str(cause)
    return getattr(cause, "sqlstate", None) in ("23505", "40001", "40P01")


_SQLITE_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
)


def is_unavailable(error: BaseException) -> bool:
    """Whether the database itself could not serve: nothing was stored, and a later call may succeed."""
    cause = _cause(error)
    if isinstance(cause, sqlite3.Error):
        return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_PASSING
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state[:2] in ("08", "53", "57", "58") or state == "25006"
    return isinstance(error, OperationalError) or type(cause).__name__ in (
        "OperationalError",
        "InterfaceError",
        "TimeoutError",
    )


@contextmanager
def _named_faults() -> Iterator[None]:
    """Turns the drivers' many ways of being out of reach into `Unavailable`."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        if is_unavailable(error):
            raise Unavailable(str(_cause(error))) from error
        raise
    except Exception as error:
        if not isinstance(error, Unavailable) and is_unavailable(error):
            raise Unavailable(str(_cause(error))) from error
        raise


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000
