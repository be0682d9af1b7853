"""Cuts the power at random moments of a recorded life, opens what the disk holds, and asks what is missing.

It is opened by the standard library's `sqlite3`, as after a real cut: SQLite itself repairs what was under way. What
the database holds then is looked at once for each content that was not seen before, and compared with what had been
promised at each cut.
"""

import hashlib
import multiprocessing
import shutil
import sqlite3
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.journeys.checks import faults
from tests.powercuts.disk import Disk, Model
from tests.powercuts.load import MEMORY, NAME, RECORDER, ROUNDS, Recording, State, record
from tests.powercuts.recorder import CREATE, WRITE
from tests.powercuts.shim import Driver

# How a promised row is found again, by table.
IDS = {
    "merchants": "SELECT merchant_id FROM merchants",
    "affiliates": "SELECT id FROM affiliates",
    "clicks": "SELECT id FROM clicks",
    "conversions": "SELECT id FROM conversions",
    "attempts": "SELECT request_id FROM attempts",
    "idempotency": "SELECT body_key FROM idempotency",
}
STATES = "SELECT id, decision, refunded, dispute, commission_minor FROM conversions"
LOG_HEADER_BYTES = 32


class Found(NamedTuple):
    """What a database holds: what is wrong with it by itself, its rows, the states of its conversions."""

    wrong: list[str]
    rows: frozenset[tuple[str, str]]
    states: dict[str, State]


class Job(NamedTuple):
    """One life and its cuts. `synchronous`: of connections that write; `moving`: of the one that moves the log."""

    seed: int
    cuts: int
    synchronous: str = "FULL"
    moving: str = "FULL"
    model: Model = Model()
    rounds: int = ROUNDS


@dataclass
class Tally:
    """`losing`: cuts after which something promised was missing. `wrong`: what no cut may do, in words."""

    cuts: int = 0
    losing: int = 0
    examples: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    contents: int = 0  # different databases found
    unfinished: int = 0  # cuts at which unsynced writes were under way
    promises: int = 0
    logs_written_over: int = 0  # how often a log was begun anew over what it held

    def add(self, other: "Tally") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def run(jobs: Iterable[Job], processes: int, tell: Callable[[Tally], None] | None = None) -> Tally:
    """All jobs, on so many processes. `tell`: called after each, with the sum so far."""
    total, fresh = Tally(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=fresh) as pool:
        for done in as_completed([pool.submit(work, job) for job in jobs]):
            total.add(done.result())
            if tell:
                tell(total)
    return total


def work(job: Job) -> Tally:
    recording = record(job.seed, Driver(RECORDER, job.synchronous, job.moving), job.rounds)
    folder = Path(tempfile.mkdtemp(prefix="refledger-cut-", dir=MEMORY))
    try:
        return _Cutter(recording, folder).cut(job)
    finally:
        shutil.rmtree(folder)


class _Cutter:
    def __init__(self, recording: Recording, folder: Path):
        self._recording, self._folder = recording, folder
        self._found: dict[bytes, Found] = {}
        self._promised_at = sorted({since for since, *_ in recording.rows + recording.all_states()})
        self._compared: dict[tuple[int, int], list[str]] = {}

    def cut(self, job: Job) -> Tally:
        records, random = self._recording.records, Random(job.seed)
        tally = Tally(promises=len(self._recording.rows), logs_written_over=_logs_written_over(records))
        disk, at = Disk(job.model), 0
        for position in sorted(random.randrange(len(records) + 1) for _ in range(job.cuts)):
            for each in records[at:position]:
                disk.do(each)
            at = position
            found = self._open(disk.cut(random), random)
            missing = self._missing(position, found)
            where = f"life {job.seed}, cut at {position} of {len(records)}"
            tally.cuts += 1
            tally.losing += bool(missing)
            tally.unfinished += disk.is_unfinished
            tally.examples += [f"{where}: {each}" for each in missing[: 3 - len(tally.examples)]]
            tally.wrong += [f"{where}: {each}" for each in found.wrong[: max(0, 10 - len(tally.wrong))]]
        tally.contents = len(self._found)
        return tally

    def _missing(self, position: int, found: Found) -> list[str]:
        """The same for all cuts between two promises that lead to the same content."""
        case = (bisect_right(self._promised_at, position), id(found))
        if case not in self._compared:
            self._compared[case] = list(_missing(self._recording, position, found))
        return self._compared[case]

    def _open(self, files: dict[str, bytearray], random: Random) -> Found:
        for path in self._folder.iterdir():
            path.unlink()
        for name, content in files.items():
            (self._folder / name).write_bytes(content)
        if random.random() < 0.5:  # the log's index may be left over, with anything in it
            (self._folder / f"{NAME}-shm").write_bytes(random.randbytes(32768))
        path = self._folder / NAME
        with closing(sqlite3.connect(path, isolation_level=None)) as opened:
            try:
                (pages,) = opened.execute("PRAGMA page_count").fetchone()
                content = hashlib.blake2b(opened.serialize() if pages else b"").digest()
                if content not in self._found:
                    self._found[content] = _look(opened, path)
            except sqlite3.Error as error:
                content = repr(error).encode()
                self._found.setdefault(content, Found([repr(error)], frozenset(), {}))
        return self._found[content]


def _look(opened: sqlite3.Connection, path: Path) -> Found:
    wrong = [row[0] for row in opened.execute("PRAGMA integrity_check") if row[0] != "ok"]
    tables = {row[0] for row in opened.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if wrong or not tables:
        return Found(wrong, frozenset(), {})
    if missing := IDS.keys() - tables:
        return Found([f"half a migration: there is no {sorted(missing)}"], frozenset(), {})
    stored = frozenset((table, row[0]) for table, sql in IDS.items() for row in opened.execute(sql))
    states = {row[0]: (row[1], bool(row[2]), *row[3:]) for row in opened.execute(STATES)}
    return Found(faults(f"sqlite:///{path}"), stored, states)


def _missing(recording: Recording, position: int, found: Found) -> Iterator[str]:
    """Of what was promised before the cut; a state may be followed by one that was under way."""
    for since, table, row_id in recording.rows:
        if since <= position and (table, row_id) not in found.rows:
            yield f"{row_id} is lost from {table}"
    for conversion_id, states in recording.states.items():
        promised = [state for since, state in states if since <= position]
        if promised and conversion_id in found.states:
            allowed = [state for _, state in states[len(promised) - 1 :]]
            if found.states[conversion_id] not in allowed:
                yield f"{conversion_id} is {found.states[conversion_id]}, promised was {promised[-1]}"


def _logs_written_over(records: list[tuple]) -> int:
    logs = {each[2] for each in records if each[0] == CREATE and each[1].endswith("-wal")}
    heads = [each for each in records if each[0] == WRITE and each[1] in logs and each[2] == 0]
    return sum(len(each[3]) == LOG_HEADER_BYTES for each in heads) - len({each[1] for each in heads})
