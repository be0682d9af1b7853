"""A table of millions, built straight through the driver of rows like the service's, measured like an empty one."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg

from bench import bare, measures, postgresql, servers
from bench import installation as installations
from bench.installation import Installation
from bench.millions import PATTERNS, Maker
from bench.results import Growth, today
from refledger.store.schema import metadata

_CHUNK = 20_000
_BYTES_EACH = 5_000  # measured: 4.2 kB per conversion, all tables and indexes; and some room
ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_STANDINGS = (
    "UPDATE standings SET accepted_count = ?, verified_count = ?, last_accepted_ms = ?, pending_minor = ?, "
    "expense_minor = ? WHERE affiliate_id = ? AND mode = 'live'"
)

Say = Callable[[str], None]


def run(folder: Path, engine: str, rows: int, clients: int, rounds: int, timed_s: float, say: Say) -> Growth:
    """The points `("empty", clients)` and `("full", clients)`."""
    free = shutil.disk_usage(folder).free
    say(f"needs about {rows * _BYTES_EACH / 1e9:.0f} GB in {folder.parent}; {free / 1e9:.0f} GB are free")
    if free < rows * _BYTES_EACH * 1.1:
        raise SystemExit("too little room: name fewer with --rows, or another place with --folder")
    template = installations.make(folder / "template")
    recorded = bare.record(template.copy(folder / "recorded"), PATTERNS)
    maker, points = Maker(template, recorded, rows), measures.Points(timed_s)
    with ExitStack() as stack:
        make = _Sqlite if engine == "sqlite" else _Postgresql
        side = make(folder, template, stack)
        started = time.monotonic()
        size = side.fill(maker, rows, say)
        say(f"  {rows:,} conversions, {size / 1e9:.1f} GB, {time.monotonic() - started:.0f} s")
        for turn in range(1, rounds + 1):
            points.others.append(measures.others())
            say(f"round {turn} of {rounds} … (others keep {points.others[-1]:.0%} of the machine busy)")
            _round(side, turn, clients, points)
    return Growth(ENGINES[engine], rows, clients, rounds, today(), points)


def _round(side, turn: int, clients: int, points: measures.Points) -> None:
    empty, full = side.empty(), side.full
    with servers.service(empty) as at_empty, servers.service(full) as at_full:
        pair = [("empty", at_empty), ("full", at_full)]
        # Who comes first alternates, for the first leaves the disk something to do.
        for name, server in pair if turn % 2 else reversed(pair):
            side.rest()
            points.http((name, clients), server, full, "conversions", clients)


def _chunks(maker: Maker, rows: int, say: Say) -> Iterator[dict[str, list[tuple]]]:
    started = time.monotonic()
    for done in range(0, rows, _CHUNK):
        yield maker.chunk(done, min(_CHUNK, rows - done))
        if done % (25 * _CHUNK) == 0 and done:
            left_s = (time.monotonic() - started) / done * (rows - done)
            say(f"  {done:>12,} of {rows:,} conversions, about {left_s / 60:.0f} more minutes")


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────


class _Postgresql:
    """Filled through COPY, every index in place, so that these are as they grow; then vacuumed."""

    def __init__(self, folder: Path, template: Installation, stack: ExitStack):
        self._template = template
        self._server = stack.enter_context(postgresql.server())
        self._server.move(template, "refledger_template")
        self.full = template.at(self._server.create("full", "refledger_template"))

    def empty(self) -> Installation:
        return self._template.at(self._server.create("empty", "refledger_template"))

    def rest(self) -> None:
        self._server.rest()

    def fill(self, maker: Maker, rows: int, say: Say) -> int:
        """Answers the bytes that it fills."""
        with psycopg.connect(self.full.address, autocommit=True) as raw:
            raw.execute("SET synchronous_commit = off")
            for made in _chunks(maker, rows, say):
                with raw.transaction():
                    for table, given in made.items():
                        _copy(raw, table, given)
            with raw.transaction():
                raw.cursor().executemany(_STANDINGS.replace("?", "%s"), list(maker.standings()))
            raw.execute("VACUUM ANALYZE")
            return raw.execute("SELECT pg_database_size('full')").fetchone()[0]


def _copy(raw: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Sqlite:
    def __init__(self, folder: Path, template: Installation, stack: ExitStack):
        self._folder, self._template = folder, template
        self.full = template.copy(folder / "full")

    def empty(self) -> Installation:
        return self._template.copy(self._folder / "empty")

    def rest(self) -> None:
        """It has nothing to finish: checkpoints are the service's."""

    def fill(self, maker: Maker, rows: int, say: Say) -> int:
        """Answers the bytes that it fills."""
        _fill(self.full, maker, rows, say)
        return self.full.path.stat().st_size


def _fill(installation: Installation, maker: Maker, rows: int, say: Say) -> None:
    raw = sqlite3.connect(installation.path, isolation_level=None)
    # Nothing reads it meanwhile and a crash only means to begin again, so it need not be durable yet.
    for pragma in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "cache_size = -4000000",
        "locking_mode = EXCLUSIVE",
    ):
        raw.execute(f"PRAGMA {pragma}")
    later = _drop_indexes(raw)
    for made in _chunks(maker, rows, say):
        raw.execute("BEGIN")
        for table, given in made.items():
            marks = ", ".join("?" * len(metadata.tables[table].columns))
            raw.executemany(f"INSERT INTO {table} VALUES ({marks})", given)
        raw.execute("COMMIT")
    for number, statement in enumerate(later, 1):
        say(f"  index {number} of {len(later)} …")
        raw.execute(statement)
    raw.execute("BEGIN")
    raw.executemany(_STANDINGS, maker.standings())
    raw.execute("COMMIT")
    raw.execute("PRAGMA locking_mode = NORMAL")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    # What is still in the system's buffers would be written while we measure.
    handle = os.open(installation.path, os.O_RDWR)
    os.fsync(handle)
    os.close(handle)
    _read_indexes(installation)


def _read_indexes(installation: Installation) -> None:
    """A service that has run for so long has its indexes in memory, as far as they fit."""
    raw = sqlite3.connect(installation.path)
    found = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY tbl_name <> 'decisions'"
    for name, table in raw.execute(found).fetchall():
        with suppress(sqlite3.OperationalError):  # a partial index answers no count of everything
            raw.execute(f'SELECT count(*) FROM {table} INDEXED BY "{name}"').fetchone()
    raw.execute("SELECT count(*) FROM sightings").fetchone()
    raw.close()


def _drop_indexes(raw: sqlite3.Connection) -> list[str]:
    """Drops what can be made again, faster, at the end; answers how."""
    found = raw.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN "
        f"({', '.join('?' * len(bare.TABLES))})",
        list(bare.TABLES),
    ).fetchall()
    for name, _ in found:
        raw.execute(f'DROP INDEX "{name}"')
    return [sql for _, sql in found]
