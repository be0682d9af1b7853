"""A reason is recognised however it is written; whatever else is written stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.decision_reasons import CONFIRMING, REASONS, read


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fraud", "fraud"),
        ("Fraud.", "fraud"),
        ("TEST", "test"),
        ("Duplicate customer", "duplicate_customer"),
        ("duplicate-customer", "duplicate_customer"),
        (" Not  fraud! ", "not_fraud"),
        ("other", "other"),
        # Their own words stay.
        ("a fraud, surely", "a fraud, surely"),
        ("notfraud", "notfraud"),
        ("Bot traffic", "Bot traffic"),
        ("…", "…"),
        ("", ""),
    ],
)
def test_reading(text, reason):
    assert read(text) == reason


@given(st.text())
def test_reading_again_changes_nothing(text):
    assert read(read(text)) == read(text) and read(text) in (*REASONS, text)


def test_what_confirms_is_a_reason():
    assert set(CONFIRMING) < set(REASONS) and "not_fraud" not in CONFIRMING
