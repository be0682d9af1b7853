"""Moves: whatever the order of targets, what is posted ends at the last one, and every move balances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.ledger import Move, State, moves, target

ACCOUNTS = ("pending", "held", "payable", "in_payout", "paid", "dispute_reserve", "clawback_loss")
HOLDINGS = st.dictionaries(st.sampled_from(ACCOUNTS), st.integers(0, 10**9), max_size=4)
SIGNED = st.dictionaries(st.sampled_from(ACCOUNTS), st.integers(-(10**9), 10**9), max_size=4)


def post(posted, found):
    """What the accounts hold after these moves, `expense` left out; and the sum over all of them."""
    held = dict(posted)
    for move in found:
        held[move.debit] = held.get(move.debit, 0) - move.amount_minor
        held[move.credit] = held.get(move.credit, 0) + move.amount_minor
    return {account: amount for account, amount in held.items() if amount}


@given(st.lists(st.one_of(HOLDINGS, SIGNED), min_size=1, max_size=8))
def test_any_sequence_of_targets_ends_at_the_last(targets):
    held, everything = {}, []
    for wanted in targets:
        found = moves({k: v for k, v in held.items() if k != "expense"}, wanted)
        assert all(move.amount_minor > 0 and move.debit != move.credit for move in found)
        held = post(held, found)
        everything += found
        assert {k: v for k, v in held.items() if k != "expense"} == {k: v for k, v in wanted.items() if v}
        assert sum(held.values()) == 0  # no amount comes from nowhere
    assert post({}, everything) == held


@given(HOLDINGS)
def test_the_same_target_again_moves_nothing(wanted):
    assert moves(wanted, wanted) == []


@given(HOLDINGS, HOLDINGS)
def test_there_and_back_is_as_it_was(first, second):
    there = moves(first, second)
    back = moves(second, first)
    assert post(post(first, there), back) == {k: v for k, v in first.items() if v}


@pytest.mark.parametrize(
    ("posted", "wanted", "expected"),
    [
        ({}, {"pending": 999}, [Move("expense", "pending", 999)]),
        ({"pending": 999}, {"payable": 999}, [Move("pending", "payable", 999)]),
        ({"pending": 999}, {}, [Move("pending", "expense", 999)]),
        (
            {"payable": 999},
            {"payable": 500, "dispute_reserve": 100},
            [Move("payable", "dispute_reserve", 100), Move("payable", "expense", 399)],
        ),
        ({}, {}, []),
    ],
)
def test_plain_moves(posted, wanted, expected):
    assert moves(posted, wanted) == expected


@pytest.mark.parametrize(
    ("decision", "due", "dispute", "is_held", "expected"),
    [
        ("pending", 999, None, False, {"pending": 999}),
        ("pending_review", 999, None, False, {"pending": 999}),
        ("approved", 999, None, False, {"payable": 999}),
        ("approved", 999, None, True, {"held": 999}),
        ("pending", 999, None, True, {"pending": 999}),
        ("rejected", 999, None, False, {}),
        ("approved", 0, None, False, {}),  # everything was refunded
        ("pending", 0, None, True, {}),
        ("approved", 999, "open", False, {"dispute_reserve": 999}),
        ("approved", 999, "lost", False, {}),
        ("approved", 999, "won", False, {"payable": 999}),
        ("approved", 999, "won", True, {"held": 999}),
        ("rejected", 999, "open", False, {}),
        ("approved", 0, "won", False, {}),
    ],
)
def test_what_is_due_in_which_account(decision, due, dispute, is_held, expected):
    assert target(State(decision, due, dispute, is_held)) == expected
