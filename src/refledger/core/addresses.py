"""IP addresses as reports carry them, and the special-purpose ranges.

The standard library's `is_private` and `is_global` are no class table: they call the documentation ranges
private and let multicast, NAT64 and 6to4 pass. The table below is ours, from the IANA special-purpose
registries (IPv4 and IPv6, RFC 6890 and its updates), the multicast and the IPv6 global-unicast registries.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 256  # of the text looked at; a forwarded list may be long, its first element is not


@dataclass(frozen=True, slots=True)
class Address:
    """`unit`: what one line has (IPv4 /32, IPv6 /64); `network`: its neighbourhood (/24, /48).

    `special`: the class of a special-purpose range, if it is in one. `number`: the address as an integer.
    """

    text: str
    version: int
    unit: str
    network: str
    special: str | None
    number: int

    @property
    def shared(self) -> bool:
        """Whether many have it by design, so that two with the same one need have nothing in common."""
        return self.special is not None and self.special not in _OWN


_CLASSES = """
unspecified     0.0.0.0/32 ::/128
loopback        127.0.0.0/8 ::1/128
private         10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10
carrier_nat     100.64.0.0/10
continuity      192.0.0.0/29
link_local      169.254.0.0/16 fe80::/10
documentation   192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20
benchmarking    198.18.0.0/15 2001:2::/48
multicast       224.0.0.0/4 ff00::/8
broadcast       255.255.255.255/32
anycast         192.0.0.9/32 192.0.0.10/32 192.88.99.0/24 2001:1::1/128 2001:1::2/128 2001:1::3/128
dummy           192.0.0.8/32 100:0:0:1::/64
nat64           192.0.0.170/31 64:ff9b::/96 64:ff9b:1::/48
6to4            2002::/16
teredo          2001::/32
as112           192.31.196.0/24 192.175.48.0/24 2001:4:112::/48 2620:4f:8000::/48
amt             192.52.193.0/24 2001:3::/32
orchid          2001:10::/28 2001:20::/28
drone           2001:30::/28
discard         100::/64
segment_routing 5f00::/16
reserved        0.0.0.0/8 192.0.0.0/24 240.0.0.0/4 2001::/23 ::/96 ::ffff:0:0/96
"""
# Of an operator's own network: a report with one comes through a proxy that tells the wrong address.
INSIDE = frozenset({"loopback", "private", "carrier_nat", "link_local"})
# Special, and yet one line's own: samples stand for real ones, and a 6to4 address is made of its site's.
_OWN = frozenset({"documentation", "6to4"})


def _table(version: int) -> tuple[tuple[int, int, str], ...]:
    rows = []
    for line in _CLASSES.strip().splitlines():
        name, *ranges = line.split()
        for each in ranges:
            net = ipaddress.ip_network(each)
            if net.version == version:
                rows.append((net.prefixlen, int(net.network_address), int(net.broadcast_address), name))
    rows.sort(reverse=True)  # the narrowest range decides: a part of a reserved block has its own meaning
    return tuple((low, high, name) for _, low, high, name in rows)


_SPECIAL = {version: _table(version) for version in (4, 6)}


_OCTET = r"(0|[1-9][0-9]{0,2})"
_PLAIN = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}\Z")


def parse(text: str) -> Address | None:
    """The address in `text`: the first of a list, without brackets, port and zone, IPv4-mapped ones unmapped.

    None when there is no address in it; a bad address never costs a sale.
    """
    first = text[:LONGEST].partition(",")[0].strip()
    return _parse(first) if first else None


@lru_cache(maxsize=16_384)
def _parse(text: str) -> Address | None:
    bare = _bare(text)
    match = _PLAIN.match(bare)
    if match is None:
        return _parse_any(bare)
    # Nearly all; the library takes five times as long to read them.
    first, second, third, fourth = map(int, match.groups())
    if max(first, second, third, fourth) > 255:
        return None
    return _version_4(bare, first << 24 | second << 16 | third << 8 | fourth)


def _version_4(plain: str, number: int) -> Address:
    return Address(plain, 4, f"{plain}/32", f"{plain.rpartition('.')[0]}.0/24", _special(4, number), number)


def _parse_any(bare: str) -> Address | None:
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    number, plain = int(ip), str(ip)
    if ip.version == 4:
        return _version_4(plain, number)
    unit, network = (ipaddress.IPv6Address(number >> bits << bits) for bits in (64, 80))
    return Address(plain, 6, f"{unit}/64", f"{network}/48", _special(6, number), number)


def _bare(text: str) -> str:
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 203.0.113.42:8080; more colons without brackets are an IPv6 address
        text = text.partition(":")[0]
    return text.partition("%")[0].strip()


def _special(version: int, number: int) -> str | None:
    for low, high, name in _SPECIAL[version]:
        if low <= number <= high:
            return name
    return "reserved" if version == 6 and number >> 125 != 1 else None  # 2000::/3 is all that is given out


def shorten(text: str) -> str:
    """The network of an address, for logs: enough to see a pattern, too little to find a person."""
    address = parse(text)
    return address.network if address else "unknown"
