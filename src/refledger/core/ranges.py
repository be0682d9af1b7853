"""Lists of addresses and ranges as they are published: leniently read, and looked up by halving.

One address or range to a line; what follows a `#` is a comment, and of a CSV the first column counts. Of a line of
JSON every range in quotes counts, under whatever name: so the providers of clouds publish theirs.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

Range = tuple[int, int, int]  # version, first and last address as integers

_OCTET = r"(0|[1-9][0-9]{0,2})"
_PLAIN = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?:/(0|[1-9][0-9]?))?\Z")
_LENGTH = re.compile(r"[0-9]{1,3}\Z")
_JSON = re.compile(r'\s*(?:[\[\]{}]|"[^"]*"\s*:)')
_IN_QUOTES = re.compile(r'"([0-9A-Fa-f:.]+/[0-9]{1,3})"')
_BITS = {4: 32, 6: 128}


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
    for number, entry in _entries(text.removeprefix("\ufeff")):
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


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """The number of the line, and what should be an address or a range."""
    for number, line in enumerate(text.splitlines(), 1):
        if _JSON.match(line):
            for entry in _IN_QUOTES.findall(line):
                yield number, entry
        elif entry := line.partition("#")[0].partition(",")[0].strip().strip('"'):
            yield number, entry


def read_range(text: str) -> Range | None:
    """The range, or the range of one; IPv4 written as IPv6 is IPv4. The whole internet is none."""
    match = _PLAIN.match(text)
    found = _of_octets(*match.groups()) if match else _of_ipv6(text) if ":" in text else _of_netmask(text)
    if found is None:
        return None
    version, low, high = found
    if version == 6 and low >> 32 == high >> 32 == 0xFFFF:
        version, low, high = 4, low & 0xFFFFFFFF, high & 0xFFFFFFFF
    return None if high - low + 1 == 1 << _BITS[version] else (version, low, high)


def network(text: str) -> IPv4Network | IPv6Network:
    """As a merchant writes it, one address too; IPv4 written as IPv6 is IPv4. Raises ValueError in words."""
    if "%" in text:
        raise ValueError(
            "has a zone, which means something on one machine alone: leave out what follows the %"
        )
    try:
        net = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is no IP address or range, like 198.51.100.7 or 198.51.100.0/24") from None
    mapped = net.network_address.ipv4_mapped if net.version == 6 else None
    if mapped and net.prefixlen >= 96:
        # Addresses are unmapped before they are looked up, so a mapped range would never match.
        return IPv4Network(f"{mapped}/{net.prefixlen - 96}", strict=False)
    return net


# Lists are long, and the library takes ten times as long for each line as these two.


def _of_octets(first: str, second: str, third: str, fourth: str, length: str | None) -> Range | None:
    octets, bits = (int(first), int(second), int(third), int(fourth)), 32 - int(length or 32)
    if bits < 0 or max(octets) > 255:
        return None
    low = (octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]) >> bits << bits
    return 4, low, low | (1 << bits) - 1


def _of_ipv6(text: str) -> Range | None:
    address, slash, length = text.partition("/")
    if "%" in address or (slash and not _LENGTH.match(length)):
        return None
    bits = 128 - int(length or 128)
    try:
        low = int.from_bytes(IPv6Address(address).packed) >> bits << bits
    except ValueError:  # also where the length is too long: nothing is shifted by less than nothing
        return None
    return 6, low, low | (1 << bits) - 1


def _of_netmask(text: str) -> Range | None:
    try:
        net = IPv4Network(text, strict=False)
    except ValueError:
        return None
    return 4, int(net.network_address), int(net.broadcast_address)


def _merged(ranges: Iterable[Range]) -> list[tuple[int, int]]:
    """Without overlaps and without seams."""
    pairs: list[tuple[int, int]] = []
    for _, low, high in sorted(ranges):
        if pairs and low <= pairs[-1][1] + 1:
            pairs[-1] = (pairs[-1][0], max(high, pairs[-1][1]))
        else:
            pairs.append((low, high))
    return pairs
