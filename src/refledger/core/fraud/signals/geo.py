"""Whether customer and affiliate are at one place: one line, one network, one city.

The affiliate's own addresses are those seen within 30 days and those the merchant declared, whenever. An address that
many share by design (a private one, a carrier's) says nothing; a sample of the documentation counts like any other.
"""

from refledger.core.fraud.case import Case
from refledger.core.fraud.signal import (
    CLEAR,
    NO_AFFILIATE_ADDRESS,
    NO_DATABASE,
    NOT_IN_DATABASE,
    SHARED_ADDRESS,
    Finding,
    Signal,
    fired,
)
from refledger.core.origins import ASN, CITY, Origin
from refledger.core.own_addresses import SEEN_FOR_MS

# By version of the protocol: what is cut off an address before two are compared.
_LINE_BITS = {4: 0, 6: 64}
_NETWORK_BITS = {4: 8, 6: 80}
_KNOWN_FROM = {
    "declared": "the merchant",
    "test_click": "a test click",
    "portal": "the portal",
    "dashboard": "the dashboard",
}


def same_ip(case: Case) -> Finding:
    return _same(case, _LINE_BITS)


def same_network(case: Case) -> Finding:
    return _same(case, _NETWORK_BITS)


def _same(case: Case, bits: dict[int, int]) -> Finding:
    address = case.address
    if address.shared:
        return SHARED_ADDRESS
    version, cut = address.version, bits[address.version]
    first = address.number >> cut << cut
    last = first + (1 << cut) - 1
    since_ms = case.now_ms - SEEN_FOR_MS
    for of_version, low, high, where, at_ms, _ in case.affiliate_seen:
        if low <= last and high >= first and of_version == version and (at_ms is None or at_ms >= since_ms):
            return fired({"known_from": _KNOWN_FROM.get(where, where)})
    return CLEAR if _seen(case) else NO_AFFILIATE_ADDRESS


def _seen(case: Case) -> bool:
    """Whether any address of the affiliate's is known that is not too old."""
    since_ms = case.now_ms - SEEN_FOR_MS
    return any(each.at_ms is None or each.at_ms >= since_ms for each in case.affiliate_seen)


def same_city(case: Case) -> Finding:
    origin, own = case.origin, _origins(case)
    if CITY not in origin.known:
        return NO_DATABASE
    if not own:
        return NO_AFFILIATE_ADDRESS
    place, cities = origin.place, [each.place.city for each in own if each.place]
    if place is None or not cities:
        return NOT_IN_DATABASE
    return fired({"city": place.name}) if place.city in cities else CLEAR


def same_city_asn(case: Case) -> Finding:
    origin, own = case.origin, _origins(case)
    if CITY not in origin.known or ASN not in origin.known:
        return NO_DATABASE
    if not own:
        return NO_AFFILIATE_ADDRESS
    place, operator = origin.place, origin.operator
    theirs = [(each.place.city, each.operator.asn) for each in own if each.place and each.operator]
    if place is None or operator is None or not theirs:
        return NOT_IN_DATABASE
    if (place.city, operator.asn) not in theirs:
        return CLEAR
    return fired({"city": place.name, "operator": operator.name or f"AS{operator.asn}"})


def _origins(case: Case) -> list[Origin]:
    """Of the affiliate's single addresses; a range has none."""
    since_ms = case.now_ms - SEEN_FOR_MS
    return [
        origin
        for _, _, _, _, at_ms, origin in case.affiliate_seen
        if origin is not None and (at_ms is None or at_ms >= since_ms)
    ]


SIGNALS = (
    Signal(
        "geo.same_ip",
        "customer and affiliate have one internet address",
        same_ip,
        (60,),
        "The customer's internet address is the affiliate's own, known from {known_from}.",
        ("address", "affiliate_seen"),
    ),
    Signal(
        "geo.same_network",
        "customer and affiliate are in one small network",
        same_network,
        (40,),
        "The customer's internet address is in one small network with the affiliate's, known from {known_from}.",
        ("address", "affiliate_seen"),
    ),
    Signal(
        "geo.same_city_asn",
        "customer and affiliate are in one city, with one network operator",
        same_city_asn,
        (20,),
        "Customer and affiliate are in the same city, {city}, with the same network operator, {operator}.",
        ("address", "origin", "affiliate_seen"),
    ),
    Signal(
        "geo.same_city",
        "customer and affiliate are in one city",
        same_city,
        (5,),
        "Customer and affiliate are in the same city, {city}.",
        ("address", "origin", "affiliate_seen"),
    ),
)
