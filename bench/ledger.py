"""`verify-ledger` over millions of entries: a few thousand real conversions, copied in SQL with ids of their own."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg

from bench import installation as installations
from bench import postgresql, profile
from bench.installation import Installation
from refledger.core.ids import make_id
from refledger.core.programs import DAY_MS
from refledger.services import ledger_check, sealing, steps
from refledger.services.credentials import Tenant
from refledger.services.tracking import Tracking
from refledger.store.engine import Database, now_ms
from refledger.store.schema import ACCOUNTS, metadata
from refledger.web.tracking import Words

PATTERNS = 2_000  # real conversions that the others are copies of
_LATER_MS = 14 * DAY_MS  # from the sale to its approval
_APART_MS = 60_000  # from one copy to the next
Say = Callable[[str], None]


def run(folder: Path, engine: str, entries: int, say: Say) -> None:
    """Raises RuntimeError where the copies do not balance: they would measure nothing."""
    whole = installations.make(folder / "template")
    copies = max(1, entries // (2 * PATTERNS))
    first_ms = now_ms() - _LATER_MS - (copies + 60) * _APART_MS
    _happen(whole, first_ms)
    with ExitStack() as stack:
        if engine == "postgresql":
            server = stack.enter_context(postgresql.server())
            server.move(whole, "refledger_ledger")
            whole = whole.at(server.create("ledger", "refledger_ledger"))
        started = time.monotonic()
        _copy(whole, copies, first_ms)
        say(f"{copies * PATTERNS:,} conversions on {engine}, copied in {time.monotonic() - started:.0f} s")
        database = stack.enter_context(closing(Database(whole.url)))
        started = time.monotonic()
        while sealing.seal_next(database, whole.merchant_id, now_ms()):
            pass
        say(f"sealed in {time.monotonic() - started:.1f} s")
        _measure(database, say)


def _happen(whole: Installation, first_ms: int) -> None:
    """All are reported in one moment, and approved in another: so that copies need two times."""
    database = Database(whole.url)
    settling = Tracking(database, Words(), lambda: first_ms)
    waiting, _ = profile.claims(whole, 0, PATTERNS)
    while waiting:
        outcomes = list(zip(waiting, settling.settle(waiting[:128]), strict=False))
        waiting = [claim for claim, answer in outcomes if answer is profile.tracking.LATER] + waiting[128:]
    tenant = Tenant(whole.merchant_id, "bench", "live", bytes.fromhex(whole.fingerprint_key))
    with database.write(whole.merchant_id) as connection:
        ids = [row[0] for row in connection.exec_driver_sql("SELECT id FROM conversions").fetchall()]
        for each in ids:
            steps.take(connection, tenant, "approve", each, None, first_ms + _LATER_MS, os.urandom)
    database.close()


def _copy(whole: Installation, copies: int, first_ms: int) -> None:
    """Customers are new each time, affiliates the same."""
    is_sqlite = not whole.address
    raw = (
        sqlite3.connect(whole.path, isolation_level=None)
        if is_sqlite
        else psycopg.connect(whole.address, autocommit=True)
    )
    later_ms = first_ms + _LATER_MS
    with closing(raw):
        raw.execute("PRAGMA synchronous = OFF" if is_sqlite else "SET synchronous_commit = off")
        for n in range(1, copies):
            shift_ms = n * _APART_MS
            words = {
                "merchant_id": whole.merchant_id,
                "sold": first_ms,
                "sold_id": _time(first_ms + shift_ms),
                "later_id": _time(later_ms + shift_ms),
                "shift": shift_ms,
                "n": f"{n:08x}",
            }
            for table in _OWN:
                for at_ms in (first_ms,) if table in ("decisions", "conversions") else (first_ms, later_ms):
                    of_first = {"from": _time(at_ms), "before": _time(at_ms + 1)}
                    raw.execute(_copying(table).format(**words, **of_first))
        more = [f"{name} = {name} * {copies}" for name in ("accepted_count", "verified_count")]
        more += [f"{account}_minor = {account}_minor * {copies}" for account in ACCOUNTS]
        raw.execute(f"UPDATE standings SET {', '.join(more)}")
        raw.execute("ANALYZE")


def _time(at_ms: int) -> str:
    return make_id("x", at_ms, bytes(10))[2:12]


_EVENT_ID = "'evt_' || CASE at_ms WHEN {sold} THEN '{sold_id}' ELSE '{later_id}' END || substr(%s, 15)"
_CONVERSION_ID = "'conv_{sold_id}' || substr(%s, 16)"
_OWN = {
    "decisions": {"conversion_id": _CONVERSION_ID % "conversion_id"},
    "conversions": {
        "id": _CONVERSION_ID % "id",
        "email_key": "'{n}' || substr(email_key, 9)",
        "at_ms": "at_ms + {shift}",
        "updated_ms": "updated_ms + {shift}",
    },
    "entries": {
        "cause": _EVENT_ID % "cause",
        "conversion_id": _CONVERSION_ID % "conversion_id",
        "at_ms": "at_ms + {shift}",
    },
    "events": {
        "id": _EVENT_ID % "id",
        "subject_id": _CONVERSION_ID % "subject_id",
        "data": f"replace(data, subject_id, {_CONVERSION_ID % 'subject_id'})",
        "at_ms": "at_ms + {shift}",
    },
}
_IDS = {
    "decisions": ("conversion_id", "conv_"),
    "conversions": ("id", "conv_"),
    "entries": ("cause", "evt_"),
    "events": ("id", "evt_"),
}


def _copying(table: str) -> str:
    """The rows of the first copy, of one time, once more."""
    columns, (name, prefix) = metadata.tables[table].columns.keys(), _IDS[table]
    values = ", ".join(_OWN[table].get(each, each) for each in columns)
    first = (
        f"merchant_id = '{{merchant_id}}' AND {name} > '{prefix}{{from}}' AND {name} < '{prefix}{{before}}'"
    )
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} WHERE {first}"


def _measure(database: Database, say: Say) -> None:
    started, used_s = time.monotonic(), sum(os.times()[:4])
    for violation in ledger_check.verify(database):
        raise RuntimeError(violation)
    taken_s, used_s = time.monotonic() - started, sum(os.times()[:4]) - used_s
    with database.read("*") as connection:
        entries = connection.exec_driver_sql("SELECT count(*) FROM entries").scalar()
    say(f"{entries:,} entries proven in {taken_s:.1f} s ({used_s:.1f} s of cores)")
