"""Lists of addresses and ranges as they are published: leniently read, and looked up by halving.

One address or range to a line; what follows a `#` is a comment, and of a CSV the first column counts.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

Range = tuple[int, int, int]  # version, first and last address as integers


@dataclass(frozen=True, slots=True)
class Ranges:
    """`lows` and `highs`: version → ends of disjoint ranges, sorted. `entries`: as many as were read, before merging.

    `bad_lines`: those that hold neither range nor address; `first_bad_line` counts from 1.
    """

    lows: dict[int, list[int]]
    highs: dict[int, list[int]]
    entries: int
    bad_lines: int = 0
    first_bad_line: int | None = None

    def holds(self, version: int, number: int) -> bool:
        place = bisect_right(self.lows[version], number) - 1
        return place >= 0 and number <= self.highs[version][place]


def read(text: str) -> Ranges:
    """Never fails: what cannot be read is counted."""
    found, bad = [], []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        entry = line.partition("#")[0].partition(",")[0].strip().strip('"')
        if not entry:
            continue
        one = read_range(entry)
        if one is None:
            bad.append(number)
        else:
            found.append(one)
    merged = {version: _merged(each for each in found if each[0] == version) for version in (4, 6)}
    return Ranges(
        {version: [low for low, _ in pairs] for version, pairs in merged.items()},
        {version: [high for _, high in pairs] for version, pairs in merged.items()},
        len(found),
        len(bad),
        bad[0] if bad else None,
    )


def read_range(text: str) -> Range | None:
    """The range, or the range of one; IPv4 written as IPv6 is IPv4. The whole internet is none."""
    try:
        net = ip_network(text, strict=False)
    except ValueError:
        return None
    low, high, version = int(net.network_address), int(net.broadcast_address), net.version
    if version == 6 and low >> 32 == high >> 32 == 0xFFFF:
        low, high, version = low & 0xFFFFFFFF, high & 0xFFFFFFFF, 4
    is_everything = low == 0 and high.bit_count() == (32 if version == 4 else 128)
    return None if is_everything else (version, low, high)


def _merged(ranges: Iterable[Range]) -> list[tuple[int, int]]:
    """Without overlaps and without seams."""
    pairs: list[tuple[int, int]] = []
    for _, low, high in sorted(ranges):
        if pairs and low <= pairs[-1][1] + 1:
            pairs[-1] = (pairs[-1][0], max(high, pairs[-1][1]))
        else:
            pairs.append((low, high))
    return pairs
