"""Times as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core import times


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.0019z", 1),
        ("1970-01-01 01:00:00.5+01:00", 500),
        ("2026-09-21T14:13:20.000-00:30", 1_790_001_800_000),
        (" 2026-09-21T14:13:20Z ", 1_790_000_000_000),
    ],
)
def test_read(text, ms):
    assert times.from_text(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-09-21",
        "2026-09-21T14:13:20",
        "2026-09-21T14:13Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:01Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1969-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "٢٠٢٦-01-01T00:00:00Z",
    ],
)
def test_refused(text):
    with pytest.raises(ValueError, match=r"must be|exists|1970"):
        times.from_text(text)


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (-5, "less than a second"),
        (999, "less than a second"),
        (1000, "1 second"),
        (1999, "1 second"),
        (9_999, "9 seconds"),  # never more than it was
        (34_068, "34 seconds"),
        (89_999, "89 seconds"),
        (90_000, "2 minutes"),
        (108_000, "2 minutes"),
        (149_999, "2 minutes"),
        (3_000_000, "50 minutes"),
        (5_399_999, "90 minutes"),
        (5_400_000, "2 hours"),
        (86_400_000, "24 hours"),
        (129_600_000, "2 days"),
        (1_282_257_000, "15 days"),
    ],
)
def test_spoken(ms, words):
    assert times.spoken(ms) == words


@given(st.integers(0, 253_402_300_799_999))
def test_there_and_back(ms):
    assert times.from_text(times.to_text(ms)) == ms
