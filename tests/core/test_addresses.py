"""Addresses as reports carry them, and their classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core import addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.42", "203.0.113.42"),
        (" 81.2.69.160 , 10.0.0.1", "81.2.69.160"),
        ("81.2.69.160:8080", "81.2.69.160"),
        ("[2001:4860:4860::8888]:443", "2001:4860:4860::8888"),
        ("[2001:4860:4860::8888]", "2001:4860:4860::8888"),
        ("2001:4860:4860:0:0:0:0:8888", "2001:4860:4860::8888"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:81.2.69.160", "81.2.69.160"),
        ("[::ffff:81.2.69.160]:80", "81.2.69.160"),
        ("", None),
        ("unknown", None),
        (", 81.2.69.160", None),
        ("999.1.1.1", None),
        ("1.2.3", None),
        ("01.2.3.4", None),
        ("1.2.3.4.5", None),
        ("localhost", None),
        ("\x00", None),
        ("9" * 5000, None),
    ],
)
def test_parse(text, address):
    found = addresses.parse(text)
    assert (found.text if found else None) == address


@pytest.mark.parametrize(
    ("text", "version", "unit", "network"),
    [
        ("81.2.69.160", 4, "81.2.69.160/32", "81.2.69.0/24"),
        ("2001:4860:4860:1:2::8", 6, "2001:4860:4860:1::/64", "2001:4860:4860::/48"),
    ],
)
def test_units_and_networks(text, version, unit, network):
    found = addresses.parse(text)
    assert (found.version, found.unit, found.network) == (version, unit, network)


@pytest.mark.parametrize(
    ("text", "special"),
    [
        ("203.0.113.42", "documentation"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.7", "documentation"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("172.32.0.1", None),
        ("172.15.255.255", None),
        ("11.0.0.0", None),
        ("fd00::1", "private"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("0.1.2.3", "reserved"),
        ("100.64.0.1", "carrier_nat"),
        ("100.127.255.255", "carrier_nat"),
        ("100.128.0.0", None),
        ("169.254.1.1", "link_local"),
        ("fe80::1", "link_local"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.20.0.0", None),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("64:ff9b::102:304", "nat64"),
        ("2002:102:304::1", "6to4"),
        ("2001:0:1::1", "teredo"),
        ("2001:1::1", "anycast"),
        ("2001:1::3", "anycast"),
        ("2001:1::4", "reserved"),
        ("100::1", "discard"),
        ("5f00::1", "segment_routing"),
        ("4000::1", "reserved"),
        ("81.2.69.160", None),
        ("8.8.8.8", None),
        ("2001:4860:4860::8888", None),
        ("2a00:1450::1", None),
    ],
)
def test_special(text, special):
    assert addresses.parse(text).special == special


@pytest.mark.parametrize(
    ("text", "short"),
    [("81.2.69.160", "81.2.69.0/24"), ("2001:4860:4860:1::8", "2001:4860:4860::/48"), ("rubbish", "unknown")],
)
def test_shorten(text, short):
    assert addresses.shorten(text) == short


@given(
    st.one_of(
        st.text(max_size=60), st.ip_addresses().map(str), st.text("0123456789abcdef.:[]%,/ ", max_size=45)
    )
)
def test_no_text_is_too_strange(text):
    found = addresses.parse(text)
    if found:
        assert addresses.parse(found.text) == found
