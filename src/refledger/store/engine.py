"""The two engines, and every difference between them that is not a statement's text (`store.statements`)."""

import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from refledger.store.faults import Unavailable as Unavailable
from refledger.store.faults import does_not_lead, named_faults
from refledger.store.faults import is_conflict as is_conflict
from refledger.store.faults import is_unavailable as is_unavailable

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
            self.writer = _postgresql(self.url, wait_s)
            # Under READ COMMITTED each statement sees another moment, and whoever reads two would see them differ.
            self.reader = self.writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        # PostgreSQL's, for several machines share it; False where times are made up, as for a demo.
        self.has_own_clock = not self.is_sqlite
        self.groups_in_flight = 1 if self.is_sqlite else 2
        # SQLite admits one writer: our own threads queue here, fairly, rather than by polling the file.
        self.turn = _Turn(wait_s) if self.is_sqlite else nullcontext()
        self.writing: Connection | None = None  # SQLite: for whose turn it is

    @contextmanager
    def write(self, *merchant_ids: str) -> Iterator[Connection]:
        """One transaction that may write; commits at the end, rolls back on any exception.

        `merchant_ids`: whose rows it is about (see `see`).
        """
        with self.turn, named_faults(), self._writer() as writer, writer.begin(), _dropped_if_spent(writer):
            see(writer, merchant_ids)
            yield writer

    @contextmanager
    def _writer(self) -> Iterator[Connection]:
        if not self.is_sqlite:
            with self.writer.connect() as connection:
                yield connection
            return
        # Its one writing connection stays at hand: to fetch it from the pool costs as much as several statements.
        if self.writing is None:
            self.writing = self.writer.connect()
        try:
            yield self.writing
        except BaseException:
            raw = self.writing.connection.driver_connection
            if raw.in_transaction:  # a commit that failed leaves it open
                raw.rollback()
            raise

    @contextmanager
    def read(self, *merchant_ids: str) -> Iterator[Connection]:
        """One consistent snapshot, of these merchants' rows."""
        with named_faults(), self.reader.connect() as connection, _dropped_if_spent(connection):
            see(connection, merchant_ids)
            yield connection

    def hold(self, connection: Connection, keys: Iterable[int], now_ms: int) -> int:
        """Holds the keys (see `hold`) and answers the time, taken once they are held."""
        hold(connection, keys)
        return self.now_ms(connection, now_ms)

    def now_ms(self, connection: Connection, now_ms: int) -> int:
        """The time that counts: the database's own, if it has one; else the one given."""
        if not self.has_own_clock:
            return now_ms
        wait_ms = _wait_ms(connection)
        parameters = [str(wait_ms), str(max(_LEAST_IDLE_MS, 2 * wait_ms))]
        return connection.connection.driver_connection.execute(CLOCK, parameters).fetchone()[0]

    def close(self) -> None:
        with self.turn:
            if self.writing is not None:
                self.writing.close()
                self.writing = None
        self.writer.dispose()
        self.reader.dispose()


class Checkpoints:
    """Moves what SQLite's log has gathered into the database file, beside the writers instead of among them.

    Left to itself, SQLite does it inside a commit every thousand pages: under load, after every other group.
    Durability is untouched: a commit is in the log, and the log on the disk, before anything is answered.
    """

    EVERY_S = 0.25
    LOG_FRAMES = 4096  # pages: 16 MiB

    def __init__(self, database: Database):
        self._database = database
        self._index = Path(f"{database.url.database}-shm")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)

    def open(self) -> None:
        if self._database.is_sqlite:
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._closing.wait(self.EVERY_S):
            with suppress(OSError, sqlite3.Error, DBAPIError, Unavailable):
                if self._frames() >= self.LOG_FRAMES:
                    self._move()

    def _frames(self) -> int:
        """Pages in the log: `mxFrame` of the log's index (SQLite's WAL file format, "The WAL-Index Header")."""
        with self._index.open("rb") as index:
            return int.from_bytes(index.read(20)[16:], sys.byteorder)

    def _move(self) -> None:
        raw = sqlite3.connect(self._database.url.database, timeout=0, isolation_level=None)
        try:
            raw.execute("PRAGMA synchronous = FULL")
            # Most of it while others write; the rest in our turn, so that the log can begin anew. Where somebody
            # still reads from it, it is left for the next time rather than waited for. The log is written over, not
            # cut: a file that need not grow is synced in half the time.
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
            with self._database.turn:
                raw.execute("PRAGMA wal_checkpoint(RESTART)")
        finally:
            raw.close()


# The mark is no lock: it makes the transaction one that writes, whose commit waits for replicas that have to confirm.
# One that only finds an earlier answer would not wait, and that answer's own commit may have been cut off waiting.
HOLD = """
SELECT count(pg_advisory_xact_lock(k)), pg_logical_emit_message(true, 'refledger', '')
FROM unnest(CAST(%s AS bigint[])) AS k"""


EVERYONE = "*"  # for what is about the whole installation


def see(connection: Connection, merchant_ids: Iterable[str]) -> None:
    """From here on the transaction sees the rows of these merchants, and no others; `EVERYONE`: all.

    A second wall behind each statement's own condition: PostgreSQL's row-level security, which stands where the
    service's role does not own the tables (docs/scaling.md). Without a word it shows nothing.
    """
    if merchant_ids and connection.dialect.name != "sqlite":
        parameters = [",".join(merchant_ids), str(_wait_ms(connection))]
        connection.connection.driver_connection.execute(SEE, parameters)


# Both bound the transaction besides: no statement waits for ever behind somebody's lock, and whoever holds keys and has
# fallen silent, its machine perhaps gone, lets them go. They ride along, for a statement of their own is a journey.
SEE = "SELECT set_config('refledger.merchants', %s, true), set_config('lock_timeout', %s, true)"
CLOCK = """
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint),
  set_config('lock_timeout', %s, true), set_config('idle_in_transaction_session_timeout', %s, true)"""
_LEAST_IDLE_MS = 5000


def _wait_ms(connection: Connection) -> int:
    return connection.get_execution_options()["wait_ms"]


def hold(connection: Connection, keys: Iterable[int]) -> None:
    """Nobody else decides about these keys until the transaction ends, and its commit is as durable as any.

    PostgreSQL: transaction-level locks, sorted here, taken by a statement of its own. On SQLite the transaction
    holds everything already.
    """
    if connection.dialect.name != "sqlite":
        connection.connection.driver_connection.execute(HOLD, [sorted(set(keys))])


def together(connection: Connection) -> AbstractContextManager:
    """What runs within, its results not looked at, goes to PostgreSQL in one journey; a fault is raised at its end."""
    if connection.dialect.name == "sqlite":
        return nullcontext()
    return connection.connection.driver_connection.pipeline()


class _Turn:
    """A lock that serves in the order of asking: a busy desk must not starve whoever else writes.

    Whoever waits too long leaves the queue: behind a locked database each turn ends only with its own wait, and
    those who queue would else wait one after the other, for minutes.
    """

    def __init__(self, wait_s: float):
        self._wait_s = wait_s
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
        if not gate.acquire(timeout=self._wait_s):
            self._leave(gate)

    def _leave(self, gate: threading.Lock) -> None:
        with self._guard:
            if gate in self._waiting:  # else the turn came at the last moment, and is ours
                self._waiting.remove(gate)
                raise Unavailable("others are writing for too long")

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
        raw.execute("PRAGMA cache_size = -262144")
        # A backstop only: `Checkpoints` comes long before, and a command line that writes little never needs one.
        raw.execute("PRAGMA wal_autocheckpoint = 50000")
        # A log that once grew, behind a long reader, is cut back to this when it begins anew.
        raw.execute("PRAGMA journal_size_limit = 67108864")
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
    event.listen(writer, "checkin", _leave_no_transaction)
    return writer, reader


def _leave_no_transaction(raw: sqlite3.Connection | None, _record) -> None:
    """After a COMMIT that failed the transaction is still open, and the next BEGIN would fail for ever."""
    if raw is not None and raw.in_transaction:
        raw.rollback()


def _postgresql(url, wait_s: float) -> Engine:
    whole_s = max(1, round(wait_s))
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_size=8,
        max_overflow=8,
        pool_timeout=wait_s,
        pool_pre_ping=True,
        execution_options={"wait_ms": max(1, round(1000 * wait_s))},
        connect_args={
            "prepare_threshold": None,
            "connect_timeout": whole_s,
            # A server that is gone without a word is given up after about three times that long.
            "keepalives_idle": whole_s,
            "keepalives_interval": whole_s,
            "keepalives_count": 2,
            "tcp_user_timeout": 2000 * whole_s,
        },
    )
    event.listen(engine, "checkin", _leave_no_access_mode)
    return engine


def _leave_no_access_mode(raw: Any, _record) -> None:
    """After a reader SQLAlchemy leaves "read and write", and the next BEGIN would demand it: of a replica in vain, with
    an error that says no more than that it cannot.
    """
    if raw is not None and not raw.closed:
        raw.read_only = None


@contextmanager
def _dropped_if_spent(connection: Connection) -> Iterator[None]:
    """After a fault on PostgreSQL, no connection is used again that is lost or out of step, or whose server leads no
    more: to ask whether it answers would not tell the last, and the next ones to write would hear the same.
    """
    try:
        yield
    except BaseException as error:
        if connection.dialect.name != "sqlite" and not connection.invalidated:
            raw, replaced = connection.connection.driver_connection, does_not_lead(error)
            if replaced:
                connection.engine.dispose()  # those that rest
            if replaced or raw.closed or raw.pgconn.pipeline_status:
                connection.invalidate()
        raise


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000
