"""Where everybody is: what the signals are told, what the record keeps, what is left for the next report."""

import json

import pytest

from refledger.core.fraud.scoring import judge
from refledger.services import tracking
from refledger.services.origins import Origins
from refledger.settings import load
from tests.builders import EMAIL, PURCHASE, SIGNUP, Counter
from tests.mmdb import EXAMPLE_NET, LONDON, PARIS, TOKYO, write

DAY_MS = 86_400_000
IN_LONDON, IN_PARIS, IN_TOKYO, NOWHERE = "81.2.69.7", "5.6.7.8", "2001:4860::1", "9.9.9.9"


@pytest.fixture
def files(tmp_path):
    networks = {"81.2.69.0/24": LONDON, "5.6.0.0/16": PARIS, "2001:4860::/32": TOKYO}
    tor = tmp_path / "tor.txt"
    tor.write_text("5.6.7.8\n")
    return {
        "geoip_city": write(tmp_path / "city.mmdb", "GeoLite2-City", networks),
        "geoip_asn": write(tmp_path / "asn.mmdb", "GeoLite2-ASN", {"81.2.0.0/16": EXAMPLE_NET}),
        "addresses_tor": tor,
    }


def counting(shop, **files):
    origins = Origins(load(**files))
    origins.look()
    return Counter(shop, origins)


@pytest.fixture
def counter(shop, files):
    return counting(shop, **files)


@pytest.fixture
def cases(monkeypatch):
    """The cases that were judged, as the signals were told them."""
    told = []

    def telling(case, *more):
        told.append(case)
        return judge(case, *more)

    monkeypatch.setattr(tracking, "judge", telling)
    return told


def record(shop):
    return json.loads(shop.rows("SELECT record FROM decisions ORDER BY conversion_id")[-1]["record"])


def test_the_record_says_what_was_known_and_from_which_files(shop, counter, clock):
    click_id = shop.click(address=IN_LONDON, at_ms=clock() - 300_000)
    counter.purchase(customer_ip=IN_PARIS, click_id=click_id)
    told = record(shop)
    known = ["asn", "city", "tor"]
    assert told["facts"]["origin"] == {
        "country": "FR", "city": "Paris, FR", "operator": None, "classes": ["tor"], "known": known,
    }  # fmt: skip
    assert told["facts"]["click_origin"] == {
        "country": "GB", "city": "London, GB", "operator": {"asn": 64500, "name": "Example Net"},
        "classes": [], "known": known,
    }  # fmt: skip
    assert set(told["data"]) >= {"geoip_city", "geoip_asn", "addresses_tor", "disposable_email_domains"}
    text = json.dumps(told)
    assert IN_PARIS not in text and IN_LONDON not in text


def test_without_files_nothing_is_said_and_nothing_left(shop, cases):
    Counter(shop).purchase(customer_ip=IN_PARIS)
    assert cases[0].origin is None and cases[0].whereabouts is None
    told = record(shop)
    assert "origin" not in told["facts"] and "geoip_city" not in told["data"]
    assert shop.rows("SELECT * FROM whereabouts") == []


def test_other_files_leave_no_places(shop, files, cases):
    del files["geoip_city"]
    counter = counting(shop, **files)
    counter.purchase(customer_ip=IN_LONDON)
    assert cases[0].origin.operator.asn == 64500 and cases[0].origin.known == {"asn", "tor"}
    assert shop.rows("SELECT * FROM whereabouts") == []


@pytest.mark.parametrize(
    "address, left",
    [
        (IN_LONDON, (51514, -93, 10, 0)),
        (IN_PARIS, (48857, 2352, 100, 1)),  # of unknown exactness, and behind Tor
        (IN_TOKYO, (35690, 139692, 20, 0)),
        (NOWHERE, None),
        (None, None),
        ("not an address", None),
    ],
)
def test_an_accepted_conversion_leaves_its_place(shop, counter, clock, address, left):
    counter.purchase(customer_ip=address)
    rows = shop.rows("SELECT * FROM whereabouts")
    names = ("latitude_mdeg", "longitude_mdeg", "radius_km", "masked")
    assert [tuple(row[name] for name in names) for row in rows] == ([left] if left else [])
    assert all(row["at_ms"] == clock() for row in rows)


def test_who_leaves_none(shop, counter):
    counter.purchase(customer_ip=IN_LONDON, secret=True, dry_run=True)
    counter.report(coupon_code="SAVE20", customer_ip=IN_LONDON, **PURCHASE)  # nobody's mailbox
    counter.purchase(customer_ip=IN_LONDON)
    counter.purchase(customer_ip=IN_LONDON)  # a duplicate
    assert len(shop.rows("SELECT * FROM whereabouts")) == 1


@pytest.mark.parametrize(("later_ms", "found"), [(0, True), (DAY_MS - 1, True), (DAY_MS, False)])
def test_the_next_report_of_a_mailbox_is_told_where_it_was(shop, counter, clock, cases, later_ms, found):
    counter.signup(customer_ip=IN_LONDON)
    at_ms = clock()
    clock.now_ms += later_ms
    counter.purchase(customer_ip=IN_TOKYO)
    before = cases[-1].whereabouts
    assert cases[0].whereabouts is None and (before is not None) == found
    if found:
        assert before == (at_ms, 51514, -93, 10, False) and before.masked is False


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [(True, True, True), (True, False, True), (False, False, True), (False, True, False)],
)
def test_a_forged_report_says_nothing_of_where_a_verified_one_comes_from(
    shop, counter, cases, before, after, found
):
    """`before`, `after`: whether these reports are verified."""
    counter.signup(customer_ip=IN_LONDON, secret=before)
    counter.purchase(customer_ip=IN_TOKYO, secret=after)
    assert (cases[-1].whereabouts is not None) == found


@pytest.mark.parametrize("first", [True, False])
def test_an_unverified_report_is_told_the_latest_whoever_left_it(shop, counter, clock, cases, first):
    """`first`: whether the earlier one is verified; the later one is not, or the other way round."""
    shop.change_program(repeat_purchases="lifetime")
    counter.signup(customer_ip=IN_LONDON, secret=first)
    clock.advance_s(60)
    counter.purchase(customer_ip=IN_PARIS, order_id="o1", secret=not first)
    counter.purchase(customer_ip=IN_TOKYO, order_id="o2")
    assert cases[-1].whereabouts.latitude_mdeg == 48857


def test_the_latest_place_counts_and_it_is_the_mailboxs_own(shop, counter, clock, cases):
    counter.signup(customer_ip=IN_LONDON)
    clock.advance_s(60)
    counter.purchase(customer_ip=IN_PARIS, order_id="o1")
    clock.advance_s(60)
    counter.purchase("other@example.com", customer_ip=IN_TOKYO)
    assert cases[-1].whereabouts is None
    shop.change_program(repeat_purchases="lifetime")
    clock.advance_s(60)
    counter.purchase(customer_ip=IN_TOKYO, order_id="o2")
    assert (cases[-1].whereabouts.latitude_mdeg, cases[-1].whereabouts.masked) == (48857, True)


def test_the_affiliates_own_addresses(shop, counter, clock, cases):
    shop.change_affiliate(shop.john_id, known_addresses=["198.51.100.0/24", IN_LONDON])
    seen = [[IN_TOKYO, clock(), "test_click"], ["5.6.7.9", clock() - 30 * DAY_MS, "test_click"]]
    shop.run("UPDATE affiliates SET seen_addresses = ? WHERE id = ?", json.dumps(seen), shop.john_id)
    counter.purchase(customer_ip=IN_PARIS)
    told = [(each.where, each.at_ms, each.low == each.high, each.origin) for each in cases[0].affiliate_seen]
    (declared, range_of), test_click = told[1::-1], told[2]
    assert range_of == ("declared", None, False, None)
    assert declared[:3] == ("declared", None, True) and declared[3].place.name == "London, GB"
    assert test_click[:3] == ("test_click", clock(), True) and test_click[3].place.name == "Tokyo, JP"
    assert len(told) == 3


def test_addresses_are_the_affiliates_without_any_file_too(shop, cases):
    shop.change_affiliate(shop.john_id, known_addresses=[IN_LONDON])
    Counter(shop).purchase(customer_ip=IN_LONDON)
    (own,) = cases[0].affiliate_seen
    assert own.low == cases[0].address.number and own.origin is None


def test_a_group_keeps_to_one_generation(shop, counter, files, cases):
    """What is replaced meanwhile is for the next group."""
    claims = [
        counter.claim(ref_code=code, customer_email=f"{code}@example.com", customer_ip=IN_LONDON, **SIGNUP)
        for code in ("JOHN123", "MARY123")
    ]
    counter.settle(*claims)
    write(files["geoip_city"], "GeoLite2-City", {"81.2.69.0/24": TOKYO})
    origins = counter.tracking._origins
    origins.look()
    origins.look()
    counter.purchase("third@example.com", customer_ip=IN_LONDON)
    assert [case.origin.place.name for case in cases] == ["London, GB", "London, GB", "Tokyo, JP"]


def test_an_attempt_that_is_accepted_later_keeps_what_was_known(shop, counter):
    shop.change_program(limits={"hourly": 0, "daily": 0})
    assert counter.purchase(customer_ip=IN_LONDON).code == "rate_limited"
    (attempt,) = shop.rows("SELECT * FROM attempts")
    assert json.loads(attempt["record"])["facts"]["origin"]["city"] == "London, GB"
    assert EMAIL not in attempt["record"] and shop.rows("SELECT * FROM whereabouts") == []
