"""Where an affiliate was seen themselves: a short list of [address, last seen in ms, where], the newest first."""

from collections.abc import Sequence

from refledger.core.addresses import Address, parse
from refledger.core.programs import DAY_MS, HOUR_MS

MOST = 20
SEEN_FOR_MS = 30 * DAY_MS
AGAIN_MS = HOUR_MS  # the same line is not noted again sooner


def with_seen(seen: Sequence[Sequence], address: Address, at_ms: int, where: str) -> list[list] | None:
    """The list with this one on top, without what is too old; None where there is nothing to change.

    No more than MOST are taken up within an hour: each changes what conversions are decided by.
    """
    lately = [each for each in seen if each[1] > at_ms - AGAIN_MS]
    if address.shared or len(lately) >= MOST or any(_is_of(each, address) for each in lately):
        return None
    others = [list(each) for each in seen if each[1] > at_ms - SEEN_FOR_MS and not _is_of(each, address)]
    return [[address.text, at_ms, where], *others][:MOST]


def _is_of(entry: Sequence, address: Address) -> bool:
    known = parse(entry[0])
    return known is not None and known.unit == address.unit
