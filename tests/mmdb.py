"""Small files in MaxMind's format, laid out as the vendors lay theirs out."""

import time
from unittest import mock

from mmdb_writer import MMDBWriter
from netaddr import IPSet

LONDON = {
    "city": {"geoname_id": 2643743, "names": {"de": "London", "en": "London"}},
    "country": {"geoname_id": 2635167, "iso_code": "GB", "names": {"en": "United Kingdom"}},
    "location": {
        "accuracy_radius": 10,
        "latitude": 51.5142,
        "longitude": -0.0931,
        "time_zone": "Europe/London",
    },
    "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}],
}
TOKYO = {
    "city": {"geoname_id": 1850147, "names": {"en": "Tokyo"}},
    "country": {"geoname_id": 1861060, "iso_code": "JP", "names": {"en": "Japan"}},
    "location": {"accuracy_radius": 20, "latitude": 35.6895, "longitude": 139.6917},
}
# As DB-IP City Lite has them: no geoname_id, no radius.
PARIS = {
    "city": {"names": {"en": "Paris"}},
    "country": {"iso_code": "FR", "names": {"en": "France"}},
    "location": {"latitude": 48.8566, "longitude": 2.3522},
    "subdivisions": [{"names": {"en": "Île-de-France"}}],
}
FRANCE = {"country": {"geoname_id": 3017382, "iso_code": "FR", "names": {"en": "France"}}}
EXAMPLE_NET = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}


def write(path, database_type, networks, ip_version=6, build_epoch=None):
    """`networks`: range → record. In a tree of IPv6, IPv4 lies where MaxMind puts it."""
    writer = MMDBWriter(
        ip_version=ip_version, database_type=database_type, ipv4_compatible=ip_version == 6, int_type="u32"
    )
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    with mock.patch("time.time", lambda: build_epoch or time.time_ns() / 1e9):
        writer.to_db_file(str(path))
    return path
