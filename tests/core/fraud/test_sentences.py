"""What a merchant reads of the signals: what each counted and why, what followed, and what was not looked at."""

import pytest

from refledger.core import addresses, emails
from refledger.core.fraud.case import Case, Click
from refledger.core.fraud.catalogue import BY_CODE, SIGNALS
from refledger.core.fraud.policy import DEFAULT, DEFAULT_POLICY, merge
from refledger.core.fraud.scoring import judge, record
from refledger.core.fraud.sentences import WAS, WOULD, cause, explain, unseen
from refledger.services.sources import SIGNALS_NEED

NOW_MS = 1_750_000_000_000
TEST = 'The e-mail address looks like one typed for a test ("test"'
CONFIRMED = "15 conversions of this affiliate were confirmed as fraud within 90 days"
HASTY = "he report came 9 seconds after the visitor's first click: hardly anybody is that fast"


def judged(email="maria@firma.es", policy=DEFAULT_POLICY, allowed=False, **more):
    case = Case(NOW_MS, "purchase", "aff_1", email=emails.parse(email) if email else None, **more)
    return record(judge(case, policy, allowed))


def clicked(age_ms=9_999, **more):
    return {"click": Click("clk_1", NOW_MS - age_ms, **more), "click_tie": "click_id"}


def policy(code, at=None, **entry):
    return merge(DEFAULT, {**(at or {}), "signals": {code: entry}})


def test_what_was_noticed_and_what_followed():
    assert explain(judged("test1@firma.es")) == [
        f"{TEST}; 45 points).",
        "Together 45 points: from 40 points on, a person looks first.",
    ]
    assert explain(judged("info@firma.es")) == [
        "The address is that of an office rather than a person (info@; 5 points).",
        "Together 5 points: nothing followed from it.",
    ]
    assert explain(judged()) == explain({}) == []


def test_where_one_signal_decided_it_is_named_and_no_other():
    found = judged(confirmed_frauds=15, **clicked())
    assert explain(found) == [f"T{HASTY} (40 points).", f"{CONFIRMED} (25 points)."]
    assert cause(found) == f"t{HASTY}"
    assert explain(found, WOULD)[-1] == f"It would have been refused because t{HASTY}."
    reviewed = judged("info@firma.es", policy("email.role", action="review"))
    assert cause(reviewed) == "the address is that of an office rather than a person (info@)"
    assert explain(reviewed, WOULD)[-1].startswith(
        "A person would have looked first because the address is that"
    )
    assert cause(judged("test1@firma.es")) is None


@pytest.mark.parametrize(
    ("at", "tense", "said"),
    [
        ({}, WAS, "from 40 points on, a person looked first."),
        ({}, WOULD, "from 40 points on, a person would have looked first."),
        ({"refuse_at": 45}, 0, "from 45 points on, a report is refused."),
        ({"refuse_at": 45}, WAS, "from 45 points on, a report was refused."),
        ({"refuse_at": 45}, WOULD, "from 45 points on, it would have been refused."),
    ],
)
def test_points_that_decide_or_would_have(at, tense, said):
    assert explain(judged("test1@firma.es", merge(DEFAULT, at)), tense)[-1] == f"Together 45 points: {said}"


@pytest.mark.parametrize(
    ("found", "code", "remark"),
    [
        (judged("test1@firma.es"), "email.test_pattern", "45 points"),
        (judged("info@firma.es", policy("email.role", points=1)), "email.role", "1 point"),
        (
            judged("test1+1@firma.es", mailbox_spellings=1),
            "email.test_pattern",
            "no points: a larger one of its family counts",
        ),
        (judged("test1+1@firma.es"), "email.plus_numeric", "no points: an equal one of its family counts"),
        (
            judged("joe+1@blog.org", affiliate_email=emails.parse("joe@blog.org")),
            "email.plus_numeric",
            "45 points, 20 counted: the score is full",
        ),
        (
            judged("joe+1@blog.org", affiliate_email=emails.parse("joe@blog.org"), confirmed_frauds=2),
            "affiliate.confirmed_fraud",
            "25 points, none counted: the score is full",
        ),
        (
            judged("info@firma.es", policy("email.role", mode="shadow")),
            "email.role",
            "recorded only: the signal is being tried out",
        ),
        (judged(address=addresses.parse("10.0.0.1")), "ip.private", "recorded only"),
        (judged("info@firma.es", policy("email.role", action="review", points=0)), "email.role", "no points"),
        (judged("test1@firma.es", allowed=True), "email.test_pattern", "no points: the allow entry holds"),
        (judged(None, allowed=True, repeat_sale=True), "conversion.possible_duplicate", "40 points"),
    ],
)
def test_what_each_counted_and_why_not_more(found, code, remark):
    place = [each["code"] for each in found["fired"]].index(code)
    sentence = explain(found)[place]
    assert sentence.endswith((f" ({remark}).", f"; {remark})."))


@pytest.mark.parametrize(
    ("code", "evidence", "said"),
    [
        ("timing.suspicious", {"seconds": 34.068}, "came 34 seconds after the visitor's first click"),
        ("timing.too_slow", {"days": 45.27, "window_days": 30}, "45 days after the visitor's latest click, past"),
        ("geo.impossible_travel", {"km": 900, "seconds": 120.0, "between": "click"}, "2 minutes after the click"),
        ("email.sequence", {"customers": 3, "days": 7}, "within 7 days differ"),
        ("ip.many_mailboxes", {"mailboxes": 4, "hours": 24}, "address within 24 hours"),
        ("conversion.possible_duplicate", {"minutes": 10}, "within 10 minutes, and"),
        ("ua.http_library", {"kind": "http library"}, "No browser made the report,"),
    ],
)  # fmt: skip
def test_times_have_their_units(code, evidence, said):
    fired = {"code": code, "action": "score", "mode": "enforce", "points": 5, "counted": 5}
    found = {"score": 5, "outcome": "clear", "leading": None, "fired": [fired | {"evidence": evidence}]}
    assert said in explain(found)[0]


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"no_click": ["timing.too_fast"], "coupon": ["click.not_navigation"]}, []),
        ({"no_database": ["ip.tor", "ip.vpn"]}, ["Not looked at, for want of a database: Tor, VPN."]),
        (
            {"no_ip": ["geo.same_ip", "geo.same_city", "ip.tor"], "no_agent": ["ua.bot", "ua.http_library"]},
            [
                "Not looked at, for want of the customer's internet address: places, networks; "
                "for want of a user agent: browsers."
            ],
        ),
    ],
)
def test_what_was_not_looked_at(lacking, said):
    assert unseen({"not_evaluated": lacking}) == said
    assert unseen({}) == []


@pytest.mark.parametrize("code", SIGNALS_NEED)
def test_whatever_wants_a_database_is_named(code):
    assert unseen({"not_evaluated": {"no_database": [code]}})


@pytest.mark.parametrize(("needs", "why"), [("address", "no_ip"), ("agent", "no_agent")])
def test_whatever_wants_an_address_or_an_agent_is_named(needs, why):
    for signal in SIGNALS:
        assert bool(unseen({"not_evaluated": {why: [signal.code]}})) or needs not in signal.needs


def test_every_time_in_a_sentence_gets_its_unit():
    units = ("second", "minute", "hour", "day")
    for signal in BY_CODE.values():
        assert not any(f"}} {unit}" in signal.says for unit in units), signal.code
