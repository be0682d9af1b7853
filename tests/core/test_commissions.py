"""What a conversion earns: whose terms, which arithmetic, and always rounded down."""

from decimal import Decimal
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.commissions import (
    NOTHING,
    Tally,
    adjusted,
    adjusted_share,
    commission_for,
    due_minor,
    share_due_minor,
    share_for,
)
from refledger.core.ledger import State, moves, target
from refledger.core.money import exponent, share, to_minor, to_text
from refledger.core.terms import faults_in_recruiters, faults_in_terms


def program_with(terms, currency="USD", recruiter=None):
    recruiter = recruiter and orjson.dumps(recruiter).decode()
    return SimpleNamespace(commission=orjson.dumps(terms).decode(), currency=currency, recruiter=recruiter)


def earned(terms, conversion_type, revenue_minor, currency="USD", own=None, tally=NOTHING, recruiter=None):
    affiliate = SimpleNamespace(commission=orjson.dumps(own).decode() if own else None)
    program = program_with(terms, currency, recruiter)
    return commission_for(program, affiliate, conversion_type, revenue_minor, tally)


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


TIERS = [{"from": {"conversions": 5}, "value": "12"}, {"from": {"conversions": 9}, "value": "15"}]


@pytest.mark.parametrize(
    ("more", "tally", "minor", "kept", "arithmetic"),
    [
        ({"tiers": TIERS}, Tally(4), 1000, {}, "10 % of 100.00 USD, rounded down, is 10.00 USD"),
        (
            {"tiers": TIERS},
            Tally(5),
            1200,
            {"value": "12", "tier": {"conversions": 5}},
            "12 % (the tier from 5 conversions in the month) of 100.00 USD, rounded down, is 12.00 USD",
        ),
        ({"tiers": TIERS}, Tally(900), 1500, {"value": "15", "tier": {"conversions": 9}}, None),
        (
            {"tiers": [{"from": {"revenue": "500"}, "value": "12"}]},
            Tally(0, 50_000),
            1200,
            {"value": "12", "tier": {"revenue": "500"}},
            "12 % (the tier from 500 USD of revenue in the month) of 100.00 USD, rounded down, is 12.00 USD",
        ),
        ({"tiers": [{"from": {"revenue": "500"}, "value": "12"}]}, Tally(900, 49_999), 1000, {}, None),
        ({"cap": "10.00"}, NOTHING, 1000, {"cap": "10.00"}, "10 % of 100.00 USD, rounded down, is 10.00 USD"),
        (
            {"cap": "9.99"},
            NOTHING,
            999,
            {"cap": "9.99"},
            "10 % of 100.00 USD, rounded down, is 10.00 USD, capped at 9.99 USD",
        ),
        ({"bonus": {"after": 3, "value": "50"}}, Tally(0, 0, 0, 2), 1000, {}, None),
        (
            {"bonus": {"after": 3, "value": "50"}},
            Tally(0, 0, 0, 3),
            6000,
            {"bonus": "50"},
            "10 % of 100.00 USD, rounded down, is 10.00 USD; with a bonus of 50 USD it is 60.00 USD",
        ),
        ({"bonus": {"after": 3, "value": "50"}}, Tally(0, 0, 0, 4), 1000, {}, None),
        (
            {"monthly_cap": "1000"},
            Tally(9, 9, 99_500),
            500,
            {"monthly_cap": "1000", "left": "5.00"},
            "10 % of 100.00 USD, rounded down, is 10.00 USD; the month's cap of 1000 USD left 5.00 USD for it",
        ),
        ({"monthly_cap": "1000"}, Tally(9, 9, 100_001), 0, {"monthly_cap": "1000", "left": "0.00"}, None),
    ],
)
def test_what_came_before(more, tally, minor, kept, arithmetic):
    found = earned({"purchase": DEFAULT["purchase"] | more}, "purchase", 10_000, tally=tally)
    assert found.minor == minor
    assert found.terms == {"type": "percentage", "value": "10"} | kept
    assert arithmetic in (None, found.arithmetic)


@pytest.mark.parametrize(
    ("value", "most", "direct", "recruiters", "arithmetic"),
    [
        ("10", "30", 1000, 500, "5 % of 100.00 USD, rounded down, is 5.00 USD"),
        ("28", "30", 2800, 200, None),
        (
            "28",
            "28",
            2800,
            0,
            "5 % of 100.00 USD, rounded down, is 5.00 USD; beside the affiliate's 28.00 USD, "
            "28 % of the sale leave 0.00 USD",
        ),
        ("40", "30", 3000, 0, None),
    ],
)
def test_two_levels(value, most, direct, recruiters, arithmetic):
    terms, theirs = {"purchase": {"type": "percentage", "value": value}}, {"value": "5", "most": most}
    commission = earned(terms, "purchase", 10_000, recruiter=theirs)
    recruited = SimpleNamespace(recruiter_id="aff_1")
    found = share_for(program_with(terms, recruiter=theirs), recruited, "purchase", 10_000, commission.minor)
    assert (commission.minor, found.minor, found.affiliate_id) == (direct, recruiters, "aff_1")
    assert arithmetic in (None, found.arithmetic)
    if value == "40":
        assert commission.arithmetic.endswith("; at most 30 % of a sale are paid: 30.00 USD")


# ── properties, in currencies without decimals, with two and with three ──────────────────────────────────────────

CURRENCIES = st.sampled_from(["JPY", "USD", "KWD"])
PERCENTS = st.integers(0, 1_000_000).map(lambda ten_thousandths: str(Decimal(ten_thousandths).scaleb(-4)))
REVENUES = st.integers(1, 10_000_000)


@st.composite
def sales(draw):
    """A conversion as it is stored: its row, its recorded commission, its recruiter's share, and the terms."""
    currency = draw(CURRENCIES)
    amounts = st.integers(0, 2_000_000).map(lambda minor: to_text(minor, currency))
    kind = draw(st.sampled_from(["percentage", "fixed"]))
    values = PERCENTS if kind == "percentage" else amounts
    terms = {"type": kind, "value": draw(values)}
    if draw(st.booleans()):
        starts = sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=3)))
        terms["tiers"] = [{"from": {"conversions": start}, "value": draw(values)} for start in starts]
    if draw(st.booleans()):
        terms["bonus"] = {"after": draw(st.integers(0, 2)), "value": draw(amounts)}
    for name in ("cap", "monthly_cap"):
        if draw(st.booleans()):
            terms[name] = draw(amounts)
    theirs = None
    if draw(st.booleans()):
        value, most = sorted((draw(PERCENTS), draw(PERCENTS)), key=Decimal)
        theirs = {"value": value, "most": most}
        assert faults_in_recruiters(theirs) == {}
    assert faults_in_terms(terms, "purchase", currency) == {}
    tally = Tally(*(draw(st.integers(0, most)) for most in (10, 10_000_000, 2_000_000, 3)))
    revenue_minor = draw(REVENUES)
    program = program_with({"purchase": terms}, currency, theirs)
    affiliate = SimpleNamespace(commission=None, recruiter_id="aff_1")
    commission = commission_for(program, affiliate, "purchase", revenue_minor, tally)
    recruiters = share_for(program, affiliate, "purchase", revenue_minor, commission.minor)
    conversion = {
        "type": "purchase",
        "currency": currency,
        "revenue_minor": revenue_minor,
        "commission_minor": commission.minor,
        "refunded": False,
        "refunded_minor": 0,
    }
    kept = {"terms": commission.terms, "minor": commission.minor}
    row = recruiters and {"terms": orjson.dumps(theirs).decode(), "commission_minor": recruiters.minor}
    return conversion, kept, row, terms, theirs, tally


def dues(conversion, kept, row):
    direct = due_minor(kept, conversion)
    return direct, share_due_minor(row, conversion, direct) if row else 0


def refunded(conversion, minor):
    whole = minor == conversion["revenue_minor"]
    return conversion | {"refunded_minor": minor, "refunded": whole}


@given(sales())
def test_never_above_any_cap(sale):
    conversion, kept, row, terms, theirs, tally = sale
    currency, revenue_minor = conversion["currency"], conversion["revenue_minor"]
    direct, recruiters = dues(conversion, kept, row)
    assert direct >= 0 <= recruiters
    bonus = to_minor(Decimal(kept["terms"].get("bonus", "0")), currency)[0]
    if "cap" in terms:
        assert direct <= to_minor(Decimal(terms["cap"]), currency)[0] + bonus
    if "monthly_cap" in terms:
        assert direct + tally.commission_minor <= max(
            to_minor(Decimal(terms["monthly_cap"]), currency)[0], tally.commission_minor
        )
    if theirs:
        assert direct + recruiters <= share(revenue_minor, Decimal(theirs["most"]))
        # To the last minor unit, in whole numbers: nothing of a fraction is ever paid.
        assert (direct + recruiters) * 100 * 10**4 <= revenue_minor * int(Decimal(theirs["most"]).scaleb(4))
    assert exponent(currency) in (0, 2, 3)


@given(sales(), st.lists(st.integers(1, 10_000_000), max_size=6), st.randoms())
def test_refunds_in_any_order_end_at_the_same_sums(sale, parts, chance):
    """Posted step by step, each time to what is due by then: what lies there at last is what one refund leaves."""
    conversion, kept, row, *_ = sale
    fitting, sum_minor = [], 0
    for part in parts:
        part = min(part, conversion["revenue_minor"] - sum_minor)
        fitting, sum_minor = [*fitting, part], sum_minor + part
    chance.shuffle(fitting)
    held, so_far = ({}, {}), 0
    for part in [0, *fitting]:
        so_far += part
        for accounts, minor in zip(held, dues(refunded(conversion, so_far), kept, row), strict=True):
            posted = {account: amount for account, amount in accounts.items() if account != "expense"}
            for move in moves(posted, target(State("approved", minor))):
                accounts[move.debit] = accounts.get(move.debit, 0) - move.amount_minor
                accounts[move.credit] = accounts.get(move.credit, 0) + move.amount_minor
    once = dues(refunded(conversion, sum_minor), kept, row)
    assert tuple(accounts.get("payable", 0) for accounts in held) == once
    assert [sum(accounts.values()) for accounts in held] == [0, 0]
    assert dues(refunded(conversion, conversion["revenue_minor"]), kept, row) == (0, 0)


@given(sales(), st.integers(0, 10_000_000))
def test_a_refund_never_raises_what_the_affiliate_is_due(sale, minor):
    conversion, kept, row, _, theirs, _ = sale
    minor = min(minor, conversion["revenue_minor"])
    direct, recruiters = dues(refunded(conversion, minor), kept, row)
    assert 0 <= direct <= conversion["commission_minor"]
    if theirs:
        assert direct + recruiters <= share(conversion["revenue_minor"], Decimal(theirs["most"]))


@given(sales(), REVENUES)
def test_an_adjusted_order_stays_within_the_same_caps(sale, revenue_minor):
    conversion, kept, row, terms, theirs, _ = sale
    assert adjusted(kept, conversion, conversion["revenue_minor"])[0] == kept["minor"]
    commission_minor, _ = adjusted(kept, conversion, revenue_minor)
    after = conversion | {"revenue_minor": revenue_minor, "commission_minor": commission_minor}
    if "monthly_cap" in terms:
        assert commission_minor <= kept["minor"]
    if theirs:
        assert commission_minor + adjusted_share(row, after) <= share(revenue_minor, Decimal(theirs["most"]))
