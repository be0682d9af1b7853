"""The merchant's lists."""

import pytest

from refledger.core import addresses, emails
from refledger.core.lists import Entry, Lists, normalise

NOW_MS = 1_750_000_000_000
JOE = emails.parse("j.oe+news@gmail.com")
HOME = addresses.parse("81.2.69.160")


def entry(kind, value, action="block", id="lst_1", **more):
    return Entry(id, action, kind, normalise(kind, value), **more)


def found(*entries, email=JOE, address=HOME, affiliate_id="aff_1", program_id="prog_1", now_ms=NOW_MS):
    match = Lists(entries).match(email, address, affiliate_id, program_id, now_ms)
    return match.id if match else None


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("mailbox", " J.Oe+1@GoogleMail.com ", "joe@gmail.com"),
        ("domain", "Exämple.DE", "xn--exmple-cua.de"),
        ("domain", "@firma.de", "firma.de"),
        ("domain", "*.firma.de", "firma.de"),
        ("address_range", "81.2.69.160", "81.2.69.160/32"),
        ("address_range", "81.2.69.160/24", "81.2.69.0/24"),
        ("address_range", "2001:4860::/32", "2001:4860::/32"),
        ("address_range", "::ffff:81.2.69.0/120", "81.2.69.0/24"),
        ("affiliate", "aff_X", "aff_X"),
    ],
)
def test_normalise(kind, value, normal):
    assert normalise(kind, value) == normal


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("mailbox", "joe"),
        ("domain", "com"),
        ("domain", "a b.de"),
        ("address_range", "81.2.69.0/33"),
        ("address_range", "home"),
        ("address_range", "0.0.0.0/0"),
        ("address_range", "::/0"),
        ("address_range", "::ffff:0:0/96"),
        ("address_range", "fe80::1%eth0"),
        ("address_range", "fe80::%eth0/64"),
        ("affiliate", "  "),
        ("planet", "mars"),
    ],
)
def test_nonsense_is_named(kind, value):
    with pytest.raises(ValueError, match=r"\w"):
        normalise(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "matches"),
    [
        ("mailbox", "joe@googlemail.com", True),
        ("mailbox", "jane@gmail.com", False),
        ("domain", "gmail.com", True),
        ("domain", "mail.com", False),
        ("domain", "x.gmail.com", False),
        ("address_range", "81.2.69.160", True),
        ("address_range", "81.2.69.161", False),
        ("address_range", "81.2.0.0/16", True),
        ("address_range", "0.0.0.0/1", True),
        ("address_range", "::/1", False),
        ("affiliate", "aff_1", True),
        ("affiliate", "aff_2", False),
    ],
)
def test_match(kind, value, matches):
    assert found(entry(kind, value)) == ("lst_1" if matches else None)


def test_a_domain_covers_those_under_it():
    assert found(entry("domain", "firma.de"), email=emails.parse("a@mail.eu.firma.de")) == "lst_1"


def test_ipv6():
    assert found(entry("address_range", "2001:4860::/32"), address=addresses.parse("2001:4860::1")) == "lst_1"


def test_block_wins_however_they_are_ordered():
    allow, block = (
        entry("mailbox", JOE.mailbox, "allow", "allow"),
        entry("address_range", "81.0.0.0/8", id="block"),
    )
    assert found(allow, block) == found(block, allow) == "block"
    assert found(allow) == "allow"


def test_programs_and_expiry():
    elsewhere, here = (
        entry("domain", "gmail.com", program_id="prog_2"),
        entry("domain", "gmail.com", program_id="prog_1"),
    )
    assert found(elsewhere) is None
    assert found(elsewhere, here) == "lst_1"
    assert found(entry("domain", "gmail.com", expires_ms=NOW_MS)) is None
    assert found(entry("domain", "gmail.com", expires_ms=NOW_MS + 1)) == "lst_1"


def test_nothing_known_matches_only_the_affiliate():
    assert (
        found(entry("domain", "gmail.com"), entry("address_range", "::/1"), email=None, address=None) is None
    )
    assert found(entry("affiliate", "aff_1"), email=None, address=None) == "lst_1"


def test_one_of_thousands_of_ranges_is_found():
    lists = Lists(
        entry("address_range", f"{a}.{b}.{c}.0/24", id="x")
        for a in (90, 91)
        for b in range(100)
        for c in range(50)
    )
    assert lists.match(JOE, HOME, "aff_1", "prog_1", NOW_MS) is None
    inside = addresses.parse("91.99.49.7")
    assert lists.match(JOE, inside, "aff_1", "prog_1", NOW_MS).value == "91.99.49.0/24"
