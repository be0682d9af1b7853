"""What the databases of places and networks say of an address, whoever made them.

MaxMind's layout (GeoIP2 and GeoLite2; DB-IP and IP2Location write it too), and IPinfo's flat one. Every record is
taken as it comes: a part that is missing or odd is unknown, and costs nothing else.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from refledger.core.origins import ASN, CITY, CLASSES, Operator, Place

COUNTRY = "country"
MOST_TEXT = 100

# A word in a database's type, and what such a database knows; the first that fits. Others are judged by their records.
_TYPES: tuple[tuple[str, frozenset[str]], ...] = (
    ("anonymous", frozenset({"tor", "vpn", "proxy", "hosting"})),
    ("enterprise", frozenset({CITY, COUNTRY, ASN, "hosting"})),
    ("city", frozenset({CITY, COUNTRY})),
    ("country", frozenset({COUNTRY})),
    ("asn", frozenset({ASN})),
    ("isp", frozenset({ASN})),
)
# What a record calls each class.
_FLAGS = {
    "tor": ("is_tor_exit_node", "tor"),
    "vpn": ("is_anonymous_vpn", "vpn"),
    "proxy": ("is_public_proxy", "is_residential_proxy", "proxy"),
    "hosting": ("is_hosting_provider", "hosting"),
    "relay": ("relay",),
}
_FARTHEST_KM = 20_040  # half around the earth
_ASN = re.compile(r"AS[0-9]{1,10}\Z", re.IGNORECASE)


def knows(database_type: str, samples: Iterable[Any]) -> frozenset[str]:
    """Which of CITY, COUNTRY, ASN and CLASSES a database of this type covers; `samples`: some of its records."""
    lower = database_type.lower()
    if not lower.startswith("ipinfo"):
        for word, known in _TYPES:
            if word in lower:
                return known
    return frozenset().union(*map(_shown_by, samples))


def _shown_by(record: Any) -> set[str]:
    if not isinstance(record, dict):
        return set()
    shown = {each for each, names in _FLAGS.items() if any(name in record for name in names)}
    if "country" in record or "country_code" in record:
        shown.add(COUNTRY)
    if "city" in record:
        shown |= {CITY, COUNTRY}
    if "asn" in record or "autonomous_system_number" in record:
        shown.add(ASN)
    return shown


def country_of(record: Any) -> str | None:
    """Two letters."""
    country = _first(record, "country")
    for code in (_first(country, "iso_code"), _first(record, "country_code"), country):
        if isinstance(code, str) and len(code) == 2:
            return code.upper()
    return None


def place_of(record: Any) -> Place | None:
    """A city and where it is. A country's middle is no place: two people in it would be far from each other."""
    city, location = _first(record, "city"), _first(record, "location") or record
    name = _text(city) or _name(city)
    latitude = _number(_first(location, "latitude", "lat"), 90)
    longitude = _number(_first(location, "longitude", "lng"), 180)
    if name is None or latitude is None or longitude is None:
        return None
    country, geoname = country_of(record) or "", _first(city, "geoname_id")
    radius = _number(_first(location, "accuracy_radius", "radius"), _FARTHEST_KM)
    return Place(
        str(geoname) if isinstance(geoname, int) else f"{country}|{_region(record)}|{name}".casefold(),
        f"{name}, {country}" if country else name,
        round(latitude * 1000),
        round(longitude * 1000),
        round(radius) if radius and radius >= 1 else None,
    )


def _region(record: Any) -> str:
    divisions = _first(record, "subdivisions")
    if isinstance(divisions, list) and divisions:
        return _text(_first(divisions[0], "iso_code")) or _name(divisions[0]) or ""
    return _text(_first(record, "region")) or ""


def _name(part: Any) -> str | None:
    """In English where it is given, else in whatever language comes first."""
    names = _first(part, "names")
    if not isinstance(names, dict):
        return None
    return _text(names.get("en")) or next((each for each in map(_text, names.values()) if each), None)


def operator_of(record: Any) -> Operator | None:
    for part in (record, _first(record, "traits")):
        number = _first(part, "autonomous_system_number", "asn")
        if isinstance(number, str) and _ASN.match(number):
            number = int(number[2:])
        if isinstance(number, int) and 0 < number < 1 << 32:
            name = _first(part, "autonomous_system_organization", "as_name", "name", "isp")
            return Operator(number, _text(name) or "")
    return None


def classes_of(record: Any) -> frozenset[str]:
    parts = [part for part in (record, _first(record, "traits")) if isinstance(part, dict)]
    found = {
        each for each in CLASSES for part in parts if any(_is_set(part.get(name)) for name in _FLAGS[each])
    }
    if any(part.get("user_type") == "hosting" for part in parts):
        found.add("hosting")
    return frozenset(found)


def _first(part: Any, *names: str) -> Any:
    """The first of these that is there."""
    if isinstance(part, dict):
        for name in names:
            if part.get(name) is not None:
                return part[name]
    return None


def _is_set(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1"))


def _text(value: Any) -> str | None:
    return value.strip()[:MOST_TEXT] or None if isinstance(value, str) else None


def _number(value: Any, most: int) -> float | None:
    """A number, or one written as text, no further from zero than `most`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= most else None
