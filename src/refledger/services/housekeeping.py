"""What a running service does on the side: counts answers for the doctor, and forgets what is old enough."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from refledger.core.programs import DAY_MS, HOUR_MS
from refledger.core.refusals import Reason
from refledger.services import retention
from refledger.services.histories import CONFIRMED_MS, WINDOWS_MS
from refledger.services.whereabouts import KEPT_FOR_MS
from refledger.services.writing import REMEMBERED_MS
from refledger.store import housekeeping as store
from refledger.store.engine import EVERYONE, Database

log = structlog.get_logger()

COUNT_EVERY_S = 10.0
FORGET_EVERY_ROUNDS = 360  # of counting: an hour
FORGET_FIRST_ROUND = 6  # a minute after the start: what is restarted every half hour forgets too

# Kept for so long: reports without a code, remembered answers, sightings (the longest window any signal has; what was
# confirmed as fraud is held against somebody for longer), the numbers of accepted conversions (a day is the longest
# window any limit has; a week more, for a clock that is ahead for a while must not make a limit forget), places where
# mailboxes were.
KEPT_MS = {
    "attempts": 30 * DAY_MS,
    "idempotency": REMEMBERED_MS,
    "sightings": max(WINDOWS_MS.values()),
    "confirmed": max(CONFIRMED_MS.values()),
    "acceptances": 8 * DAY_MS,
    "whereabouts": KEPT_FOR_MS,
}

# Given before a merchant is known, so that no attempt tells of them.
COUNTED = frozenset(
    {Reason.INVALID_BODY, Reason.INVALID_KEY, Reason.BODY_TIMEOUT, Reason.OVERLOADED, Reason.UNAVAILABLE}
)


class Housekeeping:
    """One thread; what it cannot do now it does the next time."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int],
        keep_days: Mapping[str, int] = retention.KEEP_DAYS,
    ):
        """`keep_days`: addresses and mailboxes → for how long."""
        self._database, self._clock, self._keep_days = database, clock, keep_days
        self._counts: Counter[str] = Counter()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="housekeeping", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def count(self, code: str) -> None:
        """Called on the event loop, for every answer to a report."""
        if code in COUNTED:
            self._counts[code] += 1

    def _work(self) -> None:
        rounds = 0
        while not self._closing.wait(COUNT_EVERY_S):
            rounds += 1
            self._try(self._store_counts)
            if rounds % FORGET_EVERY_ROUNDS == FORGET_FIRST_ROUND:
                self._try(self.forget)
        self._try(self._store_counts)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.warning("housekeeping failed, will try again", work=work.__name__, why=repr(error))

    def _store_counts(self) -> None:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._database.write() as connection:
                now_ms = self._database.now_ms(connection, self._clock())
                store.count_answers(connection, now_ms - now_ms % HOUR_MS, counts)
        except Exception:
            self._counts.update(counts)
            raise

    def forget(self) -> None:
        """Removes all that is older than it is kept, merchant by merchant, a few rows at a time, and what is personal
        from rows that stay.
        """
        with self._database.read(EVERYONE) as connection:
            merchant_ids = store.merchant_ids(connection)
        for merchant_id in merchant_ids:
            for kind, (find, drop) in store.KINDS.items():
                until_ms = self._now_ms() - KEPT_MS[kind]
                while old := self._find(find, merchant_id, until_ms):
                    for batch in store.in_batches(old):
                        with self._database.write(merchant_id) as connection:
                            drop(connection, merchant_id, batch, until_ms)
                        if self._closing.is_set():
                            return
            retention.drop_old(
                self._database, merchant_id, self._now_ms(), self._keep_days, self._closing.is_set
            )

    def _now_ms(self) -> int:
        """A machine whose clock is ahead must not forget what limits and signals still look back on."""
        with self._database.read() as connection:
            return self._database.now_ms(connection, self._clock())

    def _find(self, find: store.Find, merchant_id: str, until_ms: int) -> list[tuple]:
        with self._database.read(merchant_id) as connection:
            return find(connection, merchant_id, until_ms)
