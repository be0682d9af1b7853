"""Replaying decisions made by hand: what of a record is kept, in what order, and how far limits look back."""

import pytest

from refledger.core.fraud.policy import DEFAULT, merge
from refledger.core.fraud.replay import Decision, Replay, keep

ROLE_REFUSED = merge(DEFAULT, {"signals": {"email.role": {"action": "refuse"}}})
REFERENCE = merge(DEFAULT)
MINUTE_MS = 60_000


def record(code="pending", fired=(), limits=None, before=0, **more):
    """As the service writes them, in what a replay reads."""
    told = {"status": code} if code.startswith("pending") else {"reason": code}
    return {
        "policy": "default-1",
        "facts": {
            "accepted_before": before,
            "limits": limits,
            "limits_filled_ms": {"hourly": None, "daily": None},
        },
        "fraud": {"score": 5 if fired else 0, "leading": None, "fired": [{"code": each} for each in fired]},
        "outcome": told,
        **more,
    }


def decision(number, at_ms, code="pending", object="conversion", **more):
    kept = keep(record(code, **more))
    return Decision(
        f"{object}_{number}", object, at_ms, "aff_1", "purchase", False, f"customer_{number}", None,
        9999, 999, code, kept.score, "undecided", kept,
    )  # fmt: skip


def test_what_is_refused_before_any_signal_is_nothing_to_replay():
    assert keep({"outcome": {"reason": "missing_fields"}}) is None


def test_what_was_muted_is_heard_in_the_catalogues_order():
    fraud = {
        "score": 0,
        "leading": None,
        "catalogue": 1,
        "fired": [{"code": "timing.too_fast"}, {"code": "email.mailbox_reuse", "level": 1}],
        "muted": [{"code": "email.test_pattern"}, {"code": "timing.suspicious", "level": 2}],
    }
    assert keep(record() | {"fraud": fraud}).noticed == (
        ("email.test_pattern", 0),
        ("email.mailbox_reuse", 1),
        ("timing.too_fast", 0),
        ("timing.suspicious", 2),
    )


def test_at_one_moment_what_was_accepted_before_decides():
    second = decision(2, 5, before=1)
    attempt = decision(3, 5, "rate_limited", "attempt", before=1)
    first, later = decision(9, 5, before=0), decision(1, 6, before=0)
    found = sorted([later, second, attempt, first], key=lambda each: each.place)
    assert found == [first, attempt, second, later]


@pytest.mark.parametrize(("daily", "full_from"), [(1440, None), (1439, 1439)])
def test_limits_look_back_a_day_however_many_were_accepted(daily, full_from):
    """One a minute: 1,439 of them lie in the day before each. The first is accepted only under the changed policy."""
    replay = Replay(lambda _: ROLE_REFUSED, lambda _: REFERENCE, "first")
    limits = {"hourly": 1000, "daily": daily}
    replay.take(decision(0, 0, "policy", "attempt", fired=["email.role"], limits=limits))
    full = [
        minute
        for minute in range(1, 3000)
        if replay.take(decision(minute, minute * MINUTE_MS, limits=limits)).changed.code == "rate_limited"
    ]
    assert (full[0] if full else None) == full_from
