"""The bare database: Python's own sqlite3 inserts the rows that conversions left, and does nothing else."""

import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import profile
from bench.installation import Installation
from refledger.store.engine import Database
from refledger.store.schema import ACCOUNTS, metadata

# Every table that a conversion may write to → the column that names the conversion, where one does.
TABLES = {
    "conversions": "id",
    "decisions": "conversion_id",
    "entries": "conversion_id",
    "events": "subject_id",
    "acceptances": None,
    "sightings": None,
}
NUMBERS = ("accepted_count", "verified_count", *(f"{account}_minor" for account in ACCOUNTS))
_MOVE = (
    f"UPDATE standings SET last_accepted_ms = ?, {', '.join(f'{name} = {name} + ?' for name in NUMBERS)} "
    "WHERE merchant_id = ? AND affiliate_id = ? AND mode = ?"
)


@dataclass
class Recorded:
    """One conversion's rows by table, and what it adds to a standing."""

    rows: dict[str, list[tuple]] = field(default_factory=dict)
    move: tuple = ()


def record(installation: Installation, count: int) -> list[Recorded]:
    """Has the service settle `count` conversions in this installation and reads back what they left."""
    database = Database(installation.settings.database_url)
    settling = profile.tracking.Tracking(database, profile.Words(), profile.now_ms)
    accepted = profile.settle_all(settling, profile.claims(installation, 1, count)[0], 64)
    database.close()
    raw = sqlite3.connect(installation.path)
    made = {row[0]: Recorded() for row in raw.execute("SELECT id FROM conversions ORDER BY id")}
    if not len(made) == accepted == count:
        raise RuntimeError(f"{accepted} of {count} conversions were accepted, {len(made)} are stored")
    for table, name in TABLES.items():
        if name is not None:
            for owner, *row in raw.execute(f"SELECT {name}, * FROM {table}"):
                made[owner].rows.setdefault(table, []).append(tuple(row))
    _number(raw, made)
    _deal_sightings(raw, list(made.values()))
    _check_complete(raw, count)
    for owner, move in _moves(raw):
        made[owner].move = move
    raw.close()
    return list(made.values())


def _number(raw: sqlite3.Connection, made: dict[str, Recorded]) -> None:
    found = raw.execute("SELECT affiliate_id, mode, accepted_no, verified_no, id FROM conversions")
    owners = {}
    for affiliate_id, mode, accepted_no, verified_no, owner in found:
        owners[affiliate_id, mode, "accepted", accepted_no] = owner
        owners[affiliate_id, mode, "verified", verified_no] = owner
    for row in raw.execute("SELECT affiliate_id, mode, counts, no, * FROM acceptances"):
        made[owners[row[:4]]].rows.setdefault("acceptances", []).append(row[4:])


def _deal_sightings(raw: sqlite3.Connection, made: list[Recorded]) -> None:
    """Each its share, the oldest first."""
    rows = raw.execute("SELECT * FROM sightings ORDER BY at_ms").fetchall()
    share = len(rows) // len(made)
    for place, each in enumerate(made):
        each.rows["sightings"] = rows[place * share : (place + 1) * share]


def _check_complete(raw: sqlite3.Connection, count: int) -> None:
    """A table that conversions fill and that is not recorded would flatter the bare database's opponent."""
    setup = {"affiliates", "standings", "audit"}
    for table in metadata.tables:
        rows = raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        if rows >= count and table not in setup and table not in TABLES:
            raise RuntimeError(f"conversions write to {table}, which the bare insert leaves out")


def _moves(raw: sqlite3.Connection):
    found = raw.execute(
        "SELECT id, merchant_id, affiliate_id, mode, verified, at_ms, commission_minor FROM conversions"
    )
    for owner, merchant_id, affiliate_id, mode, verified, at_ms, minor in found:
        numbers = dict.fromkeys(NUMBERS, 0) | {
            "accepted_count": 1,
            "verified_count": verified,
            "pending_minor": minor,
            "expense_minor": -minor,
        }
        yield owner, (at_ms, *numbers.values(), merchant_id, affiliate_id, mode)


def insert(path: Path, recorded: list[Recorded], per_commit: int, most_s: float) -> float:
    """Conversions a second. The file holds the empty tables, in WAL mode."""
    raw = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA cache_size = -65536")
    if raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        raise RuntimeError("the bare database is not in WAL mode")
    statements = {
        table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(metadata.tables[table].columns))})"
        for table in TABLES
    }
    groups = [_group(recorded[n : n + per_commit]) for n in range(0, len(recorded), per_commit)]
    done, started = 0, time.perf_counter()
    for rows, moves in groups:
        raw.execute("BEGIN IMMEDIATE")
        for table, given in rows.items():
            raw.executemany(statements[table], given)
        raw.executemany(_MOVE, moves)
        raw.execute("COMMIT")
        done += len(moves)
        if time.perf_counter() - started > most_s:
            break
    taken_s = time.perf_counter() - started
    stored = raw.execute("SELECT count(*) FROM conversions").fetchone()[0]
    raw.close()
    if stored != done:
        raise RuntimeError(f"{stored} conversions are stored of {done}")
    return done / taken_s


def _group(members: list[Recorded]) -> tuple[dict[str, list[tuple]], list[tuple]]:
    rows = {table: [row for each in members for row in each.rows.get(table, ())] for table in TABLES}
    return rows, [each.move for each in members]
