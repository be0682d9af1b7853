"""What the demos live in: a clock that is set, deeds that wait for their time, and reports as the doors read them."""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from refledger.core import addresses
from refledger.core.intake import Report, read_object, read_report
from refledger.services.claims import Claim


class AlreadyThere(Exception):
    """It was made before."""


class Unheard:
    """Words for answers that nobody hears: of an accepted report the id, of a refused one nothing."""

    def accepted(self, conversion_id: str, *details: Any) -> bytes:
        return conversion_id.encode()

    def refused(self, *details: Any) -> tuple[int, bytes]:
        return 0, b""


@dataclass(slots=True)
class Agenda:
    """What happens when, the next first: (time, number, deed). Call it for the time."""

    now_ms: int
    waiting: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    numbered: int = 0

    def __call__(self) -> int:
        return self.now_ms

    def at(self, at_ms: int, deed: Callable[[], None]) -> None:
        self.numbered += 1
        heapq.heappush(self.waiting, (at_ms, self.numbered, deed))

    def live_until(self, until_ms: int, tell: Callable[[], None]) -> None:
        """Does everything that is due before then, what is added meanwhile too; `tell` after each deed."""
        while self.waiting and self.waiting[0][0] < until_ms:
            self.now_ms, _, deed = heapq.heappop(self.waiting)
            deed()
            tell()


def claim_of(
    fields: Mapping[str, Any],
    keys: Mapping[str, str],
    key_hashes: Mapping[bool, str],
    signed: bool,
    request_id: str,
) -> Claim:
    """The report as its door would hand it on. `keys`: the live keys; `key_hashes`: by whether the key is secret."""
    key = keys["secret_key" if signed else "publishable_key"]
    given = read_object(orjson.dumps({"publishable_key": key, **fields}))
    read = read_report(given, signed)
    address = addresses.parse(read.address) if isinstance(read, Report) and read.address else None
    return Claim(request_id, key_hashes[signed], signed, given, read, address)
