"""Random bytes for ids, fetched from the system many at a time."""

import os
import threading


class Entropy:
    """`entropy(n)`: n random bytes.

    Each call of `os.urandom` gives up the interpreter, which on a busy service costs a wait for the other threads; so a
    thread fetches some thousands of bytes at once and hands them out, each but once.
    """

    FETCHED = 4096

    def __init__(self):
        self._own = threading.local()

    def __call__(self, count: int) -> bytes:
        own = self._own
        start = getattr(own, "used", self.FETCHED)
        if start + count > self.FETCHED:
            if count > self.FETCHED:
                return os.urandom(count)
            own.bytes, start = os.urandom(self.FETCHED), 0
        own.used = start + count
        return own.bytes[start : start + count]
