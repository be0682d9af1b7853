"""Where a request comes from: what the operator's databases and lists say of its address.

Looked up by the shell, once per group; the signals only read. Each part stands alone: a look-up in one database does
not depend on a hit in another.
"""

from dataclasses import dataclass
from typing import NamedTuple

from refledger.core.addresses import Address

# What an address may be besides somebody's own line. Behind any of these a place says nothing about the person.
CLASSES = ("tor", "vpn", "proxy", "hosting", "relay")
CITY, ASN = "city", "asn"  # the other things a source may know
UNKNOWN_RADIUS_KM = 100  # what a place without a radius is reckoned to be known to


class Place(NamedTuple):
    """`city` tells cities apart; `name` is for people. Degrees in thousandths; the radius is None where unknown."""

    city: str
    name: str
    latitude_mdeg: int
    longitude_mdeg: int
    radius_km: int | None


class Operator(NamedTuple):
    """Who runs the network: the number of the autonomous system, and its name."""

    asn: int
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """`known`: which of CITY, ASN and CLASSES any source covers at all; what none covers is unknown, not innocent.

    `country`: two letters.
    """

    address: Address
    place: Place | None = None
    operator: Operator | None = None
    classes: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    country: str | None = None


class Seen(NamedTuple):
    """An address or a range that is the affiliate's own. `at_ms` None: the merchant says so, whenever.

    `where`: "declared", "test_click", "portal" or "dashboard". `origin` is None for a range.
    """

    version: int
    low: int
    high: int
    where: str
    at_ms: int | None = None
    origin: Origin | None = None


class Whereabouts(NamedTuple):
    """Where a mailbox was when it converted before. `masked`: the place said nothing about the person."""

    at_ms: int
    latitude_mdeg: int
    longitude_mdeg: int
    radius_km: int
    masked: bool
