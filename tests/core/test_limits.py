"""Limits: half-open windows, exact waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.limits import Counted, check_limits
from refledger.core.refusals import Reason

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("age_ms", "retry_after_s"),
    [
        (0, 3600),
        (1, 3600),
        (999, 3600),
        (1000, 3599),
        (1001, 3599),
        (HOUR_MS - 1001, 2),
        (HOUR_MS - 1000, 1),
        (HOUR_MS - 1, 1),
        (HOUR_MS, None),  # half-open: exactly an hour old is out
        (HOUR_MS + 1, None),
    ],
)
def test_hourly_window(age_ms, retry_after_s):
    refusal = check_limits(Counted(NOW_MS - age_ms, None), NOW_MS)
    assert (refusal and refusal.retry_after_s) == retry_after_s
    if refusal:
        assert refusal.reason is Reason.RATE_LIMITED
        assert refusal.message == "Hourly conversion limit exceeded"


@pytest.mark.parametrize(
    ("age_ms", "retry_after_s"),
    [(0, 86400), (DAY_MS - 1, 1), (DAY_MS, None)],
)
def test_daily_window(age_ms, retry_after_s):
    refusal = check_limits(Counted(None, NOW_MS - age_ms), NOW_MS)
    assert (refusal and refusal.retry_after_s) == retry_after_s
    if refusal:
        assert refusal.message == "Daily conversion limit exceeded"


def test_the_longer_wait_names_the_message():
    both = check_limits(Counted(NOW_MS, NOW_MS), NOW_MS)
    assert (both.retry_after_s, both.message) == (86400, "Daily conversion limit exceeded")
    almost = check_limits(Counted(NOW_MS, NOW_MS - DAY_MS + 5000), NOW_MS)
    assert (almost.retry_after_s, almost.message) == (3600, "Hourly conversion limit exceeded")


def test_nothing_counted_is_no_limit():
    assert check_limits(Counted(None, None), NOW_MS) is None


@given(st.integers(0, DAY_MS * 2), st.integers(0, DAY_MS * 2))
def test_after_exactly_so_many_seconds_it_passes_and_one_earlier_it_does_not(hourly_age_ms, daily_age_ms):
    counted = Counted(NOW_MS - hourly_age_ms, NOW_MS - daily_age_ms)
    refusal = check_limits(counted, NOW_MS)
    if refusal is None:
        assert hourly_age_ms >= HOUR_MS and daily_age_ms >= DAY_MS
        return
    wait_ms = refusal.retry_after_s * 1000
    assert check_limits(counted, NOW_MS + wait_ms) is None
    assert check_limits(counted, NOW_MS + wait_ms - 1000) is not None
