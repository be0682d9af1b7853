"""Terms, slugs and codes."""

import pytest

from refledger.core.terms import MOST_MINOR, fault_in_terms, make_code, make_slug, read_amount


@pytest.mark.parametrize(
    ("kind", "value", "currency", "fine"),
    [
        ("percentage", "0", "USD", True),
        ("percentage", "100", "USD", True),
        ("percentage", "100.0000", "USD", True),
        ("percentage", "100.0001", "USD", False),
        ("percentage", "12.3456", "USD", True),
        ("percentage", "12.34560", "USD", True),
        ("percentage", "12.34561", "USD", False),
        ("percentage", "-1", "USD", False),
        ("percentage", "1e1", "USD", False),
        ("percentage", " 1", "USD", False),
        ("percentage", "", "USD", False),
        ("percentage", "٣", "USD", False),
        ("fixed", "0", "USD", True),
        ("fixed", "5.25", "USD", True),
        ("fixed", "5.250", "USD", True),
        ("fixed", "5.255", "USD", False),
        ("fixed", "5", "JPY", True),
        ("fixed", "5.5", "JPY", False),
        ("fixed", "5.255", "KWD", True),
        ("fixed", "90071992547409.91", "USD", True),
        ("fixed", "90071992547409.92", "USD", False),
    ],
)
def test_terms(kind, value, currency, fine):
    assert (fault_in_terms({"type": kind, "value": value}, currency) is None) is fine


def test_amounts_are_exact():
    assert read_amount("90071992547409.91", "USD") == MOST_MINOR == 2**53 - 1
    assert read_amount("0.29", "USD") == 29


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Shop", "shop"),
        ("Café & Söhne", "cafe-sohne"),
        ("--a--b--", "a-b"),
        ("日本", "program"),
        ("x" * 60, "x" * 50),
    ],
)
def test_slugs(name, slug):
    assert make_slug(name) == slug


def test_codes_are_readable():
    assert make_code(bytes(range(256))).isalnum()
    assert not set(make_code(bytes(range(256)))) & set("01OIL")
