"""Seals entries that are some minutes old, in the background (`core.seals`)."""

import threading
from collections.abc import Callable

import structlog

from refledger.core import seals
from refledger.core.ids import FIRST, make_id, time_ms
from refledger.core.programs import MINUTE_MS
from refledger.store import housekeeping
from refledger.store import seals as store
from refledger.store.engine import EVERYONE, Connection, Database, is_conflict

log = structlog.get_logger()

EVERY_S = 60.0
# A transaction that was dated before then has ended, one way or the other: its statements, its locks and its idle times
# are bounded by seconds.
AFTER_MS = 10 * MINUTE_MS
# So many entries, and what else their last cause has: the fewer, the closer a seal leads to what was changed.
MOST_ENTRIES = 10_000


class Sealing:
    """One thread; what it cannot do now it does the next time. Of several processes the first one wins."""

    def __init__(self, database: Database, clock: Callable[[], int]):
        self._database, self._clock = database, clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sealing", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def _work(self) -> None:
        while not self._closing.wait(EVERY_S):
            try:
                self.seal_all()
            except Exception as error:
                log.warning("sealing failed, will try again", why=repr(error))

    def seal_all(self) -> None:
        """Every merchant's entries that are old enough."""
        with self._database.read(EVERYONE) as connection:
            merchant_ids = housekeeping.merchant_ids(connection)
            now_ms = self._database.now_ms(connection, self._clock())
        for merchant_id in merchant_ids:
            while not self._closing.is_set() and seal_next(self._database, merchant_id, now_ms):
                pass


def seal_next(database: Database, merchant_id: str, now_ms: int) -> bool:
    """Makes the merchant's next seal; False where there is nothing to be sealed, or another process was first."""
    with database.read(merchant_id) as connection:
        last = store.last_seal(connection, merchant_id) or seals.NOTHING
        before_cause = make_id("evt", now_ms - AFTER_MS + 1, FIRST)
        span = (merchant_id, last["until_cause"])
        until_cause = store.end_of_batch(connection, *span, before_cause, MOST_ENTRIES)
        if until_cause is None:
            return False
        frames = store.frames(connection, *span, until_cause)
    row = seals.seal(last, until_cause, frames, len(frames), now_ms)
    try:
        with database.write(merchant_id) as connection:
            store.add(connection, merchant_id, row, time_ms(until_cause))
    except Exception as error:
        if not is_conflict(error):
            raise
        return False
    return True


def dated(connection: Connection, merchant_id: str, now_ms: int) -> int:
    """The time of an event that happens now: after everything that is sealed, whatever a clock does."""
    return max(now_ms, store.sealed_ms(connection, merchant_id) + 1)
