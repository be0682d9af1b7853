"""Clicks: answered at once, stored in groups a few milliseconds later; none that was answered is dropped."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import NamedTuple

import structlog

from refledger.core import addresses
from refledger.core.fingerprints import address_key, agent_key
from refledger.core.ids import make_id
from refledger.core.refusals import Reason, Refusal
from refledger.services.observe import Observers
from refledger.services.routes import AffiliateRoute, ProgramRoute
from refledger.store import clicks as store
from refledger.store.engine import Connection, Database, Unavailable, is_conflict, see

log = structlog.get_logger()

COMPARE_EVERY_S = 1.0
MOST_TOGETHER = 500  # a transaction holds the other writers up for no longer than this many take
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.05, 1.0
_LONGEST_WAIT_S = 5.0
_MOST_TEXT, _MOST_AGENT = 2000, 1024


class Visit(NamedTuple):
    """Who clicked and where. `why`: what gives away that no person did; None where nothing does."""

    address: str | None = None
    agent: str | None = None
    url: str | None = None
    referrer: str | None = None
    sub_id: str | None = None
    dest: str | None = None
    why: str | None = None


class ClickBuffer:
    """Takes clicks on the event loop; they are stored in groups, `flush_ms` after the first of a group at the latest:
    by a thread of its own, or in the transaction of whoever decides meanwhile (`riding`).
    """

    def __init__(
        self,
        database: Database,
        flush_ms: int,
        most: int,
        observers: Observers | None = None,
        clock_ms: Callable[[], int] | None = None,
    ):
        """`clock_ms`: by which the clicks are dated; without it they are stored with the times they have."""
        self._database, self._flush_s, self._most = database, flush_ms / 1000, most
        self._clock_ms, self._ahead, self._compare_s = clock_ms, 0, 0.0
        self._observers = observers or Observers()
        self._arrived: deque[tuple] = deque()
        self._accepted = self._done = 0
        self._stored = threading.Condition()  # of what is taken and not committed yet
        self._being_stored = 0
        self._spoiled = False  # something waits that cannot be stored with others
        self._awake, self._first_s = False, 0.0
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="clicks", daemon=True)

    def open(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Clicks answered and not stored yet."""
        return self._accepted - self._done

    def accept(self, row: tuple, why: str | None = None) -> Refusal | None:
        """Takes one click (`store.COLUMNS`) over, or refuses it. Called on the event loop."""
        if self.waiting >= self._most or self._closing.is_set():
            return Refusal(Reason.OVERLOADED)
        self._accepted += 1
        self._arrived.append((row, why))
        if not self._awake:
            self._awake, self._first_s = True, time.monotonic()
            self._wake.set()
        return None

    def drain(self, timeout_s: float) -> int:
        """Stores what waits and stops; answers how many could not be stored in that time."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        if self.waiting:
            log.error("clicks lost", clicks=self.waiting)
        return self.waiting

    @contextmanager
    def riding(self) -> Iterator[Callable[[Connection], None]]:
        """Lends a function that stores what waits in somebody else's transaction, which must end within.

        Whoever decides then sees every click that was answered before, and the clicks need no commit of their own.
        """
        taken: list[tuple] = []

        def ride(connection: Connection) -> None:
            # What another transaction stores just now is seen once that has ended.
            with self._stored:
                self._stored.wait_for(lambda: not self._being_stored, _LONGEST_WAIT_S)
            if not self._spoiled:
                self._take(taken, MOST_TOGETHER)
                self._write(connection, taken)

        try:
            yield ride
        except BaseException as error:
            self._spoiled = self._spoiled or (bool(taken) and not isinstance(error, Unavailable))
            self._give_back(taken)
            self._wake.set()
            raise
        self._count(len(taken))

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._arrived:
                self._closing.wait(max(0.0, self._first_s + self._flush_s - time.monotonic()))
            # In this order: a click that still finds us awake was appended before the queue is read.
            self._awake = False
            while self._arrived:
                self._store()
            self._observers.waiting("clicks", self.waiting)
            if self._closing.is_set() and not self._arrived:
                return

    def _store(self) -> None:
        """Until it is stored: while the database is out of reach the clicks are kept and tried again."""
        started_s, retry_s = time.monotonic(), _FIRST_RETRY_S
        while True:
            taken: list[tuple] = []
            try:
                # Taken only once it is our turn: what the queue does not hold any more is stored when the turn ends.
                with self._database.write() as connection:
                    self._take(taken, 1 if self._spoiled else MOST_TOGETHER)
                    self._write(connection, taken)
            except Unavailable as error:
                self._give_back(taken)
                log.warning("clicks wait for the database", why=str(error), clicks=self.waiting)
                self._observers.waiting("clicks", self.waiting)
                time.sleep(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
            except Exception as error:
                return self._isolate(taken, error)
            else:
                self._spoiled = self._spoiled and bool(self._arrived)
                self._count(len(taken))
                return self._observers.clicks_stored(len(taken), time.monotonic() - started_s)

    def _isolate(self, taken: list[tuple], error: Exception) -> None:
        """Only the guilty fail: what spoils a group is found by storing one at a time."""
        if len(taken) > 1:
            log.warning("clicks spoiled, storing one by one", why=repr(error), clicks=len(taken))
            self._spoiled = True
            self._give_back(taken)
            return
        if not is_conflict(error):
            # A conflict means that it is stored: ids are unique, and only the answer to its commit was lost.
            log.error("fault while storing a click", click_id=taken[0][0][1], why=repr(error))
        self._count(len(taken))

    def _write(self, connection: Connection, taken: list[tuple]) -> None:
        if not taken:
            return
        see(connection, {row[0] for row, _ in taken})
        ahead_ms = self._ahead_ms(connection)
        # The time is the last value of a row.
        rows = [((*row[:-1], row[-1] - ahead_ms), why) for row, why in taken] if ahead_ms else taken
        store.store(connection, [row for row, why in rows if why is None])
        store.store_automated(connection, [(*row, why) for row, why in rows if why is not None])

    def _ahead_ms(self, connection: Connection) -> int:
        """How far the clock that dated the clicks is ahead of the one that counts, which conversions are dated by;
        compared once in a while.
        """
        if self._clock_ms is not None and time.monotonic() >= self._compare_s:
            self._compare_s = time.monotonic() + COMPARE_EVERY_S
            own_ms = self._clock_ms()
            self._ahead = own_ms - self._database.now_ms(connection, own_ms)
        return self._ahead

    def _take(self, taken: list[tuple], most: int) -> None:
        with self._stored:
            with suppress(IndexError):
                while len(taken) < most:
                    taken.append(self._arrived.popleft())
            self._being_stored += len(taken)

    def _give_back(self, taken: list[tuple]) -> None:
        with self._stored:
            self._arrived.extendleft(reversed(taken))
            self._being_stored -= len(taken)
            self._stored.notify_all()
        taken.clear()

    def _count(self, clicks: int) -> None:
        with self._stored:
            self._done += clicks
            self._being_stored -= clicks
            self._stored.notify_all()


class Clicks:
    """Makes clicks of visits."""

    def __init__(self, buffer: ClickBuffer, clock_ms: Callable[[], int], entropy: Callable[[int], bytes]):
        self._buffer, self._clock_ms, self._entropy = buffer, clock_ms, entropy

    def note(
        self, program: ProgramRoute, affiliate: AffiliateRoute, mode: str, source: str, visit: Visit
    ) -> str | Refusal:
        """The id of the click, which will be stored; or why it cannot be."""
        now_ms = self._clock_ms()
        click_id = make_id("click", now_ms, self._entropy(10))
        agent = _clean(visit.agent, _MOST_AGENT)
        address = addresses.parse(visit.address) if visit.address else None
        # Without an address nothing tells two visitors apart: each such click is a visitor of its own.
        key = click_id
        if address is not None:
            key = address_key(program.key, affiliate.id, mode, address.unit)
        row = (
            program.merchant_id,
            click_id,
            program.id,
            affiliate.id,
            mode,
            source,
            key,
            _agent_key(program.key, agent or ""),
            address.text if address is not None else None,
            agent,
            _clean(visit.url, _MOST_TEXT),
            _clean(visit.referrer, _MOST_TEXT),
            _clean(visit.sub_id, 200),
            _clean(visit.dest, 32),
            now_ms,
        )
        return self._buffer.accept(row, visit.why) or click_id


@lru_cache(maxsize=4096)
def _agent_key(key: bytes, agent: str) -> str:
    """Many visitors, few agents."""
    return agent_key(key, agent)


def _clean(text: str | None, most: int) -> str | None:
    """As it can be stored: not too long, trimmed, without what one of the databases refuses."""
    if not text:
        return None
    if "\0" in text:
        text = text.replace("\0", "")
    return text[:most].strip() or None
