"""A table of millions: built straight through sqlite3 from rows that the service wrote, and measured like an empty one.

The keys are as in life: ids and times rise, fingerprints are random, affiliates alternate. Each affiliate's standing
adds up, so the n-th conversion counted back is really there to be looked up.
"""

import os
import random
import shutil
import sqlite3
import time
from array import array
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bench import bare, measures, servers
from bench import installation as installations
from bench.installation import Installation
from bench.requests import email
from refledger.core.ids import make_id
from refledger.core.programs import DAY_MS
from refledger.services.histories import SPELLINGS_MS, WINDOWS_MS
from refledger.services.housekeeping import KEPT_MS
from refledger.store.schema import metadata

_PATTERNS = 2_000  # recorded conversions that the millions are made from
_SPAN_MS, _UNTIL_MS = 400 * DAY_MS, 2 * DAY_MS  # they happened from 402 to 2 days ago
_CHUNK = 20_000
_BYTES_EACH = 5_000  # measured: 4.2 kB per conversion, all tables and indexes; and some room
_FIRST = 500_000_000  # customers' numbers, apart from those of the load

Say = Callable[[str], None]


def run(
    folder: Path, rows: int, clients: int, rounds: int, timed_s: float, say: Say
) -> tuple[measures.Points, int]:
    """The points `("empty", clients)` and `("full", clients)`, and how many conversions the full table held."""
    free = shutil.disk_usage(folder).free
    say(f"needs about {rows * _BYTES_EACH / 1e9:.0f} GB in {folder.parent}; {free / 1e9:.0f} GB are free")
    if free < rows * _BYTES_EACH * 1.1:
        raise SystemExit("too little room: name fewer with --rows, or another place with --folder")
    template = installations.make(folder / "template")
    recorded = bare.record(template.copy(folder / "recorded"), _PATTERNS)
    full = template.copy(folder / "full")
    fill(full, recorded, rows, say)
    points = measures.Points(timed_s)
    for turn in range(1, rounds + 1):
        points.others.append(measures.others())
        say(f"round {turn} of {rounds} … (others keep {points.others[-1]:.0%} of the machine busy)")
        empty = template.copy(folder / "empty")
        with servers.service(empty) as at_empty, servers.service(full) as at_full:
            pair = [("empty", at_empty), ("full", at_full)]
            # Who comes first alternates, for the first leaves the disk something to do.
            for name, server in pair if turn % 2 else reversed(pair):
                points.http((name, clients), server, template, "conversions", clients)
    return points, rows


def fill(installation: Installation, recorded: list[bare.Recorded], rows: int, say: Say) -> None:
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
    maker = _Maker(installation, recorded, rows)
    started = time.monotonic()
    for done in range(0, rows, _CHUNK):
        made = maker.chunk(done, min(_CHUNK, rows - done))
        raw.execute("BEGIN")
        for table, given in made.items():
            marks = ", ".join("?" * len(metadata.tables[table].columns))
            raw.executemany(f"INSERT INTO {table} VALUES ({marks})", given)
        raw.execute("COMMIT")
        if done % (25 * _CHUNK) == 0 and done:
            left_s = (time.monotonic() - started) / done * (rows - done)
            say(f"  {done:>12,} of {rows:,} conversions, about {left_s / 60:.0f} more minutes")
    for number, statement in enumerate(later, 1):
        say(f"  index {number} of {len(later)} …")
        raw.execute(statement)
    raw.execute("BEGIN")
    raw.executemany(
        "UPDATE standings SET accepted_count = ?, verified_count = ?, last_accepted_ms = ?, pending_minor = ?, "
        "expense_minor = ? WHERE affiliate_id = ? AND mode = 'live'",
        maker.standings(),
    )
    raw.execute("COMMIT")
    raw.execute("PRAGMA locking_mode = NORMAL")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    # What is still in the system's buffers would be written while we measure.
    handle = os.open(installation.path, os.O_RDWR)
    os.fsync(handle)
    os.close(handle)
    _read_indexes(installation)
    say(
        f"  {rows:,} conversions, {installation.path.stat().st_size / 1e9:.1f} GB, {time.monotonic() - started:.0f} s"
    )


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
        f"({', '.join('?' * len(bare._TABLES))})",
        list(bare._TABLES),
    ).fetchall()
    for name, _ in found:
        raw.execute(f'DROP INDEX "{name}"')
    return [sql for _, sql in found]


class _Maker:
    """Rows like the recorded ones, with ids, keys and times of their own."""

    def __init__(self, installation: Installation, recorded: list[bare.Recorded], rows: int):
        self._affiliates = installation.affiliate_ids
        self._chance = random.Random(rows)
        self._from_ms = time.time_ns() // 1_000_000 - _UNTIL_MS - _SPAN_MS
        self._step_ms = _SPAN_MS / rows
        # What is older the service has forgotten.
        self._seen_since_ms = self._from_ms + _SPAN_MS - KEPT_MS["sightings"]
        self._numbered_since_ms = self._from_ms + _SPAN_MS - KEPT_MS["acceptances"]
        self._patterns = [
            {table: [self._as_dict(table, row) for row in given] for table, given in each.rows.items()}
            for each in recorded
        ]
        count = len(self._affiliates)
        self._accepted, self._verified = array("q", bytes(8 * count)), array("q", bytes(8 * count))
        self._earned, self._last_ms = array("q", bytes(8 * count)), array("q", bytes(8 * count))

    @staticmethod
    def _as_dict(table: str, row: tuple) -> dict:
        return dict(zip(metadata.tables[table].columns.keys(), row, strict=True))

    def chunk(self, first: int, count: int) -> dict[str, list[tuple]]:
        made: dict[str, list[tuple]] = {table: [] for table in bare._TABLES}
        for number in range(first, first + count):
            self._conversion(number, made)
        return made

    def standings(self) -> Iterator[tuple]:
        for n, affiliate_id in enumerate(self._affiliates):
            yield (
                self._accepted[n], self._verified[n], self._last_ms[n], self._earned[n], -self._earned[n],
                affiliate_id,
            )  # fmt: skip

    def _conversion(self, number: int, made: dict[str, list[tuple]]) -> None:
        pattern = self._patterns[number % len(self._patterns)]
        at_ms = self._from_ms + int(number * self._step_ms)
        conversion_id, event_id = (
            make_id("conv", at_ms, self._bytes(10)),
            make_id("evt", at_ms, self._bytes(10)),
        )
        place = self._chance.randrange(len(self._affiliates))
        affiliate_id = self._affiliates[place]
        row = pattern["conversions"][0]
        mailbox_key = self._key()
        self._accepted[place] += 1
        self._verified[place] += row["verified"]
        self._last_ms[place] = at_ms
        self._earned[place] += row["commission_minor"]
        made["acceptances"] += (
            self._numbered(pattern, place, at_ms) if at_ms > self._numbered_since_ms else ()
        )
        numbers = {
            "accepted_no": self._accepted[place],
            "verified_no": self._verified[place] if row["verified"] else None,
        }
        keys = {"email_key": self._key()}
        own = {"id": conversion_id, "email": email(_FIRST + number), "at_ms": at_ms, "updated_ms": at_ms}
        whose = {"affiliate_id": affiliate_id}
        made["conversions"].append(tuple((row | own | keys | numbers | whose).values()))
        made["decisions"] += _with(pattern, "decisions", {"conversion_id": conversion_id})
        ids = {"conversion_id": conversion_id, "cause": event_id, "at_ms": at_ms} | whose
        made["entries"] += _with(pattern, "entries", ids)
        made["events"] += _with(
            pattern, "events", {"id": event_id, "subject_id": conversion_id, "at_ms": at_ms}
        )
        for row in pattern["sightings"] if at_ms > self._seen_since_ms else ():
            own = {
                "key": self._dated(row, at_ms, affiliate_id),
                "at_ms": at_ms,
                "customer_key": mailbox_key,
            }
            made["sightings"].append(tuple((row | own).values()))

    def _numbered(self, pattern: dict, place: int, at_ms: int) -> list[tuple]:
        numbers = {"accepted": self._accepted[place], "verified": self._verified[place]}
        own = {"day": at_ms // DAY_MS, "affiliate_id": self._affiliates[place], "at_ms": at_ms}
        return [
            tuple((row | own | {"no": numbers[row["counts"]]}).values()) for row in pattern["acceptances"]
        ]

    def _dated(self, row: dict, at_ms: int, affiliate_id: str) -> str:
        """A sighting's key in its own span of time, by the kind's window as the recorded key shows it."""
        span = row["key"].partition(".")[0]
        window_ms = next(each for each in WINDOWS_MS.values() if row["at_ms"] // each == int(span, 16))
        fresh = self._key()
        # As long as the recorded one; what is compared within an affiliate lies with the affiliate.
        return (
            f"{at_ms // window_ms:x}.{fresh if window_ms == SPELLINGS_MS else affiliate_id[-6:] + fresh[:16]}"
        )

    def _bytes(self, count: int) -> bytes:
        return self._chance.randbytes(count)

    def _key(self) -> str:
        return b2a_base64(self._chance.randbytes(16), newline=False)[:22].decode()


def _with(pattern: dict, table: str, own: dict) -> list[tuple]:
    return [tuple((row | own).values()) for row in pattern.get(table, ())]
