"""Sentences that may be read to an affiliate: no codes, and nothing left out that mattered."""

import re

import pytest

from refledger.core.events import EventType
from refledger.core.explanations import explain
from refledger.core.refusals import ACCEPTABLE, Reason

OF_CONVERSIONS = [each for each in EventType if each.startswith("conversion.")]


@pytest.mark.parametrize("kind", OF_CONVERSIONS)
def test_every_later_event_has_its_sentence(kind):
    said = explain({}, [{"type": kind.value, "data": {"reason": "a test of our own"}}])
    assert len(said) == (0 if kind is EventType.ACCEPTED else 1)
    if kind in (EventType.APPROVED, EventType.REJECTED, EventType.REOPENED):
        assert "(a test of our own)" in said[0]


def test_a_reason_is_told_in_words():
    (said,) = explain({}, [{"type": "conversion.rejected", "data": {"reason": "duplicate_customer"}}])
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


def fired(code, points, evidence, action="score"):
    return {
        "code": code, "action": action, "mode": "enforce", "points": points, "counted": points, "evidence": evidence,
    }  # fmt: skip


TEST = fired("email.test_pattern", 45, {"word": "test"})
HASTY = fired("timing.too_fast", 40, {"seconds": 9.0, "tie": "click_id"}, "refuse")
CONFIRMED = fired("affiliate.confirmed_fraud", 25, {"confirmed": 15, "days": 90})
ROLE_REVIEWED = fired("email.role", 5, {"role": "info"}, "review")
ROLE_REFUSED = fired("email.role", 5, {"role": "info"}, "refuse")
TEST_SAID = 'The e-mail address looks like one typed for a test ("test"; 45 points).'
HASTY_SAID = (
    "The report came 9 seconds after the visitor's first click: hardly anybody is that fast (40 points)."
)
CONFIRMED_SAID = "15 conversions of this affiliate were confirmed as fraud within 90 days (25 points)."
ROLE_SAID = "The address is that of an office rather than a person (info@; 5 points)."
AN_OFFICE = "because the address is that of an office rather than a person (info@)"
ACCEPTED = {"status": "pending", "why": "accepted by the merchant from a refused attempt"}
LATER = "the merchant accepted it later, at its original time."


def judged(outcome, *found, **more):
    return {
        "score": min(100, sum(each["counted"] for each in found)),
        "outcome": outcome,
        "leading": None if outcome == "clear" else found[0]["code"],
        "review_at": 40,
        "refuse_at": None,
        "fired": list(found),
        **more,
    }


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"fraud": judged("review", TEST), "outcome": {"status": "pending_review", "why": "it asks"}},
            [
                TEST_SAID,
                "Together 45 points: from 40 points on, a person looks first.",
                "It was accepted, for the merchant to look at first.",
            ],
        ),
        (
            {"fraud": judged("review", ROLE_REVIEWED), "outcome": {"status": "pending_review", "why": "so"}},
            [ROLE_SAID, f"It was accepted, for the merchant to look at first, {AN_OFFICE}."],
        ),
        (
            {"fraud": judged("refuse", HASTY, CONFIRMED), "outcome": {"reason": "timing_too_fast"}},
            [
                HASTY_SAID,
                CONFIRMED_SAID,
                "It was refused because it came less than 10 seconds after the visitor's first click.",
            ],
        ),
        (
            {"fraud": judged("refuse", ROLE_REFUSED, CONFIRMED), "outcome": {"reason": "policy"}},
            [ROLE_SAID, CONFIRMED_SAID, f"It was refused by the program's fraud policy, {AN_OFFICE}."],
        ),
        # By its points, whatever leads.
        (
            {
                "fraud": judged("refuse", HASTY | {"action": "score"}, CONFIRMED, refuse_at=60),
                "outcome": {"reason": "timing_too_fast"},
            },
            [
                HASTY_SAID,
                CONFIRMED_SAID,
                "Together 65 points: from 60 points on, a report is refused.",
                "It was refused by the program's fraud policy.",
            ],
        ),
        # Something else refused it before.
        (
            {"fraud": judged("review", TEST), "outcome": {"reason": "duplicate", "conversion_id": "conv_1"}},
            [
                TEST_SAID,
                "Together 45 points: from 40 points on, a person would have looked first.",
                "It was refused because this customer or order was tracked before, as conv_1.",
            ],
        ),
        (
            {
                "fraud": judged("refuse", ROLE_REFUSED),
                "outcome": {"reason": "rate_limited", "detail": {"window": "hourly"}, "retry_after_s": 3000},
            },
            [
                ROLE_SAID,
                f"It would have been refused {AN_OFFICE}.",
                "It was refused because the affiliate had reached the hourly limit of conversions; "
                "there was room again 50 minutes later.",
            ],
        ),
        # Accepted by the merchant after all.
        (
            {
                "fraud": judged("refuse", HASTY, CONFIRMED),
                "attempt": {"id": "att_1", "code": "timing_too_fast", "at_ms": 0},
                "outcome": ACCEPTED,
            },
            [
                HASTY_SAID,
                CONFIRMED_SAID,
                f"It was refused at first, because it came too soon after the click; {LATER}",
            ],
        ),
        (
            {
                "fraud": judged("refuse", ROLE_REFUSED),
                "attempt": {"id": "att_1", "code": "policy", "at_ms": 0},
                "outcome": ACCEPTED,
            },
            [ROLE_SAID, f"It was refused at first, {AN_OFFICE}; {LATER}"],
        ),
        (
            {
                "fraud": judged("refuse", TEST, refuse_at=45),
                "attempt": {"id": "att_1", "code": "policy", "at_ms": 0},
                "outcome": ACCEPTED,
            },
            [
                TEST_SAID,
                "Together 45 points: from 45 points on, a report was refused.",
                f"It was refused at first, because the fraud policy did not admit it; {LATER}",
            ],
        ),
        (
            {
                "fraud": judged("review", TEST),
                "attempt": {"id": "att_1", "code": "blocked", "at_ms": 0},
                "outcome": ACCEPTED,
            },
            [
                TEST_SAID,
                "Together 45 points: from 40 points on, a person would have looked first.",
                f"It was refused at first, because the merchant's block list named it; {LATER}",
            ],
        ),
    ],
)
def test_what_followed_is_said_once_and_with_its_cause(record, said):
    assert explain(record) == said


def test_the_click_is_so_long_ago_and_what_was_not_looked_at_comes_last():
    record = {
        "facts": {"now_ms": 1_282_257_000, "click": {"at_ms": 0, "tie": "click_id"}},
        "fraud": judged("clear", not_evaluated={"no_database": ["ip.tor"]}),
        "outcome": {"status": "pending", "why": "no signal asks for a review"},
    }
    assert explain(record, [{"type": "conversion.approved", "data": {}}]) == [
        "The click behind it came 15 days before (the report named it).",
        "It was accepted, for the merchant to approve: no signal asks for a review.",
        "The merchant approved it.",
        "Not looked at, for want of a database: Tor.",
    ]
