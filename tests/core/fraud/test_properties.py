"""What holds for every case and every policy: the arithmetic, the order, and that ignorance accuses nobody."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core import addresses, emails
from refledger.core.fraud.case import Case, Click
from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.policy import ACTIONS, DEFAULT, DEFAULT_POLICY, MODES, merge
from refledger.core.fraud.scoring import expand, judge, record
from refledger.core.fraud.sentences import explain
from refledger.core.fraud.sightings import KINDS, sighted
from refledger.core.origins import ASN, CITY, CLASSES, Operator, Origin, Place, Seen, Whereabouts
from tests.core.fraud.cases import DAY_MS, NOW_MS

ADDRESSES = st.sampled_from(
    ["81.2.69.160", "81.2.69.9", "203.0.113.42", "10.0.0.1", "2a00:1450::1", "2a00:1450::2:0:0:1"]
).map(addresses.parse)
EMAILS = st.sampled_from(
    ["maria@firma.es", "test1@firma.es", "joe+1@gmail.com", "info@blog.org", "aaaa123456@temp-mail-box.xyz"]
).map(emails.parse)
AGENTS = st.sampled_from(
    [
        "Mozilla/5.0...",
        "curl/8",
        "Googlebot/2.1",
        "Mozilla/5.0 (Windows NT 10.0)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18)",
    ]
)
PLACES = st.builds(
    Place,
    st.sampled_from("ab"),
    st.just("Town"),
    st.integers(-90_000, 90_000),
    st.integers(-180_000, 180_000),
    st.none() | st.integers(0, 1_000),
)
ORIGINS = st.builds(
    Origin,
    ADDRESSES,
    st.none() | PLACES,
    st.none() | st.builds(Operator, st.integers(1, 2), st.just("Net")),
    st.frozensets(st.sampled_from(CLASSES), max_size=2),
    st.frozensets(st.sampled_from([CITY, ASN, *CLASSES])),
)
TIMES = st.integers(NOW_MS - 40 * DAY_MS, NOW_MS)
COUNTS = st.integers(0, 5)


def seen_at(address, where, at_ms, origin):
    return Seen(address.version, address.number, address.number, where, at_ms, origin)


CASES = st.builds(
    Case,
    now_ms=st.just(NOW_MS),
    conversion_type=st.sampled_from(["signup", "purchase"]),
    affiliate_id=st.just("aff_1"),
    via=st.sampled_from(["ref_code", "coupon", "first"]),
    email=st.none() | EMAILS,
    address=st.none() | ADDRESSES,
    agent=st.none() | AGENTS,
    affiliate_email=st.none() | EMAILS,
    click=st.none()
    | st.builds(
        Click, st.just("clk_1"), TIMES, st.none(), st.none() | AGENTS, st.sampled_from([None, "image"])
    ),
    click_tie=st.sampled_from(["click_id", "customer", "address_and_agent", "address"]),
    known_customer=st.booleans(),
    mailbox_spellings=COUNTS,
    sightings=st.dictionaries(st.sampled_from(sorted(KINDS)), COUNTS),
    confirmed_frauds=COUNTS,
    repeat_sale=st.booleans(),
    origin=st.none() | ORIGINS,
    click_origin=st.none() | ORIGINS,
    affiliate_seen=st.lists(
        st.builds(
            seen_at,
            ADDRESSES,
            st.sampled_from(["declared", "portal"]),
            st.none() | TIMES,
            st.none() | ORIGINS,
        ),
        max_size=3,
    ).map(tuple),
    whereabouts=st.none()
    | st.builds(
        Whereabouts,
        TIMES,
        st.integers(-90_000, 90_000),
        st.integers(-180_000, 180_000),
        st.integers(0, 500),
        st.booleans(),
    ),
    confirmed_mailbox=COUNTS,
    confirmed_address=COUNTS,
)
POINTS = st.integers(0, 100)
POLICIES = st.builds(
    lambda review_at, refuse_at, signals: merge(
        DEFAULT, {"review_at": review_at, "refuse_at": refuse_at, "signals": signals}
    ),
    st.none() | st.integers(1, 100),
    st.none() | st.integers(1, 100),
    st.dictionaries(
        st.sampled_from([signal.code for signal in SIGNALS]),
        st.fixed_dictionaries(
            {},
            optional={"action": st.sampled_from(ACTIONS), "mode": st.sampled_from(MODES), "points": POINTS},
        ),
    ),
)


@given(CASES, POLICIES, st.booleans())
def test_the_counted_points_add_up_and_every_signal_answers(case, policy, allowed):
    verdict = judge(case, policy, allowed)
    told = expand(json.loads(json.dumps(record(verdict))))
    assert sum(each.get("counted", 0) for each in told) == verdict.score <= 100
    assert sorted(each["code"] for each in told) == sorted(signal.code for signal in SIGNALS)
    assert [each for each in told if each["state"] == "error"] == []
    assert all(isinstance(sentence, str) and "?" not in sentence for sentence in explain(record(verdict)))


@given(CASES, POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_the_signals_does_not_matter(case, policy, random):
    """Neither for the score nor for what follows; only which of equals leads."""
    order = list(range(len(policy.rules)))
    random.shuffle(order)
    shuffled = replace(
        policy,
        rules=tuple(policy.rules[place] for place in order),
        steps=tuple(policy.steps[place] for place in order),
    )
    verdict, other = judge(case, policy), judge(case, shuffled)
    assert (verdict.score, verdict.outcome) == (other.score, other.outcome)
    assert {(rule.code, finding) for rule, finding in answers(verdict)} == {
        (rule.code, finding) for rule, finding in answers(other)
    }


def answers(verdict):
    """Each signal's rule with its finding as text, for evidence cannot be hashed."""
    return [
        (rule, repr(finding)) for rule, finding in zip(verdict.policy.rules, verdict.findings, strict=True)
    ]


# What may not be known of a report, as the shell would leave it out.
MISSING = {
    "email": {"email": None},
    "address": {"address": None, "origin": None},
    "agent": {"agent": None},
    "affiliate_email": {"affiliate_email": None},
    "click": {"click": None, "click_origin": None},
    "origin": {"origin": None},
    "click_origin": {"click_origin": None},
    "affiliate_seen": {"affiliate_seen": ()},
    "whereabouts": {"whereabouts": None},
    "sightings": {"sightings": {}},
}


@pytest.mark.parametrize("missing", MISSING)
@given(case=CASES)
def test_a_missing_input_never_raises_the_score(missing, case):
    assert judge(replace(case, **MISSING[missing]), DEFAULT_POLICY).score <= judge(case, DEFAULT_POLICY).score


@given(CASES, st.sampled_from([CITY, ASN]))
def test_a_missing_database_never_raises_the_score(case, lost):
    """Of places or operators. One of classes may: what it masked is travel again."""
    without = {CITY: {"place": None}, ASN: {"operator": None}}[lost]
    poorer = replace(
        case,
        **{
            name: origin and replace(origin, known=origin.known - {lost}, **without)
            for name, origin in (("origin", case.origin), ("click_origin", case.click_origin))
        },
    )
    assert judge(poorer, DEFAULT_POLICY).score <= judge(case, DEFAULT_POLICY).score


@given(CASES)
def test_evidence_and_sentences_name_no_address_and_no_mailbox(case):
    kept = record(judge(case, DEFAULT_POLICY))
    told = json.dumps(kept) + " ".join(explain(kept))
    for private in ("81.2.69", "203.0.113", "2a00:1450", "10.0.0.1", "maria", "joe", "Mozilla", "Googlebot"):
        assert private not in told


@given(CASES)
def test_what_is_left_behind_is_of_known_kinds(case):
    assert {kind for kind, _ in sighted(case)} <= set(KINDS)


def test_the_arithmetic_is_seen_to_fail_where_it_is_wrong():
    """The control: a family that counts twice does not pass for one."""
    case = Case(NOW_MS, "purchase", "aff_1", email=emails.parse("test1+1@firma.es"))
    apart = replace(
        DEFAULT_POLICY, rules=tuple(replace(rule, family=rule.code) for rule in DEFAULT_POLICY.rules)
    )
    assert judge(case, apart).score > judge(case, DEFAULT_POLICY).score
