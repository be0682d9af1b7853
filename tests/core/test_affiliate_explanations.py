"""What an affiliate may hear: their own codes, what became of it, what it earns; nothing of anybody else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.affiliate_explanations import ABOUT, REFUSED, explain
from refledger.core.decision_reasons import REASONS
from refledger.core.events import EventType
from refledger.core.explanations import explain as explain_to_merchant
from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.signal import Signal
from refledger.core.refusals import Reason

OF_CONVERSIONS = [each for each in EventType if each.startswith("conversion.")]

OWN, OTHER = "aff_own", "aff_other"
MARK = re.compile(r"M\d+K")
COMMISSION = {"minor": 999, "source": "program", "arithmetic": "10 % of 99.99 USD, rounded down, is 9.99 USD"}


def candidate(by, affiliate_id=OWN, code="MINE123", state="live"):
    return {"by": by, "code": code, "affiliate_id": affiliate_id, "state": state}


def attribution(via, *candidates):
    return {"attribution": {"affiliate_id": OWN, "via": via, "candidates": list(candidates)}}


def fired(code, counted=45, mode="enforce", evidence=None):
    return {
        "code": code,
        "action": "score",
        "mode": mode,
        "points": 45,
        "counted": counted,
        "evidence": evidence or {},
    }


def review(*found, leading=None):
    fraud = {"score": 45, "outcome": "review", "leading": leading or found[0]["code"], "fired": list(found)}
    fraud |= {"review_at": 40, "refuse_at": None}
    return {"fraud": fraud, "outcome": {"status": "pending_review", "why": "so"}}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (attribution("ref_code", candidate("ref_code")), "It is yours by your referral code MINE123."),
        (
            attribution("coupon", candidate("coupon"), candidate("ref_code", OTHER, "THEIRS")),
            "It is yours by your coupon MINE123.",
        ),
        # A coupon of their own that had run out, and their code beside it.
        (
            attribution(
                "ref_code", candidate("coupon", code="OLD20", state="expired"), candidate("ref_code")
            ),
            "It is yours by your referral code MINE123.",
        ),
        (
            attribution("first", candidate("first"), candidate("ref_code", OTHER, "THEIRS")),
            "It is yours because the customer first came through you.",
        ),
        (
            attribution("merchant", candidate("merchant", state="chosen")),
            "The merchant decided that it is yours.",
        ),
    ],
)
def test_whose_it_is(record, said):
    assert explain(record) == [said]


@pytest.mark.parametrize(
    ("found", "about"),
    [
        ([fired("email.test_pattern")], "the e-mail address"),
        ([fired("email.test_pattern"), fired("identity.affiliate_domain")], "the e-mail address"),
        (
            [fired("timing.suspicious"), fired("click.not_navigation"), fired("ua.bot")],
            "the time at which it came, the click and the browser",
        ),
        # What had no part in it is not told.
        ([fired("timing.suspicious"), fired("email.role", counted=0)], "the time at which it came"),
        ([fired("ip.many_mailboxes", counted=0)], "the network it came from"),
        ([fired("gone.signal")], "its circumstances"),
    ],
)
def test_what_a_look_is_about(found, about):
    said = f"It was accepted, for the merchant to look at first, because of {about}. That accuses nobody."
    assert explain(review(*found)) == [said]


def test_what_it_earns():
    record = {"commission": COMMISSION, "terms": {"currency": "USD"}, "outcome": {"status": "pending"}}
    assert explain(record) == [
        "It was accepted, for the merchant to approve.",
        "The commission is 9.99 USD by the program's terms of that time: 10 % of 99.99 USD, rounded down, is 9.99 USD.",
    ]
    own = record | {"commission": COMMISSION | {"source": "affiliate"}}
    assert "by your own terms of that time" in explain(own)[1]


@pytest.mark.parametrize("kind", OF_CONVERSIONS)
@pytest.mark.parametrize("reason", [*REASONS, "he is a crook", None])
def test_what_happened_later(kind, reason):
    said = explain({}, [{"type": kind.value, "data": {"reason": reason, "note": "he is a crook"}}])
    assert len(said) == (0 if kind is EventType.ACCEPTED else 1)
    assert not re.search(r"crook|fraud|_", " ".join(said))
    if kind is EventType.REJECTED:
        assert ("a test" in said[0], "known already" in said[0]) == (
            reason == "test",
            reason == "duplicate_customer",
        )


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_is_told_without_its_code_and_without_numbers(reason):
    (said,) = explain({"outcome": {"reason": reason, "fields": ["a"], "detail": {}, "retry_after_s": 60}})
    assert said.startswith("It was not accepted") and not re.search(r"\d|_|fraud|suspic", said)
    assert (said == "It was not accepted.") == (reason not in REFUSED)


def test_every_family_has_its_words_and_they_accuse_nobody():
    assert ABOUT.keys() == {signal.family for signal in SIGNALS}
    assert not re.search(r"fraud|fake|suspic|bot|cheat|\d", " ".join(ABOUT.values()))


# ── nothing leaks ────────────────────────────────────────────────────────────────────────────────────────────────


class Marks:
    """A new mark for every call, so that whatever is told can be traced to its place."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return f"M{self.count}K"


def evidence_of(signal: Signal, mark):
    """Everything that the sentence for the merchant takes from the evidence, and more."""
    names = [*re.findall(r"{(\w+)}", signal.says), "domain", "tag", "address", "city"]
    return {name: mark() for name in names} | {"list": [mark(), {"deep": mark()}]}


@st.composite
def marked_records(draw):
    """A record with a mark wherever anything but the affiliate's own could stand; and the events after it."""
    mark = Marks()
    via = draw(st.sampled_from(["ref_code", "coupon", "first", "merchant"]))
    others = [candidate(by, OTHER, mark(), mark()) for by in ("coupon", "ref_code", "first") if by != via]
    candidates = draw(st.permutations([candidate(via), *others]))
    found = [
        fired(signal.code, draw(st.sampled_from([0, 10])), evidence=evidence_of(signal, mark))
        for signal in draw(st.lists(st.sampled_from(SIGNALS), min_size=1, max_size=12, unique=True))
    ]
    record = attribution(via, *candidates) | review(*found, leading=draw(st.sampled_from(found))["code"])
    record |= {"request_id": mark(), "policy": mark(), "known_as": {"mailbox": mark()}, "displaced": [mark()]}
    record |= {"credential": {"key_id": mark()}, "warnings": [mark()], "list_entry": {"id": mark()}}
    record |= {"facts": {"click": {"id": mark()}, "origin": {"city": mark(), "operator": {"name": mark()}}}}
    if draw(st.booleans()):
        reason = draw(st.sampled_from(Reason))
        detail = {name: mark() for name in ("matched", "window", "signal", "list_entry", "score")}
        record["outcome"] = {
            "reason": reason, "message": mark(), "fields": [mark()], "detail": detail,
            "retry_after_s": mark(), "conversion_id": mark(),
        }  # fmt: skip
    else:
        record["outcome"]["why"] = mark()
        record |= {
            "commission": COMMISSION | {"terms": mark()},
            "terms": {"currency": "USD", "program": mark()},
        }
    if draw(st.booleans()):
        record["attempt"] = {"id": mark(), "code": mark(), "at_ms": mark()}
    names = ("reason", "note", "order_id", "superseded_by", "conversion_id", "affiliate_id")
    events = [
        {"type": kind.value, "data": {name: mark() for name in names}}
        for kind in draw(st.lists(st.sampled_from(OF_CONVERSIONS), max_size=4))
    ]
    return record, events


@given(marked_records())
def test_nothing_of_others_and_nothing_that_was_noticed_is_told(made):
    record, events = made
    said = " ".join(explain(record, events))
    assert not MARK.search(said)
    told_of_their_own = said.replace("MINE123", "").replace(COMMISSION["arithmetic"], "").replace("9.99", "")
    assert not re.search(r"\d|@", told_of_their_own)


@given(marked_records())
def test_the_control_the_merchant_hears_of_it(made):
    record, _ = made
    record = {name: part for name, part in record.items() if name in ("attribution", "fraud")}
    assert MARK.search(" ".join(explain_to_merchant(record)))
