"""Look-ups of the event loop, made together: whatever waits is read in one thread, in one snapshot.

A hop to a thread and a transaction cost several times what a point look-up does. A lone one starts at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

from refledger.store.engine import Database, Unavailable

Load = Callable[..., Any]

MOST_TOGETHER = 64
# Threads of their own: calls of the management API that wait for a locked database hold up no click.
READERS = 2


class Lookups:
    """For one event loop. Nothing runs while nothing waits."""

    def __init__(self, database: Database):
        self._database = database
        self._waiting: deque[tuple[Load, tuple, asyncio.Future]] = deque()
        self._readers: set[asyncio.Task] = set()
        self._threads = anyio.CapacityLimiter(READERS)

    async def ask(self, load: Load, key: tuple) -> Any:
        """What `load(connection, *key)` answers; TimeoutError for who waits longer than a database may be busy.

        What is being read then goes on, and is not waited for.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((load, key, future))
        self._start()
        async with asyncio.timeout(self._database.wait_s):
            return await future

    def _start(self) -> None:
        if self._waiting and len(self._readers) < READERS:
            loop = asyncio.get_running_loop()
            reader = loop.create_task(anyio.to_thread.run_sync(self._read, loop, limiter=self._threads))
            self._readers.add(reader)
            reader.add_done_callback(self._ended)

    def _ended(self, reader: asyncio.Task) -> None:
        self._readers.discard(reader)
        if not reader.cancelled():
            reader.exception()
            self._start()  # what came at the last moment

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: until nothing waits."""
        while asked := self._next():
            loop.call_soon_threadsafe(_answer, self._answers(asked))

    def _next(self) -> list[tuple[Load, tuple, asyncio.Future]]:
        asked = []
        try:
            while len(asked) < MOST_TOGETHER:
                each = self._waiting.popleft()
                if not each[2].done():  # else given up
                    asked.append(each)
        except IndexError:
            pass
        return asked

    def _answers(self, asked: list) -> list[tuple[asyncio.Future, Any, Exception | None]]:
        """Only the guilty fail: what a fault spoiled is asked for one by one."""
        try:
            with self._database.read() as connection:
                return [(future, load(connection, *key), None) for load, key, future in asked]
        except Exception as error:
            if len(asked) == 1 or isinstance(error, Unavailable):
                return [(future, None, error) for _, _, future in asked]
        return [self._answers([each])[0] for each in asked]


def _answer(answers: list[tuple[asyncio.Future, Any, Exception | None]]) -> None:
    for future, value, error in answers:
        if future.done():  # given up
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
