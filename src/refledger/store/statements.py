"""Statements, built once with SQLAlchemy Core, compiled once per engine, run on the driver's own cursor.

SQLAlchemy's execution costs several times what SQLite itself needs for a point look-up. A set of rows goes in as one
parameter (`rows_of`): each statement is one statement, however many rows it is about. What differs between the two
engines in a statement's text is decided here, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import BigInteger, Table, Text, bindparam
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
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


class few(FunctionElement):
    """A condition that few rows meet. SQLite, which keeps no statistics here, would rather read all of a merchant's
    rows along the primary key than use an index that says the same of the merchant and more besides.
    """

    inherit_cache = True
    name = "few"


@compiles(few)
def _few(element, compiler, **options):
    return compiler.process(element.clauses, **options)


@compiles(few, "sqlite")
def _sqlite_few(element, compiler, **options):
    return f"unlikely({compiler.process(element.clauses, **options)})"


def rows_of(parameter: str) -> TableValuedAlias:
    """A FROM clause over the parameter of that name: a list of rows, each a list of texts and integers."""
    return _Rows(bindparam(parameter)).table_valued("value", name=parameter)


@compiles(item)
@compiles(number_item)
def _item(element, compiler, **options):
    return f"{element.rows_name}.column{element.position + 1}"


# SQLite: a VALUES clause, as long as the rows need (see `_spread_out`): it costs a tenth of reading JSON.


@compiles(_Rows, "sqlite")
def _sqlite_rows(element, compiler, **options):
    parameter = compiler.process(element.clauses, **options)
    return f"(VALUES /*{element.clauses.clauses[0].key}*/{parameter})"


# PostgreSQL: an array for each column (see `_unnested`), so that a statement's text is the same for any number of rows.
# Plain columns, not expressions over JSON: under row-level security only those may be looked up in an index.


@compiles(_Rows, "postgresql")
def _postgresql_rows(element, compiler, **options):
    return f"/*{element.clauses.clauses[0].key}*/"


def _unnested(statement, text: str) -> tuple[str, dict[str, list[tuple[int, str]]]]:
    """The text with its sets of rows as arrays, and of each set the columns used: (position, parameter)."""
    used: dict[str, dict[int, str]] = {}
    for element in visitors.iterate(statement):
        if isinstance(element, item):
            kind = "bigint" if isinstance(element, number_item) else "text"
            used.setdefault(element.rows_name, {})[element.position] = kind
    sets = {}
    for name, kinds in used.items():
        columns = sets[name] = [(position, f"{name}_{position}") for position in sorted(kinds)]
        arrays = ", ".join(f"CAST(%({array})s AS {kinds[position]}[])" for position, array in columns)
        names = ", ".join(f"column{position + 1}" for position, _ in columns)
        text = text.replace(f"/*{name}*/", f"(SELECT * FROM unnest({arrays}) AS r({names}))")
    return text, sets


# ── a text within a text ─────────────────────────────────────────────────────────────────────────────────────────


class position(FunctionElement):
    """Where a text is found in another, from 1; 0 where it is not."""

    inherit_cache = True
    name = "position"
    type = BigInteger()


@compiles(position, "sqlite")
def _sqlite_position(element, compiler, **options):
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(position, "postgresql")
def _postgresql_position(element, compiler, **options):
    return f"strpos({compiler.process(element.clauses, **options)})"


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────


class Query:
    """A statement, built once. Parameters: `bindparam`s by name, and lists of rows for `rows_of`."""

    def __init__(self, statement):
        self.statement = statement
        self._sqlite: tuple[str, list[str], Mapping[str, Any]] | None = None
        self._postgresql: tuple[str, dict[str, list[tuple[int, str]]], Mapping[str, Any]] | None = None
        self._spread: dict[tuple[tuple[str, int, int], ...], str] = {}

    def rows(self, connection: Connection, **parameters) -> list[tuple]:
        """All rows, as plain tuples in the order of the selected columns."""
        return self._execute(connection, parameters).fetchall()

    def run(self, connection: Connection, **parameters) -> int:
        """Executes; answers the number of rows changed."""
        return self._execute(connection, parameters).rowcount

    def _execute(self, connection: Connection, parameters: dict):
        raw = connection.connection.driver_connection
        if connection.dialect.name == "sqlite":
            text, names, constants = self._sqlite or self._compile_for_sqlite(connection)
            return raw.execute(*self._spread_out(text, names, constants | parameters))
        text, sets, constants = self._postgresql or self._compile_for_postgresql(connection)
        sent = constants | parameters
        for name, columns in sets.items():
            rows = sent.pop(name)
            for position, array in columns:
                sent[array] = _array([row[position] for row in rows])
        return raw.execute(text, sent)

    def _compile_for_sqlite(self, connection: Connection):
        compiled = self._compile(connection)
        self._sqlite = (str(compiled), compiled.positiontup, compiled.params)
        return self._sqlite

    def _compile_for_postgresql(self, connection: Connection):
        compiled = self._compile(connection)
        text, sets = _unnested(self.statement, str(compiled))
        constants = {name: value for name, value in compiled.params.items() if name not in sets}
        self._postgresql = (text, sets, constants)
        return self._postgresql

    def _compile(self, connection: Connection):
        return self.statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})

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


def _array(values: list) -> Any:
    """A list as PostgreSQL writes it, where that takes no quoting, as for our own ids, fingerprints and numbers: the
    driver looks at each value for several times as long.
    """
    try:
        if not values or isinstance(values[0], int):
            return f"{{{','.join(map(int.__repr__, values))}}}"
        joined = '","'.join(values)
    except TypeError:  # a value that is missing
        return values
    plain = "\\" not in joined and joined.count('"') == 2 * (len(values) - 1)
    return f'{{"{joined}"}}' if plain else values


# An empty list becomes one row of NULLs, wide enough for any statement here.
_WIDEST = 16


class Insert:
    """Inserts many rows of one table with one statement; rows are mappings that hold every column named."""

    def __init__(self, table: Table, suffix: str = ""):
        self.table, self.suffix = table, suffix
        self.columns = [column.name for column in table.columns]
        self.pick = itemgetter(*self.columns)
        names, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        self._sqlite = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {suffix}"
        self._postgresql = (
            f"INSERT INTO {table.name} ({names}) SELECT {names} "
            f"FROM json_populate_recordset(CAST(NULL AS {table.name}), CAST(%s AS json)) {suffix}"
        )

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
        # The option: SQLAlchemy names columns in a kind of text of its own.
        raw.execute(self._postgresql, [orjson.dumps(rows, option=orjson.OPT_NON_STR_KEYS).decode()])
