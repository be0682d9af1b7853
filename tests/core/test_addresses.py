"""Addresses as reports carry them, and their classes."""

import ipaddress
import re

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


# The blocks of IANA's registries of special-purpose addresses (IPv4 and IPv6, as of October 2025), multicast, and two
# that were given up (site-local, IPv4-compatible). IPv4-mapped ones are read as the IPv4 addresses they hold.
REGISTRIES = """
0.0.0.0/8 reserved             0.0.0.0/32 unspecified          10.0.0.0/8 private
100.64.0.0/10 carrier_nat      127.0.0.0/8 loopback            169.254.0.0/16 link_local
172.16.0.0/12 private          192.0.0.0/24 reserved           192.0.0.0/29 continuity
192.0.0.8/32 dummy             192.0.0.9/32 anycast            192.0.0.10/32 anycast
192.0.0.170/32 nat64           192.0.0.171/32 nat64            192.0.2.0/24 documentation
192.31.196.0/24 as112          192.52.193.0/24 amt             192.88.99.0/24 anycast
192.88.99.2/32 anycast         192.168.0.0/16 private          192.175.48.0/24 as112
198.18.0.0/15 benchmarking     198.51.100.0/24 documentation   203.0.113.0/24 documentation
224.0.0.0/4 multicast          240.0.0.0/4 reserved            255.255.255.255/32 broadcast
::/128 unspecified             ::1/128 loopback                ::/96 reserved
64:ff9b::/96 nat64             64:ff9b:1::/48 nat64            100::/64 discard
100:0:0:1::/64 dummy           2001::/23 reserved              2001::/32 teredo
2001:1::1/128 anycast          2001:1::2/128 anycast           2001:1::3/128 anycast
2001:2::/48 benchmarking       2001:3::/32 amt                 2001:4:112::/48 as112
2001:10::/28 orchid            2001:20::/28 orchid             2001:30::/28 drone
2001:db8::/32 documentation    2002::/16 6to4                  2620:4f:8000::/48 as112
3fff::/20 documentation        5f00::/16 segment_routing       fc00::/7 private
fe80::/10 link_local           fec0::/10 private               ff00::/8 multicast
"""
BLOCKS = [
    (ipaddress.ip_network(block), special) for block, special in re.findall(r"(\S+/\d+) (\w+)", REGISTRIES)
]


def narrowest(ip):
    """What the registries say of an address: the narrowest block that holds it."""
    holding = [(block.prefixlen, special) for block, special in BLOCKS if ip in block]
    return max(holding)[1] if holding else None


def edges():
    """The first and last address of each block, and those next to it outside."""
    for block, _ in BLOCKS:
        kind, first, last = type(block[0]), int(block[0]), int(block[-1])
        for number in (first - 1, first, last, last + 1):
            if 0 <= number < 1 << block.max_prefixlen:
                yield kind(number)


@pytest.mark.parametrize("ip", dict.fromkeys(edges()), ids=str)
def test_the_edges_of_every_block(ip):
    outside = ip.version == 6 and int(ip) >> 125 != 1  # 2000::/3 is all that is given out
    assert addresses.parse(str(ip)).special == (narrowest(ip) or ("reserved" if outside else None))


@given(st.ip_addresses())
def test_any_address_is_of_the_class_the_registries_say(ip):
    if ip.version == 4 or not ip.ipv4_mapped:
        outside = ip.version == 6 and int(ip) >> 125 != 1
        assert addresses.parse(str(ip)).special == (narrowest(ip) or ("reserved" if outside else None))


@pytest.mark.parametrize(
    "text", ["81.2.69.160", "8.8.8.8", "2001:4860:4860::8888", "2a00:1450::1", "172.32.0.1"]
)
def test_ordinary(text):
    assert (addresses.parse(text).special, addresses.parse(text).shared) == (None, False)


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("10.0.0.1", True),
        ("100.64.0.1", True),
        ("127.0.0.1", True),
        ("169.254.0.1", True),
        ("0.0.0.0", True),
        ("192.0.0.2", True),
        ("64:ff9b::102:304", True),
        ("192.88.99.1", True),
        ("203.0.113.42", False),
        ("2001:db8::1", False),
        ("2002:102:304::1", False),
    ],
)
def test_what_many_share_by_design(text, shared):
    assert addresses.parse(text).shared is shared


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
