"""Whether somebody was at two places sooner than anyone travels.

Two journeys are looked at: from the click to the report, and from where the same mailbox converted before, within a
day. Two mailboxes are never compared: an affiliate's customers may live anywhere. A place is known to within a radius,
and both radii are subtracted; behind Tor, a VPN, a proxy, a host or a relay it says nothing about the person.
"""

from math import asin, cos, radians, sin, sqrt

from refledger.core.fraud.case import COUPON, Case
from refledger.core.fraud.signal import (
    CLEAR,
    INPUTS,
    NO_DATABASE,
    NOT_IN_DATABASE,
    Finding,
    Signal,
    fired,
    not_evaluated,
)
from refledger.core.origins import CITY, UNKNOWN_RADIUS_KM, Place, Whereabouts
from refledger.core.programs import DAY_MS, HOUR_MS

FAR_KM = 500
FASTEST_KM_PER_HOUR = 1_000
EARTH_KM = 6_371
MASKED_ADDRESS = not_evaluated("masked_address")
_TELLING = {"not_evaluated": 0, "clear": 1, "fired": 2}


def impossible_travel(case: Case) -> Finding:
    origin = case.origin
    if CITY not in origin.known:
        return NO_DATABASE
    if origin.place is None:
        return NOT_IN_DATABASE
    if origin.classes:
        return MASKED_ADDRESS
    by_click, by_earlier = _since_click(case, origin.place), _since_earlier(case, origin.place)
    if by_earlier is None:
        return by_click
    return max(by_earlier, by_click, key=lambda finding: _TELLING[finding.state])


def _since_click(case: Case, here: Place) -> Finding:
    if case.via == COUPON:
        return INPUTS["journey"]
    if case.click is None:
        return INPUTS["click"]
    there = case.click_origin
    if there is None or there.place is None:
        return NOT_IN_DATABASE
    if there.classes:
        return MASKED_ADDRESS
    return _travel("click", there.place, here, case.now_ms - case.click.at_ms)


def _since_earlier(case: Case, here: Place) -> Finding | None:
    there = case.whereabouts
    if there is None or case.email is None or case.now_ms - there.at_ms > DAY_MS:
        return None
    if there.masked:
        return MASKED_ADDRESS
    return _travel("earlier conversion", there, here, case.now_ms - there.at_ms)


def _travel(start: str, there: Place | Whereabouts, here: Place, elapsed_ms: int) -> Finding:
    km = _distance_km(there, here) - _radius_km(there) - _radius_km(here)
    elapsed_ms = max(elapsed_ms, 0)
    # Not divided: no time at all is the fastest.
    if km < FAR_KM or km * HOUR_MS <= FASTEST_KM_PER_HOUR * elapsed_ms:
        return CLEAR
    return fired({"km": int(km), "seconds": elapsed_ms / 1000, "between": start})


def _distance_km(there: Place | Whereabouts, here: Place) -> float:
    """Along the great circle, by the haversine formula."""
    latitude, other_latitude = radians(there.latitude_mdeg / 1000), radians(here.latitude_mdeg / 1000)
    longitude = radians((here.longitude_mdeg - there.longitude_mdeg) / 1000)
    half = sin((other_latitude - latitude) / 2) ** 2
    half += cos(latitude) * cos(other_latitude) * sin(longitude / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(half, 1)))


def _radius_km(place: Place | Whereabouts) -> int:
    return UNKNOWN_RADIUS_KM if place.radius_km is None else place.radius_km


SIGNALS = (
    Signal(
        "geo.impossible_travel",
        "two places sooner than anyone travels",
        impossible_travel,
        (50,),
        "The report came from at least {km} km away, {seconds} after the {between}: faster than anyone travels.",
        ("address", "origin"),
    ),
)
