"""Files of all kinds, as vendors and operators have them: read, refused, replaced while somebody asks."""

import dataclasses
import os
import tempfile
import time

import maxminddb
import pytest
from structlog.testing import capture_logs

from refledger.core.addresses import parse
from refledger.core.fraud.catalogue import SIGNALS
from refledger.services import sources
from refledger.services.origins import MOST_REMEMBERED, Generation, Origins
from refledger.services.sources import SIGNALS_NEED, SOURCES, Unusable, load
from refledger.settings import load as load_settings
from tests.mmdb import EXAMPLE_NET, FRANCE, LONDON, PARIS, TOKYO, write

BY_SETTING = {source.setting: source for source in SOURCES}
ANONYMOUS = {"is_anonymous": True, "is_anonymous_vpn": True}


def opened(**files):
    origins = Origins(load_settings(**files))
    origins.look()
    return origins


def of(origins, text):
    return origins.now.look_up([parse(text)]).get(text)


def problems(origins):
    return {each.source.setting: each.problem for each in origins.watched if each.problem}


@pytest.fixture
def city(tmp_path):
    networks = {"81.2.69.0/24": LONDON, "2001:4860::/32": TOKYO, "5.6.0.0/16": PARIS}
    return write(tmp_path / "city.mmdb", "GeoLite2-City", networks)


@pytest.fixture
def asn(tmp_path):
    return write(
        tmp_path / "asn.mmdb", "GeoLite2-ASN", {"81.2.0.0/16": EXAMPLE_NET, "7.0.0.0/8": EXAMPLE_NET}
    )


def replace(path, make):
    """As a careful operator does: whole, beside it, then under its name."""
    draft = path.with_name("draft")
    make(draft)
    os.utime(draft, ns=(time.time_ns(), time.time_ns()))
    os.replace(draft, path)


def looked_twice(origins):
    """What stands still from one look to the next is taken."""
    origins.look()
    origins.look()
    return origins


def test_what_the_files_are_for_are_signals():
    assert {signal.code for signal in SIGNALS} >= SIGNALS_NEED.keys()
    assert {code for source in SOURCES for code in source.signals} == SIGNALS_NEED.keys()


# ── what they say ────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_known_without_files():
    origins = opened()
    assert of(origins, "81.2.69.7") is None and origins.now.known == frozenset()


def test_each_file_says_its_part_and_none_depends_on_another(tmp_path, city, asn):
    tor = tmp_path / "tor.txt"
    tor.write_text("9.9.9.9\n81.2.69.7\n")
    origins = opened(geoip_city=city, geoip_asn=asn, addresses_tor=tor)
    assert origins.now.known == {"city", "asn", "tor"}
    all_of_it = of(origins, "81.2.69.7")
    assert (all_of_it.place.name, all_of_it.operator.asn, all_of_it.classes, all_of_it.country) == (
        "London, GB", 64500, {"tor"}, "GB",
    )  # fmt: skip
    # A hit in one, and in one alone.
    assert of(origins, "5.6.7.8").place.name == "Paris, FR" and of(origins, "5.6.7.8").operator is None
    assert of(origins, "7.0.0.1").operator.asn == 64500 and of(origins, "7.0.0.1").place is None
    assert of(origins, "9.9.9.9").classes == {"tor"} and of(origins, "9.9.9.9").place is None
    assert of(origins, "1.1.1.1").known == {"city", "asn", "tor"}
    assert set(origins.now.versions) == {"geoip_city", "geoip_asn", "addresses_tor"}
    assert origins.now.versions["geoip_city"].startswith("GeoLite2-City 20")


@pytest.mark.parametrize("ip_version", [4, 6])
def test_ipv4_in_either_tree_and_ipv6_where_there_is_none(tmp_path, ip_version):
    path = write(tmp_path / "x.mmdb", "GeoLite2-City", {"81.2.69.0/24": LONDON}, ip_version=ip_version)
    origins = opened(geoip_city=path)
    assert of(origins, "81.2.69.7").place.name == "London, GB"
    missing = of(origins, "2001:db8::1")
    assert missing.place is None and missing.known == ({"city"} if ip_version == 6 else frozenset())


def test_classes_of_a_database_and_of_lists_add_up(tmp_path):
    anonymous = write(tmp_path / "a.mmdb", "GeoIP2-Anonymous-IP", {"81.2.69.0/24": ANONYMOUS})
    relay = tmp_path / "relay.csv"
    relay.write_text("81.2.69.0/28,GB,GB-ENG,London,\n2a02:26f7::/64,US,,,\n")
    origins = opened(geoip_anonymous=anonymous, addresses_relay=relay)
    assert origins.now.known == {"tor", "vpn", "proxy", "hosting", "relay"}
    assert of(origins, "81.2.69.7").classes == {"vpn", "relay"}
    assert of(origins, "81.2.69.200").classes == {"vpn"}
    assert of(origins, "2a02:26f7::5").classes == {"relay"}


def test_countries_alone_give_no_city(tmp_path):
    path = write(tmp_path / "c.mmdb", "GeoLite2-Country", {"5.6.0.0/16": FRANCE})
    origins = opened(geoip_city=path)
    assert problems(origins) == {} and "city" not in origins.now.known
    assert of(origins, "5.6.7.8").country == "FR" and of(origins, "5.6.7.8").place is None


def test_one_file_of_everything(tmp_path):
    record = LONDON | {"traits": EXAMPLE_NET | {"user_type": "hosting"}}
    path = write(tmp_path / "e.mmdb", "GeoIP2-Enterprise", {"81.2.69.0/24": record})
    found = of(opened(geoip_city=path), "81.2.69.7")
    assert (found.place.name, found.operator.asn, found.classes) == ("London, GB", 64500, {"hosting"})
    assert found.known == {"city", "asn", "hosting"}


def test_ipinfo(tmp_path):
    lite = {"asn": "AS15169", "as_name": "Google LLC", "country": "United States", "country_code": "US"}
    path = write(tmp_path / "i.mmdb", "ipinfo generic_lite.mmdb", {"8.8.8.0/24": lite})
    found = of(opened(geoip_asn=path), "8.8.8.8")
    assert (found.operator.asn, found.country, found.known) == (15169, "US", {"asn"})


def test_what_is_remembered_is_bounded(asn):
    origins = opened(geoip_asn=asn)
    for number in range(MOST_REMEMBERED + 10):
        origins.now._remembered[str(number)] = None
        if len(origins.now._remembered) > MOST_REMEMBERED:
            break
    of(origins, "81.2.69.7")
    assert len(origins.now._remembered) == 1


# ── what is no use ───────────────────────────────────────────────────────────────────────────────────────────────


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda path: path.write_bytes(b""), "no database in MaxMind's format"),
        (lambda path: path.write_text("<html>404</html>"), "no database in MaxMind's format"),
        (half, "no database in MaxMind's format"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "no regular file"),
        (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "no regular file"),
        (lambda path: write(path, "GeoLite2-ASN", {"81.2.0.0/16": EXAMPLE_NET}), "GeoLite2-ASN tells asn, and is not"),
        (lambda path: write(path, "GeoIP2-Domain", {"81.2.0.0/16": {"domain": "x"}}), "nothing that is known here"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_use_is_named_and_costs_nothing_else(city, asn, spoil, words):
    spoil(city)
    origins = opened(geoip_city=city, geoip_asn=asn)
    assert words in problems(origins)["geoip_city"]
    assert origins.now.known == {"asn"} and of(origins, "81.2.69.7").operator.asn == 64500


@pytest.mark.parametrize("name", ["geoip_city", "addresses_tor"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_has_no_end_is_not_read(tmp_path, name, make):
    make(tmp_path / "endless")
    with pytest.raises(Unusable, match="no regular file"):
        load(BY_SETTING[name], tmp_path / "endless")


def test_a_database_has_a_size(city, monkeypatch):
    monkeypatch.setattr(sources, "MOST_DATABASE_BYTES", city.stat().st_size)
    assert problems(opened(geoip_city=city)) == {}
    monkeypatch.setattr(sources, "MOST_DATABASE_BYTES", city.stat().st_size - 1)
    assert problems(opened(geoip_city=city))["geoip_city"].endswith("MB: no database of addresses")


def test_the_copy_of_a_database_has_no_name(tmp_path, city, monkeypatch):
    """Nothing is left of it where this process is ended while it copies, and nobody is shown a name it had."""
    folder, seen = tmp_path / "temporary", []
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    opening = maxminddb.open_database

    def look_first(place):
        seen.append(list(folder.iterdir()))
        return opening(place)

    monkeypatch.setattr(maxminddb, "open_database", look_first)
    assert problems(opened(geoip_city=city)) == {}
    half(city)
    problem = problems(opened(geoip_city=city))["geoip_city"]
    assert seen == [[], []] and str(city) in problem and "/dev/fd" not in problem


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_no_damage_inside_raises(city, place):
    """Bytes of the tree and of the records turned over: refused, or unknown, or another answer; never a fault."""
    content = bytearray(city.read_bytes())
    for each in range(place, len(content), 200):
        content[each] ^= 0xFF
    city.write_bytes(bytes(content))
    origins = opened(geoip_city=city)
    if not problems(origins):
        for text in ("81.2.69.7", "5.6.7.8", "2001:4860::1", "1.1.1.1"):
            assert of(origins, text).address == parse(text)


class Broken:
    """A reader of the library, in trouble of its own."""

    def get(self, text):
        raise RuntimeError("broken inside")


def test_a_file_that_fails_in_any_way_costs_what_it_knows(city, asn):
    files = [load(BY_SETTING[name], path) for name, path in (("geoip_city", city), ("geoip_asn", asn))]
    now = Generation([dataclasses.replace(files[0], reader=Broken()), files[1]])
    with capture_logs() as lines:
        found = now.look_up([parse("81.2.69.7"), parse("81.2.69.8")])
    for origin in found.values():
        assert (origin.place, origin.operator.asn, origin.known) == (None, 64500, {"asn"})
    assert [each["setting"] for each in lines] == ["REFLEDGER_GEOIP_CITY"]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "no address and no range"),
        (b"# nothing yet\n", "no address and no range"),
        (
            b"<html>\n<body>\n404\n198.51.100.7\n</html>",
            "most of its lines hold no address, the first is line 1",
        ),
        (bytes(range(256)) * 50, "no address and no range"),
    ],
)
def test_lists_that_are_none(tmp_path, content, words):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=words):
        load(BY_SETTING["addresses_vpn"], path)


def test_a_list_with_some_bad_lines_is_one(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("198.51.100.0/24\nrubbish\n203.0.113.7\n")
    loaded = load(BY_SETTING["addresses_vpn"], path)
    assert (loaded.entries, loaded.ranges.bad_lines, loaded.ranges.first_bad_line) == (2, 1, 2)


# ── while somebody asks ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_file_is_taken_and_what_was_remembered_goes(city):
    origins = opened(geoip_city=city)
    assert of(origins, "81.2.69.7").place.name == "London, GB"
    before = origins.now
    replace(city, lambda path: write(path, "GeoLite2-City", {"81.2.69.0/24": TOKYO}))
    assert of(looked_twice(origins), "81.2.69.7").place.name == "Tokyo, JP"
    # Whoever has taken the one before keeps to it.
    assert before.look_up([parse("81.2.69.7")])["81.2.69.7"].place.name == "London, GB"
    assert origins.now is looked_twice(origins).now


@pytest.mark.parametrize("spoil", [half, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_bad_replacement_keeps_the_one_before_until_it_is_mended(city, spoil):
    origins = opened(geoip_city=city)
    whole = city.read_bytes()
    spoil(city)  # in place: what was mapped must not be touched by it
    looked_twice(origins)
    assert problems(origins) and of(origins, "81.2.69.7").place.name == "London, GB"
    assert of(origins, "5.6.7.8").place.name == "Paris, FR"  # read from the file only now
    city.write_bytes(whole)
    looked_twice(origins)
    assert problems(origins) == {} and of(origins, "81.2.69.7").place.name == "London, GB"


def test_what_is_being_written_is_waited_for(tmp_path):
    path = tmp_path / "tor.txt"
    path.write_text("198.51.100.7\n")
    origins = opened(addresses_tor=path)
    for count in range(2, 5):
        path.write_text("198.51.100.9\n" * count)
        origins.look()
        assert of(origins, "198.51.100.9").classes == frozenset()
    origins.look()
    assert of(origins, "198.51.100.9").classes == {"tor"}


def test_a_file_that_was_missing_at_the_start_is_found_later(tmp_path):
    path = tmp_path / "late.txt"
    origins = opened(addresses_vpn=path)
    assert "No such file" in problems(origins)["addresses_vpn"] and origins.now.known == frozenset()
    path.write_text("198.51.100.0/24\n")
    assert of(looked_twice(origins), "198.51.100.9").classes == {"vpn"}


def test_the_thread_looks_by_itself(city):
    origins = Origins(load_settings(geoip_city=city))
    origins.open()
    try:
        assert of(origins, "81.2.69.7").place.name == "London, GB"
        replace(city, lambda path: write(path, "GeoLite2-City", {"81.2.69.0/24": TOKYO}))
        until = time.monotonic() + 20
        while of(origins, "81.2.69.7").place.name != "Tokyo, JP" and time.monotonic() < until:
            time.sleep(0.02)
        assert of(origins, "81.2.69.7").place.name == "Tokyo, JP"
    finally:
        origins.close()
