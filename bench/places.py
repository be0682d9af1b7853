"""Databases of places and networks as large as what conversions come from, and lists of 40,000 ranges, all made up."""

import random
from ipaddress import IPv4Address
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from refledger.core.ranges import Ranges, read

CITIES = 1_000
RANGES = 40_000
# Every address that `requests.address` makes lies in one of these, 41,472 of them.
_NETWORKS = tuple(
    f"{first}.{second}.{half}.0/17" for first in range(11, 92) for second in range(256) for half in (0, 128)
)
_LISTS = ("tor", "vpn", "hosting", "proxy", "relay")


def make(folder: Path) -> dict[str, str]:
    """The settings that name the files, for a server's environment."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(7)
    found = {
        "GEOIP_CITY": _database(folder / "city.mmdb", "GeoLite2-City", _cities(chance)),
        "GEOIP_ASN": _database(folder / "asn.mmdb", "GeoLite2-ASN", _operators(chance)),
        "GEOIP_ANONYMOUS": _database(folder / "anonymous.mmdb", "GeoIP2-Anonymous-IP", _anonymous(chance)),
    }
    for name in _LISTS:
        path = folder / f"{name}.txt"
        path.write_text("".join(_line(chance) for _ in range(RANGES // len(_LISTS))))
        found[f"ADDRESSES_{name.upper()}"] = path
    return {f"REFLEDGER_{name}": str(path) for name, path in found.items()}


def ranges() -> Ranges:
    """All of them as one list."""
    chance = random.Random(7)
    return read("".join(_line(chance) for _ in range(RANGES)))


def _database(path: Path, database_type: str, records: dict[str, dict]) -> Path:
    writer = MMDBWriter(ip_version=6, database_type=database_type, ipv4_compatible=True, int_type="u32")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def _cities(chance: random.Random) -> dict[str, dict]:
    """As full as GeoLite2's: names in several languages are what makes reading one slow."""
    cities = [_city(number, chance) for number in range(CITIES)]
    return {network: chance.choice(cities) for network in _NETWORKS}


def _city(number: int, chance: random.Random) -> dict:
    names = dict.fromkeys(("de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN"), f"City {number}")
    return {
        "city": {"geoname_id": number + 1, "names": names},
        "continent": {"code": "EU", "geoname_id": 6255148, "names": names},
        "country": {"geoname_id": 2921044, "iso_code": "DE", "names": names},
        "location": {
            "accuracy_radius": chance.choice((5, 20, 100)),
            "latitude": chance.uniform(-60, 70),
            "longitude": chance.uniform(-180, 180),
            "time_zone": "Europe/Berlin",
        },
        "registered_country": {"geoname_id": 2921044, "iso_code": "DE", "names": names},
        "subdivisions": [{"geoname_id": 2950157, "iso_code": "BE", "names": names}],
    }


def _operators(chance: random.Random) -> dict[str, dict]:
    return {
        network: {"autonomous_system_number": number, "autonomous_system_organization": f"Operator {number}"}
        for network in _NETWORKS
        for number in (chance.randrange(1, 5_000),)
    }


def _anonymous(chance: random.Random) -> dict[str, dict]:
    kinds = ("is_anonymous_vpn", "is_hosting_provider", "is_public_proxy")
    return {
        network: {"is_anonymous": True, chance.choice(kinds): True}
        for network in chance.sample(_NETWORKS, 2_000)
    }


def _line(chance: random.Random) -> str:
    return (
        f"{IPv4Address(chance.randrange(11 << 24, 192 << 24) >> 8 << 8)}/{chance.choice((24, 26, 28, 32))}\n"
    )
