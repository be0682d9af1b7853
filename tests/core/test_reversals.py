"""Refunds and disputes: what they come to depends on the facts alone, never on their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.refusals import Reason, Refusal
from refledger.core.reversals import (
    dispute_of,
    fault_in_refund,
    fault_in_revenue,
    named_minor,
    next_status,
    refunded,
    spread,
)


def named(refund_id, amount_minor):
    return {"id": refund_id, "amount_minor": amount_minor, "is_whole": False}


def whole(refund_id, amount_minor=0):
    return {"id": refund_id, "amount_minor": amount_minor, "is_whole": True}


@pytest.mark.parametrize(
    ("revenue_minor", "refunds", "amounts", "total"),
    [
        (100, [], {}, (0, False)),
        (100, [named("a", 30)], {"a": 30}, (30, False)),
        (100, [named("a", 30), named("b", 70)], {"a": 30, "b": 70}, (100, True)),
        (100, [whole("a")], {"a": 100}, (100, True)),
        (100, [whole("a", 100), named("b", 30)], {"a": 70, "b": 30}, (100, True)),
        (100, [named("b", 30), whole("c"), whole("a")], {"a": 70, "b": 30, "c": 0}, (100, True)),
        (100, [named("b", 100), whole("a")], {"a": 0, "b": 100}, (100, True)),
        (0, [], {}, (0, False)),
        (0, [whole("a")], {"a": 0}, (0, True)),
    ],
)
def test_what_refunds_come_to(revenue_minor, refunds, amounts, total):
    assert spread(revenue_minor, refunds) == amounts
    assert refunded(revenue_minor, refunds) == total


REFUNDS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 40), st.booleans()),
    unique_by=lambda each: each[0],
    max_size=8,
)


@given(REFUNDS, st.randoms())
def test_refunds_in_any_order_come_to_the_same(facts, random):
    """As they are recorded: one after the other, each row with the amount that it had by then."""

    def recorded(facts):
        rows = []
        for refund_id, amount_minor, is_whole in facts:
            rows.append(
                {"id": refund_id, "amount_minor": 0 if is_whole else amount_minor, "is_whole": is_whole}
            )
            amounts = spread(320, rows)
            assert 0 <= sum(amounts.values()) <= 320 and min(amounts.values()) >= 0
            rows = [row | {"amount_minor": amounts[row["id"]]} for row in rows]
        return sorted(rows, key=lambda row: row["id"])

    shuffled = random.sample(facts, len(facts))
    assert recorded(facts) == recorded(shuffled)


@pytest.mark.parametrize(
    ("kind", "amount_minor", "named", "fault"),
    [
        ("purchase", 9999, 0, None),
        ("purchase", 1, 9998, None),
        ("purchase", 10000, 0, "must be at most 99.99 USD, which is left of the sale"),
        ("purchase", 5000, 5000, "must be at most 49.99 USD, which is left of the sale"),
        ("purchase", 0, 0, "must be more than 0; leave it out for everything that is left"),
        ("signup", 100, 0, "must be left out: a signup is refunded as a whole"),
    ],
)
def test_what_can_be_refunded(kind, amount_minor, named, fault):
    conversion = {"type": kind, "revenue_minor": 9999, "currency": "USD"}
    assert fault_in_refund(amount_minor, conversion, named) == fault


@pytest.mark.parametrize(
    ("kind", "revenue_minor", "fault"),
    [
        ("purchase", 3000, None),
        ("purchase", 2999, "must be at least 30.00 USD, which was refunded"),
        ("purchase", 50_000, None),
        ("purchase", 50_001, "must be at most 500.00 USD, the program's max_revenue"),
        ("signup", 5000, "cannot be adjusted: a signup has none"),
    ],
)
def test_what_a_sale_can_be_adjusted_to(kind, revenue_minor, fault):
    conversion = {"type": kind, "refunded_minor": 3000, "currency": "USD"}
    assert fault_in_revenue(revenue_minor, conversion, 50_000) == fault


def test_only_named_amounts_are_taken_from_a_sale():
    assert named_minor([named("a", 30), whole("b", 70), named("c", 1)]) == 31


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], None),
        (["open"], "open"),
        (["won"], "won"),
        (["won", "open"], "open"),
        (["open", "lost", "won"], "lost"),
        (["won", "won"], "won"),
    ],
)
def test_what_disputes_come_to(statuses, expected):
    assert dispute_of(statuses) == dispute_of(statuses[::-1]) == expected


@pytest.mark.parametrize(
    ("before", "told", "expected"),
    [
        (None, "open", "open"),
        (None, "won", "won"),
        (None, "lost", "lost"),
        ("open", "won", "won"),
        ("open", "lost", "lost"),
        ("won", "open", "won"),
        ("lost", "open", "lost"),
        ("won", "lost", "lost"),
        ("lost", "lost", "lost"),
    ],
)
def test_a_dispute_goes_on_and_never_back(before, told, expected):
    assert next_status(before, told) == expected


def test_a_lost_dispute_cannot_be_won():
    refused = next_status("lost", "won")
    assert isinstance(refused, Refusal) and refused.reason is Reason.ILLEGAL_STATUS
