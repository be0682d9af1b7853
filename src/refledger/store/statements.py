"""Statements, built once with SQLAlchemy Core, compiled once per engine, run on the driver's own cursor.

SQLAlchemy's execution costs several times what SQLite itself needs for a point look-up. A set of rows goes in as one
parameter (`rows_of`): each statement is one statement, however many rows it is about. What differs between the two
engines in a statement's text is decided here, and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import BigInteger, Table, Text, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement, TableValuedAlias

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
        names, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        self._sqlite = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {suffix}"

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        raw = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            if len(rows) == 1:
                raw.execute(self._sqlite, self.pick(rows[0]))
            else:
                raw.executemany(self._sqlite, map(self.pick, rows))
            return
        names = ", ".join(self.columns)
        values = ", ".join(
            f"CAST(r.value ->> {n} AS {kind})" for n, kind in enumerate(self._postgresql_types())
        )
        raw.execute(
            f"INSERT INTO {self.table.name} ({names}) "
            f"SELECT {values} FROM json_array_elements(CAST(%s AS json)) AS r {self.suffix}",
            [_json([self.pick(row) for row in rows])],
        )

    def _postgresql_types(self) -> Iterator[str]:
        return (column.type.compile(postgresql.dialect()) for column in self.table.columns)
