"""Whether the sealed entries are still those that were sealed; what is not is named as closely as can be known."""

from collections.abc import Callable, Iterator
from typing import Any

from refledger.core import seals
from refledger.core.ids import time_ms
from refledger.store import merchants
from refledger.store import seals as store
from refledger.store.engine import Connection

Row = dict[str, Any]


def broken_seals(connection: Connection, tell: Callable[[int], None]) -> Iterator[str]:
    """Each violation in words. `tell`: how many entries were read since it was last called."""
    for merchant in merchants.all_merchants(connection):
        last = seals.NOTHING
        for seal in store.all_seals(connection, merchant["merchant_id"]):
            yield from _broken(connection, seal, last, tell)
            last = seal
        sealed_ms = _time_ms(last["until_cause"])
        if merchant["sealed_ms"] != sealed_ms:
            yield (
                f"merchant {merchant['merchant_id']}: sealed until {merchant['sealed_ms']},"
                f" the last seal, {last['no']}, reaches until {sealed_ms}"
            )


def _broken(connection: Connection, seal: Row, last: Row, tell: Callable[[int], None]) -> Iterator[str]:
    of = f"merchant {seal['merchant_id']}: seal {seal['no']}"
    span = f"after {last['until_cause'] or 'the beginning'} until {seal['until_cause']}"
    if seal["no"] != last["no"] + 1:
        yield f"{of} follows seal {last['no']}: what is between them is missing"
    frames = store.frames(connection, seal["merchant_id"], last["until_cause"], seal["until_cause"])
    tell(len(frames))
    found = seals.seal(last, seal["until_cause"], frames, len(frames), seal["at_ms"])
    if len(frames) != seal["entries"]:
        yield f"{of} was made of {seal['entries']} entries {span}, there are {len(frames)}"
    elif (found["no"], found["hash"]) != (seal["no"], seal["hash"]):
        yield (
            f"{of} has another hash than its {len(frames)} entries {span}, and the seal before:"
            " one of them was changed"
        )


def _time_ms(cause: str) -> int | None:
    try:
        return time_ms(cause)
    except ValueError:
        return None
