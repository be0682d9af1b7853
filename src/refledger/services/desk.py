"""The desk: conversions are settled several at once, and answered when they are durable.

Synchronous inside, asynchronous at the door. One thread takes whoever is waiting, up to a cap, and settles them in
one transaction; while it commits, the next group gathers by itself. There is no timer, so a lone request never waits.
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
    """Takes claims from the event loop, settles them in groups on a thread of its own."""

    def __init__(self, settle: Settle, cap: int, max_waiting: int, observers: Observers | None = None):
        self._settle, self._cap, self._max_waiting = settle, cap, max_waiting
        self._observers = observers or Observers()
        self._waiting: deque[tuple[Any, asyncio.Future]] = deque()
        self._wake = threading.Condition()
        self._idle = True
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

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
        if self._idle:
            with self._wake:
                self._wake.notify()
        return future

    def close(self, timeout_s: float) -> bool:
        """Settles all that waits, then stops; False if that took too long. Takes no new claims meanwhile."""
        self._closing = True
        with self._wake:
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while group := self._next_group():
            self._serve(group)

    def _next_group(self) -> list[tuple[Any, asyncio.Future]]:
        """Whoever waits, at most the cap; empty only when closing."""
        with self._wake:
            self._idle = True
            while not self._waiting:
                if self._closing:
                    return []
                self._wake.wait(timeout=0.5)
            self._idle = False
        return [self._waiting.popleft() for _ in range(min(self._cap, len(self._waiting)))]

    def _serve(self, group: list[tuple[Any, asyncio.Future]]) -> None:
        started = time.perf_counter()
        outcomes = self._settle_or_say_why([claim for claim, _ in group])
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

    def _settle_or_say_why(self, claims: list[Any]) -> Sequence[Any]:
        """Only the guilty fail: when something unexpected spoils a group, its members are settled one by one."""
        try:
            return self._settle_again(claims)
        except Unavailable as error:
            log.warning("database unavailable", why=str(error), claims=len(claims))
            return [Refusal(Reason.UNAVAILABLE)] * len(claims)
        except Exception as error:
            if len(claims) == 1:
                log.exception("fault while settling", request_id=getattr(claims[0], "request_id", None))
                return [Refusal(Reason.FAULT)]
            log.warning("group spoiled, settling one by one", why=repr(error), claims=len(claims))
            return [self._settle_or_say_why([claim])[0] for claim in claims]

    def _settle_again(self, claims: list[Any]) -> Sequence[Any]:
        """The unique index is the referee: on a violation, a deadlock or a serialization failure, look again."""
        for left in reversed(range(_TRIES)):
            try:
                return self._settle(claims)
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
