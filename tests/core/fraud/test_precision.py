"""The interval by its published examples, and by what any interval must hold to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.fraud.precision import precision

COUNTS = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("confirmed", "cleared", "low", "high"),
    [
        # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3: 81/263, 15/148, 0/20, 1/29.
        (81, 182, 0.2553, 0.3662),
        (15, 133, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 28, 0.0061, 0.1718),
    ],
)
def test_published_intervals(confirmed, cleared, low, high):
    found = precision(confirmed, cleared)
    assert found.value == confirmed / (confirmed + cleared)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_nothing_decided_is_unknown():
    assert precision(0, 0) is None


@given(COUNTS, COUNTS)
def test_the_share_lies_within_and_the_interval_between_none_and_all(confirmed, cleared):
    found = precision(confirmed, cleared)
    if found:
        assert 0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1
        mirrored = precision(cleared, confirmed)
        assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_more_decisions_make_it_narrower(confirmed, cleared):
    few, many = precision(confirmed, cleared), precision(4 * confirmed, 4 * cleared)
    assert many.high - many.low < few.high - few.low
