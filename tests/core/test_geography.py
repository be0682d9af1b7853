"""Records as the vendors' real databases hold them, and records as nobody should write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core import geography
from refledger.core.origins import Operator, Place
from tests.mmdb import EXAMPLE_NET, FRANCE, LONDON, PARIS, TOKYO

IPINFO = {
    "city": "Mountain View", "region": "California", "country": "US", "lat": "37.38605", "lng": "-122.08385",
    "postal_code": "94035", "timezone": "America/Los_Angeles", "geoname_id": "5375480", "radius": "50",
}  # fmt: skip
IPINFO_LITE = {"asn": "AS15169", "as_name": "Google LLC", "as_domain": "google.com", "country": "United States",
               "country_code": "US", "continent": "North America", "continent_code": "NA"}  # fmt: skip
ENTERPRISE = LONDON | {
    "traits": {
        "autonomous_system_number": 64500, "autonomous_system_organization": "Example Net", "isp": "Example",
        "user_type": "hosting", "is_anonymous_vpn": True,
    }
}  # fmt: skip


@pytest.mark.parametrize(
    "record, place, country",
    [
        (LONDON, Place("2643743", "London, GB", 51514, -93, 10), "GB"),
        (TOKYO, Place("1850147", "Tokyo, JP", 35690, 139692, 20), "JP"),
        (PARIS, Place("fr|île-de-france|paris", "Paris, FR", 48857, 2352, None), "FR"),
        (IPINFO, Place("us|california|mountain view", "Mountain View, US", 37386, -122084, 50), "US"),
        (FRANCE, None, "FR"),
        # A middle of France is no place.
        (FRANCE | {"location": {"latitude": 48.8, "longitude": 2.3, "accuracy_radius": 500}}, None, "FR"),
        (LONDON | {"location": {"latitude": 51.5}}, None, "GB"),
        (LONDON | {"location": {"latitude": 0.0, "longitude": 0, "accuracy_radius": 0}},
         Place("2643743", "London, GB", 0, 0, None), "GB"),
        (LONDON | {"location": {"latitude": 91, "longitude": 0}}, None, "GB"),
        (LONDON | {"location": {"latitude": float("nan"), "longitude": 0}}, None, "GB"),
        ({"city": {"names": {"de": "Köln"}}, "location": {"latitude": 50.9, "longitude": 6.9}},
         Place("||köln", "Köln", 50900, 6900, None), None),
        (IPINFO_LITE, None, "US"),
        ({}, None, None), (None, None, None), ([], None, None), ("London", None, None),
        ({"city": 7, "location": "here", "country": ["GB"]}, None, None),
        ({"city": {"names": 5}, "location": {"latitude": "x", "longitude": []}}, None, None),
    ],
)  # fmt: skip
def test_places(record, place, country):
    assert (geography.place_of(record), geography.country_of(record)) == (place, country)


@pytest.mark.parametrize(
    "record, operator",
    [
        (EXAMPLE_NET, Operator(64500, "Example Net")),
        (ENTERPRISE, Operator(64500, "Example Net")),
        (IPINFO_LITE, Operator(15169, "Google LLC")),
        ({"autonomous_system_number": 64500}, Operator(64500, "")),
        ({"asn": "AS4200000000", "name": " Private "}, Operator(4200000000, "Private")),
        ({"asn": ""}, None), ({"asn": "15169"}, None), ({"asn": "AS"}, None), ({"asn": "AS9999999999"}, None),
        ({"autonomous_system_number": 0}, None), ({"autonomous_system_number": -1}, None), (LONDON, None), (None, None),
    ],
)  # fmt: skip
def test_operators(record, operator):
    assert geography.operator_of(record) == operator


@pytest.mark.parametrize(
    "record, classes",
    [
        ({"is_anonymous": True, "is_anonymous_vpn": True}, {"vpn"}),
        ({"is_hosting_provider": True, "is_tor_exit_node": False}, {"hosting"}),
        ({"is_public_proxy": True}, {"proxy"}),
        ({"is_residential_proxy": True}, {"proxy"}),
        ({"is_anonymous": True, "is_tor_exit_node": True}, {"tor"}),
        ({"vpn": "true", "proxy": "", "tor": "", "relay": "true", "hosting": "false"}, {"vpn", "relay"}),
        (ENTERPRISE, {"hosting", "vpn"}),
        ({"is_anonymous": True}, set()),  # by what means is not said
        ({"tor": None, "vpn": 0, "traits": "none"}, set()), ({}, set()), (None, set()), (7, set()),
    ],
)  # fmt: skip
def test_classes(record, classes):
    assert geography.classes_of(record) == classes


@pytest.mark.parametrize(
    "database_type, samples, known",
    [
        ("GeoLite2-City", [], {"city", "country"}),
        ("GeoIP2-City-Europe", [], {"city", "country"}),
        ("DBIP-City-Lite", [], {"city", "country"}),
        ("DBIP-Location (compat=City)", [], {"city", "country"}),
        ("GeoIP2-Enterprise", [], {"city", "country", "asn", "hosting"}),
        ("GeoLite2-Country", [], {"country"}),
        ("GeoLite2-ASN", [], {"asn"}),
        ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", [], {"asn"}),
        ("GeoIP2-ISP", [], {"asn"}),
        ("GeoIP2-Anonymous-IP", [], {"tor", "vpn", "proxy", "hosting"}),
        ("ipinfo standard_location.mmdb", [IPINFO], {"city", "country"}),
        ("ipinfo lite.mmdb", [None, IPINFO_LITE], {"asn", "country"}),
        ("ipinfo standard_privacy.mmdb", [dict.fromkeys(("vpn", "proxy", "tor", "relay", "hosting"), "")],
         {"tor", "vpn", "proxy", "hosting", "relay"}),
        ("Our own", [LONDON, EXAMPLE_NET], {"city", "country", "asn"}),
        ("Our own", [], set()),
        ("GeoIP2-Domain", [{"domain": "example.net"}], set()),
        ("GeoIP2-Connection-Type", [{"connection_type": "Corporate"}], set()),
    ],
)  # fmt: skip
def test_what_a_database_is_for(database_type, samples, known):
    assert geography.knows(database_type, samples) == known


KEYS = st.sampled_from(
    ["city", "country", "names", "en", "location", "latitude", "longitude", "lat", "lng", "accuracy_radius",
     "subdivisions", "iso_code", "geoname_id", "traits", "asn", "autonomous_system_number", "vpn", "user_type"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("AS1")
RECORDS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(RECORDS)
def test_no_record_is_too_odd(record):
    place = geography.place_of(record)
    assert place is None or (abs(place.latitude_mdeg) <= 90_000 and abs(place.longitude_mdeg) <= 180_000)
    operator = geography.operator_of(record)
    assert operator is None or 0 < operator.asn < 2**32
    geography.country_of(record), geography.classes_of(record), geography.knows("", [record])
