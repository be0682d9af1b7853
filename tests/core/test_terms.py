"""Terms, slugs and codes."""

import pytest

from refledger.core.terms import (
    MOST_MINOR,
    faults_in_recruiters,
    faults_in_terms,
    make_code,
    make_slug,
    read_amount,
)


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
    assert (faults_in_terms({"type": kind, "value": value}, "purchase", currency) == {}) is fine


TEN = {"type": "percentage", "value": "10"}


def tier(value, **start):
    return {"from": start, "value": value}


@pytest.mark.parametrize(
    ("kind", "terms", "faults"),
    [
        ("purchase", {"tiers": [tier("12", conversions=5), tier("15", conversions=6)]}, []),
        ("purchase", {"tiers": [tier("12", revenue="0.01"), tier("8", revenue="0.02")]}, []),
        ("purchase", {"tiers": [tier("12", conversions=5), tier("15", conversions=5)]}, ["tiers"]),
        ("purchase", {"tiers": [tier("12", revenue="5"), tier("15", revenue="4.99")]}, ["tiers"]),
        ("purchase", {"tiers": [tier("12", revenue="5"), tier("15", conversions=9)]}, ["tiers"]),
        ("purchase", {"tiers": [tier("12", revenue="0.001")]}, ["tiers.0.from"]),
        ("purchase", {"tiers": [tier("12", conversions=1), tier("101", conversions=2)]}, ["tiers.1.value"]),
        ("signup", {"tiers": [tier("12", revenue="5")]}, ["tiers.0.from"]),
        ("purchase", {"cap": "1.001"}, ["cap"]),
        ("purchase", {"monthly_cap": "1e3", "cap": "5"}, ["monthly_cap"]),
        ("purchase", {"bonus": {"after": 3, "value": "0.001"}}, ["bonus.value"]),
        ("purchase", {"bonus": {"after": 3, "value": "500.00"}, "cap": "1", "monthly_cap": "1"}, []),
    ],
)
def test_each_fault_is_named_by_its_path(kind, terms, faults):
    assert list(faults_in_terms(TEN | terms, kind, "USD")) == faults


@pytest.mark.parametrize(
    ("value", "most", "faults"),
    [
        ("5", "30", []),
        ("30", "30", []),
        ("30.0001", "30", ["value"]),
        ("5", "100.1", ["most"]),
        ("", "5", ["value"]),
    ],
)
def test_recruiters_terms(value, most, faults):
    assert list(faults_in_recruiters({"value": value, "most": most})) == faults


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
