"""Amounts: exact in, exact out, and rounded in one direction only where a commission is reckoned."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.money import CURRENCIES, exponent, share, to_minor, to_text


@pytest.mark.parametrize(
    ("amount", "currency", "minor", "rounded"),
    [
        ("14.989999999999998", "USD", 1499, True),  # 19.99 − 5, as floating point has it
        ("14.99", "USD", 1499, False),
        ("14.990000", "USD", 1499, False),
        ("80", "USD", 8000, False),
        ("0", "USD", 0, False),
        ("0.004", "USD", 0, True),
        ("0.005", "USD", 0, True),  # half to even
        ("0.015", "USD", 2, True),
        ("0.025", "USD", 2, True),
        ("0.0250000001", "USD", 3, True),
        ("500", "JPY", 500, False),
        ("500.5", "JPY", 500, True),
        ("501.5", "JPY", 502, True),
        ("1.234", "KWD", 1234, False),
        ("1.2345", "KWD", 1234, True),
        ("1.23456", "KWD", 1235, True),
        ("12.3456", "CLF", 123456, False),
        ("9" * 60 + ".01", "USD", int("9" * 60 + "01"), False),
        ("1." + "0" * 99 + "1", "USD", 100, True),
    ],
)
def test_reads_major_units(amount, currency, minor, rounded):
    assert to_minor(Decimal(amount), currency) == (minor, rounded)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (999, "USD", "9.99"),
        (800, "USD", "8.00"),
        (5, "USD", "0.05"),
        (0, "USD", "0.00"),
        (-5, "USD", "-0.05"),
        (-999, "USD", "-9.99"),
        (500, "JPY", "500"),
        (-500, "JPY", "-500"),
        (1234, "KWD", "1.234"),
        (7, "KWD", "0.007"),
    ],
)
def test_writes_all_decimals_of_the_currency(minor, currency, text):
    assert to_text(minor, currency) == text


@pytest.mark.parametrize(
    ("minor", "percent", "due"),
    [
        (9999, "10", 999),  # the reference's own example: 9.99 of 99.99
        (9990, "10", 999),
        (9989, "10", 998),
        (9, "10", 0),
        (10, "10", 1),
        (1, "100", 1),
        (3, "33.3333", 0),
        (300, "33.3333", 99),
        (10_000, "0.0001", 0),
        (1_000_000, "0.0001", 1),
        (12345, "0", 0),
    ],
)
def test_shares_are_rounded_down(minor, percent, due):
    assert share(minor, Decimal(percent)) == due


@given(st.integers(0, 10**15), st.decimals("0", "100", places=4))
def test_a_share_is_never_more_than_exact_nor_a_unit_less(minor, percent):
    exact = minor * Decimal(percent) / 100
    assert exact - 1 < share(minor, percent) <= exact
    assert 0 <= share(minor, percent) <= minor


@given(st.integers(-(10**18), 10**18), st.sampled_from(sorted(CURRENCIES)))
def test_what_is_written_reads_back(minor, currency):
    assert to_minor(Decimal(to_text(minor, currency)), currency) == (minor, False)


def test_exponents():
    assert [exponent(each) for each in ("USD", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]
