"""The desk: conversions are settled several at once, and answered when they are durable.

Synchronous inside, asynchronous at the door. A thread takes whoever is waiting, up to a cap, and settles them in
one transaction; while it commits, the next group gathers by itself. There is no timer, so a lone request never waits.
SQLite has one such thread; PostgreSQL two, so that one group is gathered while another commits.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from refledger.core.refusals import Reason, Refusal
from refledger.services.observe import Observers
from refledger.store.engine import Unavailable, is_conflict

log = structlog.get_logger()

_TRIES = 5


class LaterPlease:
    """What settling answers for a member that contends with an earlier one of its group: the next group takes it."""


LATER = LaterPlease()

# Settles a group in one transaction; answers one outcome, or LATER, for each member, in order.
Settle = Callable[[Sequence[Any]], Sequence[Any]]


class Desk:
    """Takes claims from the event loop, settles them in groups on threads of its own.

    `settles`: one for each thread. `patience_s`: whoever is not settled within it is told so; a write that is under way
    goes on all the same, for nobody could say whether a cancelled one took place.
    """

    def __init__(
        self,
        settles: Sequence[Settle],
        cap: int,
        max_waiting: int,
        observers: Observers | None = None,
        patience_s: float = 10.0,
    ):
        self._cap, self._max_waiting, self._patience_s = cap, max_waiting, patience_s
        self._observers = observers or Observers()
        self._waiting: deque[tuple[Any, asyncio.Future]] = deque()
        self._promised: deque[tuple[float, asyncio.Future]] = deque()  # until when, the earliest first
        self._wake = threading.Condition()
        self._idle = 0
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, args=[settle], name="desk", daemon=True) for settle in settles
        ]
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, claim: Any) -> asyncio.Future:
        """The outcome to come; a `Refusal` at once when too many wait already. Called on the event loop."""
        future = self._loop.create_future()
        if len(self._waiting) >= self._max_waiting or self._closing:
            future.set_result(Refusal(Reason.OVERLOADED))
            return future
        self._waiting.append((claim, future))
        promised = self._promised
        while len(promised) > 1 and promised[0][1].done():
            promised.popleft()
        if not promised:
            self._loop.call_later(self._patience_s, self._keep_promises)
        promised.append((self._loop.time() + self._patience_s, future))
        if self._idle:
            with self._wake:
                self._wake.notify()
        return future

    def _keep_promises(self) -> None:
        now_s, late = self._loop.time(), 0
        while self._promised and (self._promised[0][1].done() or self._promised[0][0] <= now_s):
            future = self._promised.popleft()[1]
            if not future.done():
                future.set_result(Refusal(Reason.UNAVAILABLE))
                late += 1
        if late:
            log.warning("not settled in time", claims=late, waiting=len(self._waiting))
        if self._promised:
            self._loop.call_at(self._promised[0][0], self._keep_promises)

    def close(self, timeout_s: float) -> bool:
        """Settles all that waits, then stops; False if that took too long. Takes no new claims meanwhile."""
        self._closing = True
        with self._wake:
            self._wake.notify_all()
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, settle: Settle) -> None:
        while group := self._next_group():
            self._serve(settle, group)

    def _next_group(self) -> list[tuple[Any, asyncio.Future]]:
        """Whoever waits, at most the cap; empty only when closing."""
        group: list[tuple[Any, asyncio.Future]] = []
        with self._wake:
            self._idle += 1
            while not group:
                while not self._waiting:
                    if self._closing:
                        return []
                    self._wake.wait(timeout=0.5)
                while self._waiting and len(group) < self._cap:
                    claim, future = self._waiting.popleft()
                    if future.cancelled() or not future.done():  # else its sender was told to come again
                        group.append((claim, future))
            self._idle -= 1
        return group

    def _serve(self, settle: Settle, group: list[tuple[Any, asyncio.Future]]) -> None:
        started = time.perf_counter()
        outcomes = self._settle_or_say_why(settle, [claim for claim, _ in group])
        answered, later = [], []
        for (claim, future), outcome in zip(group, outcomes, strict=True):
            if outcome is LATER:
                later.append((claim, future))
            else:
                answered.append((future, outcome))
        self._waiting.extendleft(reversed(later))
        self._loop.call_soon_threadsafe(_answer, answered)
        self._observers.group_settled(len(answered), time.perf_counter() - started)
        self._observers.waiting("conversions", len(self._waiting))

    def _settle_or_say_why(self, settle: Settle, claims: list[Any]) -> Sequence[Any]:
        """Only the guilty fail: when something unexpected spoils a group, its members are settled one by one."""
        try:
            return self._settle_again(settle, claims)
        except Unavailable as error:
            log.warning("database unavailable", why=str(error), claims=len(claims))
            return [Refusal(Reason.UNAVAILABLE)] * len(claims)
        except Exception as error:
            if len(claims) == 1:
                log.exception("fault while settling", request_id=getattr(claims[0], "request_id", None))
                return [Refusal(Reason.FAULT)]
            log.warning("group spoiled, settling one by one", why=repr(error), claims=len(claims))
            return [self._settle_or_say_why(settle, [claim])[0] for claim in claims]

    def _settle_again(self, settle: Settle, claims: list[Any]) -> Sequence[Any]:
        """The unique index is the referee: on a violation, a deadlock or a serialization failure, look again."""
        for left in reversed(range(_TRIES)):
            try:
                return settle(claims)
            except Unavailable:
                raise
            except Exception as error:
                if not left or not is_conflict(error):
                    raise
        raise AssertionError("unreachable")


def _answer(answered: list[tuple[asyncio.Future, Any]]) -> None:
    for future, outcome in answered:
        if not future.done():
            future.set_result(outcome)
