from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.addresses import parse
from refledger.core.ranges import read


def holds(found, text):
    address = parse(text)
    return found.holds(address.version, address.number)


PUBLISHED = """\ufeff# exits, as of today
198.51.100.7
198.51.100.9   # a comment behind
203.0.113.0/25,US,US-CA,Los Angeles,
"192.0.2.0/24",x
2001:db8:1::/48
10.0.0.5/8
172.16.0.0/255.240.0.0

::ffff:100.64.0.0/106
"""


@pytest.mark.parametrize(
    "text, inside",
    [
        ("198.51.100.7", True),
        ("198.51.100.6", False),
        ("198.51.100.8", False),
        ("198.51.100.9", True),
        ("203.0.113.0", True),
        ("203.0.113.127", True),
        ("203.0.113.128", False),
        ("202.255.255.255", False),
        ("192.0.2.255", True),
        ("2001:db8:1:ffff:ffff:ffff:ffff:ffff", True),
        ("2001:db8:2::", False),
        ("10.255.255.255", True),  # host bits are no mistake
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("100.64.0.1", True),
        ("100.128.0.1", False),
        ("::c633:6407", False),  # the number of 198.51.100.7, in the other family
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", False),
    ],
)
def test_the_ends_of_ranges(text, inside):
    found = read(PUBLISHED)
    assert holds(found, text) is inside
    assert (found.entries, found.bad_lines, found.first_bad_line) == (8, 0, None)


@pytest.mark.parametrize(
    "line",
    ["nonsense", "1.2.3", "1.2.3.4/33", "300.1.1.1", "01.2.3.4", "1.2.3.4 - 1.2.3.9", "0.0.0.0/0", "::/0",
     "::ffff:0:0/96", "ip_prefix,country", "<html>", "2001:db8::/129", "1.2.3.4/-1", "\0", "٣.1.1.1",
     "2001:db8::/٤", "2001:db8::/" + "9" * 5000, "fe80::1%eth0", "2001:db8::/", "1.2.3.4/", "1:2:3:4:5:6:7:8:9"],
)  # fmt: skip
def test_bad_lines_are_counted_and_the_others_count(line):
    found = read(f"198.51.100.7\n{line}\n198.51.100.9\n{line}")
    assert (found.entries, found.bad_lines, found.first_bad_line) == (2, 2, 2)
    assert holds(found, "198.51.100.9") and not holds(found, "1.2.3.4")


# As Amazon, Google and Oracle lay theirs out; Cloudflare's end without the end of a line.
AMAZON = """{
  "syncToken": "1763600000",
  "prefixes": [
    {
      "ip_prefix": "198.51.100.0/25",
      "region": "ap-northeast-2"
    }
  ],
  "ipv6_prefixes": [
    {
      "ipv6_prefix": "2001:db8:1::/48",
      "service": "AMAZON"
    }
  ]
}"""
GOOGLE = '{"prefixes": [{"ipv4Prefix": "203.0.113.0/25", "scope": "a"}, {"ipv6Prefix": "2001:db8:2::/48"}]}'
ORACLE = '  "cidrs": ["192.0.2.0/25", "1.2.3.4/40"]'


@pytest.mark.parametrize("published", ["{0}\n{1}\n{2}\n{3}", "{3}\n{2}\n{1}\n{0}"])
def test_lists_follow_one_another_and_json_is_read_as_it_is_published(published):
    found = read(published.format(AMAZON, GOOGLE, ORACLE, "10.0.0.0/8"))
    assert (found.entries, found.bad_lines) == (6, 1)
    inside = ("198.51.100.9", "2001:db8:1::1", "203.0.113.9", "2001:db8:2::1", "192.0.2.9", "10.9.9.9")
    assert [holds(found, text) for text in inside] == [True] * 6
    assert not holds(found, "198.51.100.129") and not holds(found, "1.2.3.4")


def test_nothing_in_it():
    assert read("").entries == read("# only words\n\n , \n").entries == 0
    assert not holds(read(""), "198.51.100.7")


def test_what_touches_is_one():
    found = read("10.0.0.0/25\n10.0.0.128/25\n10.0.0.7\n10.0.1.0/24\n10.0.3.0/24\n10.0.3.0/24")
    assert found.lows[4] == [10 << 24, (10 << 24) + 768] and found.entries == 6


@given(st.text())
def test_no_text_is_too_odd(text):
    found = read(text)
    assert found.entries >= 0 and (found.bad_lines > 0) == (found.first_bad_line is not None)


V4 = st.builds(
    lambda number, length: ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)
V6 = st.builds(
    lambda number, length: ip_network((number, length), strict=False),
    st.integers(2**125, 2**126 - 1),
    st.integers(3, 128),
)


@given(st.lists(V4 | V6, max_size=20), st.data())
def test_as_looking_at_each_range_would_have_it(networks, data):
    found = read("\n".join(map(str, networks)))
    edges = [int(end) + step for net in networks for end in (net[0], net[-1]) for step in (-1, 0, 1)]
    number = data.draw(st.sampled_from(edges) if edges else st.integers(0, 2**32 - 1))
    for version, most in ((4, 2**32), (6, 2**128)):
        if 0 <= number < most:
            address = ip_address(number) if version == 4 else ip_address(number.to_bytes(16, "big"))
            there = any(net.version == version and address in net for net in networks)
            assert found.holds(version, number) is there
