"""What a conversion earns: whose terms, which arithmetic, and always rounded down."""

from types import SimpleNamespace

import orjson
import pytest

from refledger.core.commissions import commission_for


def earned(terms, conversion_type, revenue_minor, currency="USD", own=None):
    program = SimpleNamespace(commission=orjson.dumps(terms).decode(), currency=currency)
    affiliate = SimpleNamespace(commission=orjson.dumps(own).decode() if own else None)
    return commission_for(program, affiliate, conversion_type, revenue_minor)


DEFAULT = {"purchase": {"type": "percentage", "value": "10"}, "signup": {"type": "fixed", "value": "0"}}
FIXED = {"purchase": {"type": "fixed", "value": "12.50"}, "signup": {"type": "fixed", "value": "3"}}


@pytest.mark.parametrize(
    ("terms", "kind", "revenue_minor", "currency", "minor"),
    [
        (DEFAULT, "purchase", 9999, "USD", 999),  # the reference's example
        (DEFAULT, "purchase", 8000, "USD", 800),
        (DEFAULT, "purchase", 9, "USD", 0),
        (DEFAULT, "purchase", 10, "USD", 1),
        (DEFAULT, "purchase", 0, "USD", 0),
        (DEFAULT, "signup", 0, "USD", 0),
        (DEFAULT, "purchase", 999, "JPY", 99),
        (DEFAULT, "purchase", 1239, "KWD", 123),
        (FIXED, "purchase", 1, "USD", 1250),
        (FIXED, "purchase", 0, "USD", 0),  # a sale of nothing earns nothing
        (FIXED, "signup", 0, "USD", 300),
        (FIXED, "signup", 0, "JPY", 3),
        (FIXED, "signup", 0, "KWD", 3000),
        ({"purchase": {"type": "percentage", "value": "12.5"}}, "purchase", 9999, "USD", 1249),
        ({"purchase": {"type": "percentage", "value": "0"}}, "purchase", 9999, "USD", 0),
        ({"purchase": {"type": "percentage", "value": "100"}}, "purchase", 9999, "USD", 9999),
    ],
)
def test_terms(terms, kind, revenue_minor, currency, minor):
    found = earned(terms, kind, revenue_minor, currency)
    assert found.minor == minor
    assert found.terms == terms[kind] and found.source == "program"


def test_an_affiliates_own_terms_come_first_by_type():
    own = {"purchase": {"type": "percentage", "value": "25"}}
    assert earned(DEFAULT, "purchase", 10_000, own=own).minor == 2500
    assert earned(DEFAULT, "purchase", 10_000, own=own).source == "affiliate"
    assert earned(FIXED, "signup", 0, own=own).source == "program"


def test_the_arithmetic_can_be_read_aloud():
    assert earned(DEFAULT, "purchase", 9999).arithmetic == "10 % of 99.99 USD, rounded down, is 9.99 USD"
    assert earned(FIXED, "signup", 0).arithmetic == "a fixed 3.00 USD"
