"""Forwarded headers: whatever anybody writes into them, the client is an address that a trusted proxy vouches for."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.addresses import parse
from refledger.services.visitor import Trusted, client_address, is_https

PROXY, CLIENT = "10.0.0.1", "198.51.100.7"


def trusted():
    return Trusted((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))


def scope(*forwarded, peer=PROXY, name=b"x-forwarded-for", scheme="http"):
    headers = [(name, each if isinstance(each, bytes) else each.encode("latin-1")) for each in forwarded]
    return {"client": peer and (peer, 1), "headers": headers, "scheme": scheme}


@pytest.mark.parametrize(
    "peer, forwarded, address",
    [
        (CLIENT, ["203.0.113.5"], CLIENT),  # nobody vouches for it
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"203.0.113.5, {CLIENT}"], CLIENT),  # what stands left of it, anybody can write
        (PROXY, ["203.0.113.5", f"{CLIENT}, 10.0.0.2"], CLIENT),
        (PROXY, [f"[2001:db8::7]:443, {PROXY}"], "2001:db8::7"),
        (PROXY, [f"{CLIENT}:8080"], CLIENT),
        (PROXY, ["::ffff:198.51.100.7"], CLIENT),
        (PROXY, ["rubbish"], PROXY),
        (PROXY, [f"rubbish, {CLIENT}"], CLIENT),
        (PROXY, [f"{CLIENT}, rubbish"], PROXY),  # and no further
        (PROXY, [""], PROXY),
        (PROXY, [], PROXY),
        (PROXY, [", ".join(["10.0.0.2"] * 50)], "10.0.0.2"),
        ("fd00::1", [CLIENT], CLIENT),
        (None, [CLIENT], None),
        ("testclient", [CLIENT], None),
    ],
)
def test_who_is_believed(peer, forwarded, address):
    assert client_address(scope(*forwarded, peer=peer), trusted()) == address


HOPS = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(
        ["10.0.0.3", "fd00::2", "[::1]:80", "1.2.3.4:5", "unknown", "_hidden", "", "fe80::1%eth0", "%", "["]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
LINES = st.lists(st.lists(HOPS, max_size=6).map(", ".join), max_size=4) | st.lists(
    st.binary(max_size=40), max_size=3
)


@given(LINES)
def test_no_header_is_too_odd(lines):
    found = client_address(scope(*lines), trusted())
    assert parse(found).text == found


@given(LINES)
def test_nobody_is_believed_without_trust(lines):
    assert client_address(scope(*lines), Trusted()) == PROXY
    assert client_address(scope(*lines, peer=CLIENT), trusted()) == CLIENT


@given(LINES, st.ip_addresses(network="198.51.100.0/24").map(str))
def test_what_the_proxy_adds_is_what_counts(lines, client):
    """The proxy writes the last hop; all that stands before it came with the request."""
    assert client_address(scope(*lines, client), trusted()) == client


@given(LINES)
def test_no_protocol_is_too_odd(lines):
    told = is_https(scope(*lines, name=b"x-forwarded-proto"), trusted())
    assert told in (True, False)
    assert is_https(scope(*lines, name=b"x-forwarded-proto", peer=CLIENT), trusted()) is False


def test_the_control_the_nearest_proxys_word_counts():
    assert is_https(scope("http, https", name=b"x-forwarded-proto"), trusted()) is True
    assert is_https(scope("https, http", name=b"x-forwarded-proto"), trusted()) is False
