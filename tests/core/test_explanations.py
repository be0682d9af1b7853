"""Sentences that may be read to an affiliate: no codes, and nothing left out that mattered."""

import re

import pytest

from refledger.core.events import EventType
from refledger.core.explanations import explain, explain_events
from refledger.core.refusals import ACCEPTABLE, Reason

OF_CONVERSIONS = [each for each in EventType if each.startswith("conversion.")]


@pytest.mark.parametrize("kind", OF_CONVERSIONS)
def test_every_later_event_has_its_sentence(kind):
    said = explain_events([{"type": kind.value, "data": {"reason": "a test of our own"}}])
    assert len(said) == (0 if kind is EventType.ACCEPTED else 1)
    if kind in (EventType.APPROVED, EventType.REJECTED, EventType.REOPENED):
        assert "(a test of our own)" in said[0]


def test_a_reason_is_told_in_words():
    (said,) = explain_events([{"type": "conversion.rejected", "data": {"reason": "duplicate_customer"}}])
    assert "(duplicate customer)" in said


@pytest.mark.parametrize("code", sorted(ACCEPTABLE))
def test_an_accepted_attempt_says_why_it_was_refused_in_words(code):
    (said,) = explain({"attempt": {"id": "att_1", "code": code, "at_ms": 0}})
    assert f"({code})" not in said and "_" not in said


@pytest.mark.parametrize("reason", set(Reason) - {Reason.FAULT})
def test_no_refusal_shows_its_code(reason):
    outcome = {"reason": reason, "fields": ["a"], "detail": {}, "message": "m", "conversion_id": "conv_1"}
    for said in explain({"outcome": outcome}):
        assert not re.search(r"[a-z]_[a-z]", said.replace("conv_1", ""))


def test_a_review_is_explained_by_what_was_noticed():
    fraud = {
        "score": 45,
        "outcome": "review",
        "leading": "email.test_pattern",
        "review_at": 40,
        "fired": [
            {
                "code": "email.test_pattern",
                "action": "score",
                "mode": "enforce",
                "points": 45,
                "counted": 45,
                "evidence": {"pattern": "test"},
            }
        ],
    }
    record = {"fraud": fraud, "outcome": {"status": "pending_review", "why": "email.test_pattern asks"}}
    assert "email.test_pattern" not in " ".join(explain(record))
