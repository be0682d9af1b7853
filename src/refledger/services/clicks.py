"""Clicks: answered at once, stored in groups a few milliseconds later; none that was answered is dropped."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import structlog

from refledger.core import addresses
from refledger.core.fingerprints import fingerprint
from refledger.core.ids import make_id
from refledger.core.refusals import Reason, Refusal
from refledger.services.observe import Observers
from refledger.services.routes import AffiliateRoute, ProgramRoute
from refledger.store import clicks as store
from refledger.store.engine import Database, Unavailable, is_conflict

log = structlog.get_logger()

MOST_TOGETHER = 500  # a transaction holds the other writers up for no longer than this many take
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.05, 1.0
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
    """Takes clicks on the event loop; one thread stores them, `flush_ms` after the first of a group."""

    def __init__(self, database: Database, flush_ms: int, most: int, observers: Observers | None = None):
        self._database, self._flush_s, self._most = database, flush_ms / 1000, most
        self._observers = observers or Observers()
        self._arrived: deque[tuple] = deque()
        self._storing = 0
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
        return len(self._arrived) + self._storing

    def accept(self, row: tuple, why: str | None = None) -> Refusal | None:
        """Takes one click (`store.COLUMNS`) over, or refuses it. Called on the event loop."""
        if self.waiting >= self._most or self._closing.is_set():
            return Refusal(Reason.OVERLOADED)
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

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._arrived:
                self._closing.wait(max(0.0, self._first_s + self._flush_s - time.monotonic()))
            # In this order: a click that still finds us awake was appended before the queue is read.
            self._awake = False
            while self._arrived:
                self._storing = min(MOST_TOGETHER, len(self._arrived))
                self._store([self._arrived.popleft() for _ in range(self._storing)])
                self._storing = 0
            self._observers.waiting("clicks", self.waiting)
            if self._closing.is_set() and not self._arrived:
                return

    def _store(self, group: list[tuple]) -> None:
        """Until it is stored: while the database is out of reach the group is kept and tried again."""
        started_s, retry_s = time.monotonic(), _FIRST_RETRY_S
        while True:
            try:
                self._write(group)
            except Unavailable as error:
                log.warning("clicks wait for the database", why=str(error), clicks=self.waiting)
                self._observers.waiting("clicks", self.waiting)
                time.sleep(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
            except Exception as error:
                return self._store_one_by_one(group, error)
            else:
                return self._observers.clicks_stored(len(group), time.monotonic() - started_s)

    def _store_one_by_one(self, group: list[tuple], error: Exception) -> None:
        """Only the guilty fail."""
        if len(group) > 1:
            log.warning("clicks spoiled, storing one by one", why=repr(error), clicks=len(group))
            for each in group:
                self._store([each])
        elif not is_conflict(error):
            # A conflict means that it is stored: ids are unique, and only the answer to its commit was lost.
            log.error("fault while storing a click", click_id=group[0][0][1], why=repr(error))

    def _write(self, group: list[tuple]) -> None:
        with self._database.write() as connection:
            store.store(connection, [row for row, why in group if why is None])
            store.store_automated(connection, [(*row, why) for row, why in group if why is not None])


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
        address_key = ""
        if address is not None:
            address_key = fingerprint(program.key, "click", affiliate.id, mode, address.unit)
        row = (
            program.merchant_id,
            click_id,
            program.id,
            affiliate.id,
            mode,
            source,
            address_key,
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
    return fingerprint(key, "agent", agent)


def _clean(text: str | None, most: int) -> str | None:
    """As it can be stored: not too long, trimmed, without what one of the databases refuses."""
    if not text:
        return None
    if "\0" in text:
        text = text.replace("\0", "")
    return text[:most].strip() or None
