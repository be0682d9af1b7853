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
from refledger.core.origins import ASN, CITY, Origin, Seen
from refledger.core.programs import DAY_MS

SEEN_MS = 30 * DAY_MS
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
    seen = _seen(case)
    if not seen:
        return NO_AFFILIATE_ADDRESS
    version, cut = address.version, bits[address.version]
    number = address.number >> cut
    for each in seen:
        if each.version == version and each.low >> cut <= number <= each.high >> cut:
            return fired({"known_from": _KNOWN_FROM.get(each.where, each.where)})
    return CLEAR


def _seen(case: Case) -> list[Seen]:
    since_ms = case.now_ms - SEEN_MS
    return [each for each in case.affiliate_seen if each.at_ms is None or each.at_ms >= since_ms]


def same_city(case: Case) -> Finding:
    origin, own = case.origin, _origins(case)
    if CITY not in origin.known:
        return NO_DATABASE
    if not own:
        return NO_AFFILIATE_ADDRESS
    place, places = origin.place, [each.place for each in own if each.place]
    if place is None or not places:
        return NOT_IN_DATABASE
    return fired({"city": place.name}) if any(each.city == place.city for each in places) else CLEAR


def same_city_asn(case: Case) -> Finding:
    origin, own = case.origin, _origins(case)
    if CITY not in origin.known or ASN not in origin.known:
        return NO_DATABASE
    if not own:
        return NO_AFFILIATE_ADDRESS
    here, theirs = _city_asn(origin), [both for each in own if (both := _city_asn(each))]
    if here is None or not theirs:
        return NOT_IN_DATABASE
    if here not in theirs:
        return CLEAR
    return fired({"city": origin.place.name, "operator": origin.operator.name})


def _origins(case: Case) -> list[Origin]:
    """Of the single addresses; a range has none."""
    return [each.origin for each in _seen(case) if each.origin]


def _city_asn(origin: Origin) -> tuple[str, int] | None:
    place, operator = origin.place, origin.operator
    return (place.city, operator.asn) if place and operator else None


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
