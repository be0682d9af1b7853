"""`refledger geoip status`, and what the doctor says of the same files."""

import json
import os

import pytest

from refledger.services.doctor import examine
from refledger.services.sources import OLD_DAYS, SIGNALS_NEED, SOURCES
from refledger.settings import load
from tests.conftest import START_MS
from tests.mmdb import EXAMPLE_NET, FRANCE, LONDON, write

DAY_S = 86_400
NOT_SET = {source.setting for source in SOURCES}

pytestmark = pytest.mark.only_on("sqlite", "no database is asked")


def variables(**files):
    return {f"REFLEDGER_{name.upper()}": str(path) for name, path in files.items()}


def status(shell, **files):
    """What `--json` tells, by setting, and the status."""
    done = shell.run("geoip", "status", "--json", **variables(**files))
    told = json.loads(done.stdout)
    return {each["setting"]: each for each in told["files"]}, told["not_evaluated"], done.returncode


def test_without_files_it_says_what_they_would_be_for(shell):
    done = shell.run("geoip", "status")
    assert done.returncode == 0 and done.stderr == ""
    for source in SOURCES:
        assert source.variable in done.stdout and source.where in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == f"not evaluated: {', '.join(SIGNALS_NEED)}"


def test_what_a_database_and_a_list_hold(shell, tmp_path):
    city = write(tmp_path / "c.mmdb", "GeoLite2-City", {"81.2.69.0/24": LONDON})
    tor = tmp_path / "tor.txt"
    tor.write_text("198.51.100.7\nrubbish\n198.51.100.9\n")
    told, silent, code = status(shell, geoip_city=city, addresses_tor=tor)
    assert code == 0
    of_city, of_tor = told["REFLEDGER_GEOIP_CITY"], told["REFLEDGER_ADDRESSES_TOR"]
    assert (of_city["state"], of_city["type"], of_city["knows"]) == (
        "ok",
        "GeoLite2-City",
        ["city", "country"],
    )
    assert of_city["age_days"] == 0 and of_city["entries"] > 0 and of_city["file"] == str(city)
    assert (of_tor["entries"], of_tor["bad_lines"], of_tor["first_bad_line"]) == (2, 1, 2)
    assert told["REFLEDGER_GEOIP_ASN"]["state"] == "not_configured"
    assert set(SIGNALS_NEED) - set(silent) == {"geo.same_city", "geo.impossible_travel", "ip.tor"}
    lines = shell.run("geoip", "status", **variables(addresses_tor=tor)).stdout
    assert "2 entries: tor; 1 bad line, the first is line 2" in lines


def test_a_file_that_is_no_use_ends_with_status_1(shell, tmp_path):
    asn = write(tmp_path / "a.mmdb", "GeoLite2-ASN", {"81.2.69.0/24": EXAMPLE_NET})
    told, silent, code = status(shell, geoip_city=asn, geoip_asn=tmp_path / "gone.mmdb")
    assert code == 1
    assert "is not for cities" in told["REFLEDGER_GEOIP_CITY"]["problem"]
    assert "No such file" in told["REFLEDGER_GEOIP_ASN"]["problem"]
    assert silent == list(SIGNALS_NEED)


def test_no_database_is_needed_and_none_is_made(shell):
    assert shell.run("geoip", "status").returncode == 0
    assert list(shell.folder.iterdir()) == []


# ── the doctor ───────────────────────────────────────────────────────────────────────────────────────────────────


def said(database, database_url, folder, **files):
    """The doctor's findings by subject, of the sources alone."""
    settings = load(database_url=database_url, data_dir=folder, **files)
    subjects = {source.subject for source in SOURCES}
    found = [each for each in examine(settings, database, START_MS) if each.subject in subjects]
    assert len(found) == len(SOURCES)
    return {each.subject: (each.level, each.words) for each in found}


def test_the_doctor_names_what_is_not_evaluated(database, database_url, tmp_path):
    found = said(database, database_url, tmp_path)
    assert {level for level, _ in found.values()} == {"ok"}
    assert found["Tor exits"][1] == "REFLEDGER_ADDRESSES_TOR is not set; ip.tor: not evaluated"
    assert "geo.impossible_travel" in found["cities"][1]


def test_what_one_file_knows_is_not_missed_in_another(database, database_url, tmp_path):
    path = write(tmp_path / "a.mmdb", "GeoIP2-Anonymous-IP", {"81.2.69.0/24": {"is_tor_exit_node": True}})
    found = said(database, database_url, tmp_path, geoip_anonymous=path)
    assert found["Tor exits"][1] == "REFLEDGER_ADDRESSES_TOR is not set; other files know it"
    assert found["privacy relays"][1] == "REFLEDGER_ADDRESSES_RELAY is not set; ip.relay: not evaluated"


def test_the_doctor_says_what_a_file_of_countries_lacks(database, database_url, tmp_path):
    path = write(tmp_path / "c.mmdb", "GeoLite2-Country", {"5.6.0.0/16": FRANCE})
    level, words = said(database, database_url, tmp_path, geoip_city=path)["cities"]
    assert level == "ok"
    assert words.endswith(
        "; geo.same_city, geo.same_city_asn, geo.impossible_travel: not evaluated, it does not tell"
    )


@pytest.mark.parametrize(("days", "level"), [(0, "ok"), (OLD_DAYS, "ok"), (OLD_DAYS + 1, "warn"), (-1, "ok")])
def test_the_doctor_tells_the_age(database, database_url, tmp_path, days, level):
    made_s = START_MS // 1000 - days * DAY_S
    city = write(tmp_path / "c.mmdb", "GeoLite2-City", {"81.2.69.0/24": LONDON}, build_epoch=made_s)
    tor = tmp_path / "tor.txt"
    tor.write_text("198.51.100.7\n")
    os.utime(tor, (made_s, made_s))
    found = said(database, database_url, tmp_path, geoip_city=city, addresses_tor=tor)
    for subject in ("cities", "Tor exits"):
        assert found[subject][0] == level
        assert f"{max(days, 0)} day" in found[subject][1]
        assert ("fetch a newer one" in found[subject][1]) == (level == "warn")


def test_the_doctor_fails_on_damage(database, database_url, tmp_path):
    path = tmp_path / "c.mmdb"
    path.write_bytes(b"\xab" * 5000)
    level, words = said(database, database_url, tmp_path, geoip_city=path)["cities"]
    assert level == "fail" and str(path) in words and "a running service keeps" in words
