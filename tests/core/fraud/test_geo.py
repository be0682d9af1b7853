"""Customer and affiliate at one place, on both sides of each line."""

import pytest

from refledger.core.origins import ASN, CITY, Operator
from tests.core.fraud.cases import (
    DAY_MS,
    EVERYTHING,
    MADRID,
    NOW_MS,
    SOFIA,
    TELEFONICA,
    VIVACOM,
    case,
    declared,
    entry,
    origin,
    seen,
    state,
)

HOME, HOME_6 = "81.2.69.160", "2a00:1450:4000:800::1"


@pytest.mark.parametrize(
    ("customer", "affiliate", "same_ip", "same_network"),
    [
        ("81.2.69.160", "81.2.69.160", 60, 40),
        ("81.2.69.161", "81.2.69.160", "clear", 40),
        ("81.2.69.0", "81.2.69.255", "clear", 40),
        ("81.2.70.0", "81.2.69.255", "clear", "clear"),
        ("2a00:1450:4000:800::1", "2a00:1450:4000:800:ffff:ffff:ffff:ffff", 60, 40),
        ("2a00:1450:4000:800::1", "2a00:1450:4000:801::1", "clear", 40),
        ("2a00:1450:4000:800::1", "2a00:1450:4001:800::1", "clear", "clear"),
        ("::ffff:81.2.69.160", "81.2.69.160", 60, 40),
        # The numbers are equal, the protocols are not.
        ("2000::", "32.0.0.0", "clear", "clear"),
        # Samples of the documentation, and 6to4: one line's own.
        ("203.0.113.42", "203.0.113.42", 60, 40),
        ("2001:db8::1", "2001:db8::2", 60, 40),
        ("2002:5102:45a0::1", "2002:5102:45a0::2", 60, 40),
        # What many have by design.
        ("10.0.0.1", "10.0.0.1", "shared_address", "shared_address"),
        ("192.168.1.1", "192.168.1.1", "shared_address", "shared_address"),
        ("127.0.0.1", "127.0.0.1", "shared_address", "shared_address"),
        ("100.64.0.1", "100.64.0.1", "shared_address", "shared_address"),
        ("169.254.0.1", "169.254.0.1", "shared_address", "shared_address"),
        ("0.0.0.0", "0.0.0.0", "shared_address", "shared_address"),
        ("fe80::1", "fe80::1", "shared_address", "shared_address"),
        ("fd00::1", "fd00::1", "shared_address", "shared_address"),
        ("64:ff9b::5102:45a0", "64:ff9b::5102:45a0", "shared_address", "shared_address"),
        (None, "81.2.69.160", "no_ip", "no_ip"),
    ],
)
def test_one_line_and_one_network(customer, affiliate, same_ip, same_network):
    both = case(address=customer, affiliate_seen=(seen("8.8.8.8"), seen(affiliate)))
    assert (state(both, "geo.same_ip"), state(both, "geo.same_network")) == (same_ip, same_network)


@pytest.mark.parametrize(
    ("customer", "low", "high", "same_ip", "same_network"),
    [
        ("81.2.69.160", "81.2.69.160", "81.2.69.175", 60, 40),
        ("81.2.69.175", "81.2.69.160", "81.2.69.175", 60, 40),
        ("81.2.69.159", "81.2.69.160", "81.2.69.175", "clear", 40),
        ("81.2.69.176", "81.2.69.160", "81.2.69.175", "clear", 40),
        ("81.2.71.9", "81.2.68.0", "81.2.71.255", 60, 40),
        ("81.2.72.0", "81.2.68.0", "81.2.71.255", "clear", "clear"),
        ("2a00:1450:4000:8ff::1", "2a00:1450:4000:800::", "2a00:1450:4000:8ff:ffff:ffff:ffff:ffff", 60, 40),
        (
            "2a00:1450:4000:900::1",
            "2a00:1450:4000:800::",
            "2a00:1450:4000:8ff:ffff:ffff:ffff:ffff",
            "clear",
            40,
        ),
    ],
)
def test_declared_ranges(customer, low, high, same_ip, same_network):
    both = case(address=customer, affiliate_seen=(declared(low, high),))
    assert (state(both, "geo.same_ip"), state(both, "geo.same_network")) == (same_ip, same_network)


@pytest.mark.parametrize(
    ("age_ms", "same_ip"),
    [(0, 60), (30 * DAY_MS, 60), (30 * DAY_MS + 1, "no_affiliate_address"), (-1, 60)],
)
def test_the_affiliate_was_seen_within_30_days(age_ms, same_ip):
    own = (seen(HOME, NOW_MS - age_ms, place=MADRID, operator=TELEFONICA),)
    both = case(address=HOME, affiliate_seen=own, origin=origin())
    city = 5 if same_ip == 60 else same_ip
    assert state(both, "geo.same_ip") == same_ip
    assert state(both, "geo.same_city") == city
    assert state(both, "geo.same_city_asn") == (20 if city == 5 else city)


@pytest.mark.parametrize("code", ["geo.same_ip", "geo.same_network", "geo.same_city", "geo.same_city_asn"])
def test_nothing_known_of_the_affiliate(code):
    assert state(case(address=HOME, origin=origin()), code) == "no_affiliate_address"


@pytest.mark.parametrize(
    ("where", "known_from"),
    [
        ("declared", "the merchant"),
        ("test_click", "a test click"),
        ("portal", "the portal"),
        ("dashboard", "the dashboard"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_the_evidence_tells_how_the_address_was_known_and_not_which(where, known_from):
    told = entry(case(address=HOME, affiliate_seen=(seen(HOME, where=where),)), "geo.same_ip")
    assert told["evidence"] == {"known_from": known_from}


@pytest.mark.parametrize(
    ("customer", "affiliate", "same_city", "same_city_asn"),
    [
        (origin(MADRID, TELEFONICA), {"place": MADRID, "operator": TELEFONICA}, 5, 20),
        (origin(MADRID, TELEFONICA), {"place": MADRID, "operator": VIVACOM}, 5, "clear"),
        (origin(MADRID, TELEFONICA), {"place": SOFIA, "operator": TELEFONICA}, "clear", "clear"),
        (origin(None, TELEFONICA), {"place": MADRID, "operator": TELEFONICA}, *["not_in_database"] * 2),
        (origin(MADRID, TELEFONICA), {"place": None, "operator": TELEFONICA}, *["not_in_database"] * 2),
        # A look-up in one database does not depend on a hit in another.
        (origin(MADRID, None), {"place": MADRID, "operator": TELEFONICA}, 5, "not_in_database"),
        (origin(MADRID, TELEFONICA), {"place": MADRID, "operator": None}, 5, "not_in_database"),
        (origin(MADRID, None, known={CITY}), {"place": MADRID, "operator": None}, 5, "no_database"),
        (
            origin(None, TELEFONICA, known={ASN}),
            {"place": None, "operator": TELEFONICA},
            *["no_database"] * 2,
        ),
        (origin(None, None, known=()), {"place": None, "operator": None}, *["no_database"] * 2),
        (None, {"place": None, "operator": None}, *["no_database"] * 2),
    ],
)
def test_one_city_and_one_operator(customer, affiliate, same_city, same_city_asn):
    own = (seen("8.8.8.8", place=SOFIA, operator=VIVACOM), seen("8.8.4.4", **affiliate))
    if None in affiliate.values():
        own = own[1:]
    both = case(address=HOME, origin=customer, affiliate_seen=own)
    assert (state(both, "geo.same_city"), state(both, "geo.same_city_asn")) == (same_city, same_city_asn)


@pytest.mark.parametrize(("name", "told"), [("Telefonica", "Telefonica"), ("", "AS3352")])
def test_an_operator_without_a_name_is_told_by_its_number(name, told):
    operator = Operator(3352, name)
    both = case(
        address=HOME,
        origin=origin(MADRID, operator),
        affiliate_seen=(seen("8.8.8.8", place=MADRID, operator=operator),),
    )
    assert entry(both, "geo.same_city_asn")["evidence"]["operator"] == told


def test_a_range_has_no_city():
    both = case(address=HOME, origin=origin(), affiliate_seen=(declared("9.0.0.0", "9.0.0.255"),))
    assert state(both, "geo.same_city") == state(both, "geo.same_city_asn") == "no_affiliate_address"


def test_one_place_is_one_suspicion():
    own = (seen(HOME, place=MADRID, operator=TELEFONICA),)
    both = case(address=HOME, origin=origin(known=EVERYTHING), affiliate_seen=own)
    counted = {code: entry(both, code)["counted"] for code in ("geo.same_ip", "geo.same_city_asn")}
    assert counted == {"geo.same_ip": 60, "geo.same_city_asn": 0}
