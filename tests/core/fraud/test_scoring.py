"""Weighing, the record, and the words made of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from refledger.core import addresses, emails
from refledger.core.fraud.case import Case, Click
from refledger.core.fraud.catalogue import BY_CODE, CATALOGUE, CATALOGUES, SIGNALS
from refledger.core.fraud.policy import DEFAULT, DEFAULT_POLICY, merge
from refledger.core.fraud.scoring import expand, judge, record, weigh
from refledger.core.fraud.sentences import explain
from refledger.core.fraud.signal import CLEAR, INPUTS, REASONS, fired

NOW_MS = 1_750_000_000_000
FAMILIES = {
    "email", "identity", "geo", "ip", "ua", "timing", "click", "history", "affiliate", "conversion"
}  # fmt: skip
DOCS = Path(__file__).parents[3] / "docs" / "signals.md"


def case(email="maria@firma.es", **more):
    return Case(NOW_MS, "purchase", "aff_1", email=emails.parse(email) if email else None, **more)


def policy(**signals):
    """Overrides by code, a dot written as two underscores; `at` sets the thresholds."""
    at = signals.pop("at", {})
    return merge(
        DEFAULT, {**at, "signals": {code.replace("__", "."): entry for code, entry in signals.items()}}
    )


def findings(**answers):
    by_code = {code.replace("__", "."): finding for code, finding in answers.items()}
    return tuple(by_code.get(signal.code, CLEAR) for signal in SIGNALS)


def test_a_family_counts_once_with_its_largest():
    verdict = judge(case("test1+1@firma.es", mailbox_spellings=1), DEFAULT_POLICY)
    assert (verdict.score, verdict.outcome, verdict.leading) == (50, "review", "email.mailbox_reuse")
    kept = {each["code"]: (each["points"], each["counted"]) for each in record(verdict)["fired"]}
    assert kept == {
        "email.test_pattern": (45, 0),
        "email.plus_numeric": (45, 0),
        "email.mailbox_reuse": (50, 50),
    }


def test_families_add_up_and_stop_at_a_hundred():
    busy = case("joe+1@blog.org", affiliate_email=emails.parse("joe@blog.org"), confirmed_frauds=2)
    verdict = judge(busy, DEFAULT_POLICY)
    counted = {each["code"]: each["counted"] for each in record(verdict)["fired"]}
    assert verdict.score == 100 == sum(counted.values())
    assert counted["identity.affiliate_mailbox"] == 80
    assert counted["email.plus_numeric"] == 20
    assert counted["affiliate.confirmed_fraud"] == 0


@pytest.mark.parametrize(
    ("at", "points", "outcome"),
    [
        ({}, 39, "clear"),
        ({}, 40, "review"),
        ({}, 100, "review"),
        ({"review_at": 60}, 59, "clear"),
        ({"review_at": 60}, 60, "review"),
        ({"review_at": None}, 100, "clear"),
        ({"refuse_at": 90}, 89, "review"),
        ({"refuse_at": 90}, 90, "refuse"),
    ],
)
def test_thresholds(at, points, outcome):
    verdict = judge(case("info@firma.es"), policy(at=at, email__role={"points": points}))
    assert (verdict.score, verdict.outcome) == (points, outcome)
    assert verdict.leading == (None if outcome == "clear" else "email.role")


@pytest.mark.parametrize(
    ("entry", "score", "outcome", "state"),
    [
        ({"action": "score"}, 5, "clear", "fired"),
        ({"action": "review"}, 5, "review", "fired"),
        ({"action": "review", "points": 0}, 0, "review", "fired"),
        ({"action": "refuse"}, 5, "refuse", "fired"),
        ({"action": "evidence", "points": 100}, 0, "clear", "fired"),
        ({"action": "off", "points": 100}, 0, "clear", "off"),
        ({"action": "score", "points": 100, "mode": "shadow"}, 0, "clear", "fired"),
        ({"action": "refuse", "mode": "shadow"}, 0, "clear", "fired"),
    ],
)
def test_actions_and_modes(entry, score, outcome, state):
    verdict = judge(case("info@firma.es"), policy(email__role=entry))
    assert (verdict.score, verdict.outcome) == (score, outcome)
    shown = next(each for each in expand(record(verdict)) if each["code"] == "email.role")
    assert shown["state"] == state


def test_a_refusal_leads_whatever_the_score():
    hasty = case("test1@firma.es", click=Click("clk_1", NOW_MS - 1), click_tie="click_id")
    verdict = judge(hasty, DEFAULT_POLICY)
    assert (verdict.outcome, verdict.leading) == ("refuse", "timing.too_fast")


def test_one_signals_error_is_recorded_and_the_others_go_on():
    broken = policy()
    steps = tuple(
        (explode if asks is BY_CODE["email.role"].check else asks, needs) for asks, needs in broken.steps
    )
    verdict = judge(case("test1@firma.es"), replace(broken, steps=steps))
    kept = record(verdict)
    assert kept["error"] == [{"code": "email.role", "error": "ZeroDivisionError"}]
    assert (verdict.score, verdict.outcome) == (45, "review")
    assert "secret" not in json.dumps(kept)


def explode(case):
    raise ZeroDivisionError("secret@firma.es")


def test_an_allow_entry_records_everything_and_counts_nothing_but_duplicates():
    bad = case("test1@firma.es", click=Click("clk_1", NOW_MS - 1), click_tie="click_id")
    verdict = judge(bad, DEFAULT_POLICY, allowed=True)
    assert (verdict.score, verdict.outcome, verdict.leading) == (0, "clear", None)
    kept = record(verdict)
    assert {each["code"] for each in kept["fired"]} == {"email.test_pattern", "timing.too_fast"}
    assert kept["allowed"] is True
    assert "An allow entry of the merchant covers this report." in explain(kept)
    assert judge(case(None, repeat_sale=True), DEFAULT_POLICY, allowed=True).outcome == "review"


def test_the_record_is_json_and_names_every_signal_once():
    busy = case("test1+1@gmail.com", mailbox_spellings=3, agent="X", address=addresses.parse("81.2.69.160"))
    kept = json.loads(json.dumps(record(judge(busy, policy(email__repeat={"action": "off"})))))
    expanded = expand(kept)
    assert [each["code"] for each in expanded] == [signal.code for signal in SIGNALS]
    assert sum(each.get("counted", 0) for each in expanded) == kept["score"]
    reuse = next(each for each in expanded if each["code"] == "email.mailbox_reuse")
    assert reuse == {
        "code": "email.mailbox_reuse",
        "family": "email",
        "state": "fired",
        "action": "score",
        "mode": "enforce",
        "points": 70,
        "counted": 70,
        "evidence": {"spellings": 4, "days": 90},
        "level": 1,
        "notice": "one mailbox under several spellings",
    }


def test_what_is_off_is_asked_and_remembered_without_effect():
    muting = policy(email__mailbox_reuse={"action": "off"}, email__role={"action": "off"})
    kept = record(judge(case("maria@gmail.com", mailbox_spellings=2), muting))
    assert (kept["score"], kept["fired"], kept["off"]) == (0, [], ["email.mailbox_reuse", "email.role"])
    assert kept["muted"] == [{"code": "email.mailbox_reuse", "level": 1}]
    assert "muted" not in record(judge(case("maria@gmail.com"), muting))
    shown = {each["code"]: each["state"] for each in expand(kept)}
    assert shown["email.mailbox_reuse"] == "off" and explain(kept) == []


def test_a_record_can_be_weighed_again():
    strict = policy(email__role={"action": "refuse"})
    verdict = judge(case("info@firma.es"), DEFAULT_POLICY)
    assert weigh(verdict.findings, strict).outcome == "refuse"


def test_evidence_names_no_person():
    busy = case(
        "joe.bloggs+news@blog.org",
        affiliate_email=emails.parse("Joe.Bloggs@blog.org"),
        mailbox_spellings=2,
        sightings={"email.sequence": 5, "identity.domain_cluster": 5},
        address=addresses.parse("81.2.69.160"),
        agent="Mozilla/5.0 (X11)",
    )
    kept = json.dumps(record(judge(busy, DEFAULT_POLICY))).lower()
    for private in ("joe", "bloggs", "news", "81.2.69", "x11"):
        assert private not in kept


def test_old_records_are_still_read():
    old = {
        "score": 5,
        "outcome": "clear",
        "fired": [
            {
                "code": "email.gone",
                "action": "score",
                "mode": "enforce",
                "points": 5,
                "counted": 5,
                "evidence": {},
            },
            {
                "code": "email.plus_numeric",
                "action": "score",
                "mode": "shadow",
                "points": 5,
                "counted": 0,
                "evidence": None,
            },
        ],
    }
    assert [each["code"] for each in expand(old)] == ["email.plus_numeric", "email.gone"]
    assert explain(old)[0] == "email.gone was noticed (5 points)."
    assert "(+?)" in explain(old)[1]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.code)
def test_each_signal_is_well_made(signal):
    assert signal.family in FAMILIES
    assert all(0 <= points <= 100 for points in signal.points)
    assert set(signal.needs) <= set(INPUTS)
    assert signal.notice
    assert signal.says.endswith(".")


def test_codes_are_unique_and_documented():
    assert len(BY_CODE) == len(SIGNALS)
    text = DOCS.read_text("utf-8")
    assert [code for code in BY_CODE if f"`{code}`" not in text] == []


def test_every_reason_is_documented():
    text = DOCS.read_text("utf-8")
    assert {"weak_tie", "no_database", "masked_address"} <= set(REASONS)
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []


def test_points_by_level():
    verdict = weigh(findings(email__mailbox_reuse=fired({}, level=7)), DEFAULT_POLICY)
    assert verdict.score == 70


def test_the_latest_catalogue_names_every_signal():
    assert set(CATALOGUES[CATALOGUE]) == {signal.code for signal in SIGNALS}
