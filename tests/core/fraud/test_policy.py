"""The policy as data: what is accepted, and how layers are laid."""

from pathlib import Path

import pytest

from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.policy import DEFAULT, MOST_NOTE, merge, pinned, validate
from refledger.core.fraud.presets import NEWEST, PRESETS

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"


def test_the_default_is_valid_complete_and_merges_to_itself():
    assert validate(DEFAULT) == []
    assert list(DEFAULT["signals"]) == [signal.code for signal in SIGNALS]
    assert merge(DEFAULT).document == DEFAULT
    assert DEFAULT["review_at"] == 40
    assert DEFAULT["refuse_at"] is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"review_at": 60},
        {"review_at": None, "refuse_at": 90},
        {"signals": {}},
        {"preset": "strict", "note": "as the agency asked"},
        {"preset": "lenient-1", "review_at": 50},
        {"signals": {"email.role": {"points": 0}}},
        {"signals": {"email.role": {"points": [5]}}},
        {"signals": {"email.mailbox_reuse": {"points": [10, 100]}}},
        {"signals": {"email.mailbox_reuse": {"points": 30, "mode": "shadow", "action": "review"}}},
    ],
)
def test_valid(document):
    assert validate(document) == []
    merge(DEFAULT, document)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        (None, ""),
        ({"reviewat": 1}, "reviewat"),
        ({"preset": "stricter"}, "preset"),
        ({"preset": None}, "preset"),
        ({"preset": ["strict"]}, "preset"),
        ({"note": "x" * (MOST_NOTE + 1)}, "note"),
        ({"note": 1}, "note"),
        ({"review_at": 0}, "review_at"),
        ({"review_at": 101}, "review_at"),
        ({"review_at": True}, "review_at"),
        ({"review_at": 40.0}, "review_at"),
        ({"refuse_at": "90"}, "refuse_at"),
        ({"signals": []}, "signals"),
        ({"signals": {"email.rool": {}}}, "signals.email.rool"),
        ({"signals": {"email.role": 5}}, "signals.email.role"),
        ({"signals": {"email.role": {"weight": 5}}}, "signals.email.role.weight"),
        ({"signals": {"email.role": {"points": -1}}}, "signals.email.role.points"),
        ({"signals": {"email.role": {"points": 101}}}, "signals.email.role.points"),
        ({"signals": {"email.role": {"points": True}}}, "signals.email.role.points"),
        ({"signals": {"email.role": {"points": [1, 2]}}}, "signals.email.role.points"),
        ({"signals": {"email.mailbox_reuse": {"points": [1]}}}, "signals.email.mailbox_reuse.points"),
        ({"signals": {"email.role": {"action": "block"}}}, "signals.email.role.action"),
        ({"signals": {"email.role": {"action": ["off"]}}}, "signals.email.role.action"),
        ({"signals": {"email.role": {"mode": None}}}, "signals.email.role.mode"),
    ],
)
def test_faults_are_named_by_path(document, path):
    assert [where for where, _ in validate(document)] == [path]


def test_every_fault_at_once():
    assert (
        len(validate({"review_at": 0, "signals": {"x": {}, "email.role": {"mode": 1, "points": "a"}}})) == 4
    )


def test_later_layers_win_and_only_where_they_speak():
    program = {
        "review_at": 60,
        "signals": {"email.role": {"points": 20}, "email.mailbox_reuse": {"points": 30}},
    }
    affiliate = {"signals": {"email.role": {"mode": "shadow"}}}
    document = merge(DEFAULT, program, None, affiliate).document
    assert document["review_at"] == 60
    assert document["signals"]["email.role"] == {"action": "score", "mode": "shadow", "points": 20}
    assert document["signals"]["email.mailbox_reuse"]["points"] == [30, 30]
    assert document["signals"]["email.repeat"] == DEFAULT["signals"]["email.repeat"]


def test_the_reference_is_the_default():
    assert NEWEST == {"reference": "reference-1", "lenient": "lenient-1", "strict": "strict-1"}
    assert merge(DEFAULT, {"preset": "reference"}).document == DEFAULT


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_policy(name):
    assert validate(PRESETS[name]) == []


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_changes_is_in_the_table_for_readers(name):
    table = DOCS.read_text("utf-8").partition("### Presets")[2].partition("###")[0]
    assert [code for code in PRESETS[name].get("signals", {}) if f"`{code}`" not in table] == []


def test_presets_differ_in_their_strictness():
    strict, lenient = (merge(DEFAULT, {"preset": name}).document for name in ("strict", "lenient"))
    assert strict["review_at"] < DEFAULT["review_at"] < lenient["review_at"]
    assert strict["signals"]["identity.affiliate_mailbox"]["action"] == "refuse"
    assert lenient["signals"]["email.plus_tag"]["action"] == "off"


def test_a_preset_begins_anew_and_the_rest_of_its_layer_lies_over_it():
    program = {"refuse_at": 90, "signals": {"email.role": {"points": 20}}}
    affiliate = {"preset": "strict", "review_at": 30}
    document = merge(DEFAULT, program, affiliate).document
    assert (document["review_at"], document["refuse_at"]) == (30, 80)
    assert document["signals"]["email.role"] == DEFAULT["signals"]["email.role"]
    assert merge(DEFAULT, affiliate, program).document["refuse_at"] == 90


def test_a_preset_is_kept_by_its_version():
    assert pinned({"preset": "strict", "review_at": 30}) == {"preset": "strict-1", "review_at": 30}
    assert pinned({"preset": "strict-1"}) == {"preset": "strict-1"}
    assert pinned({"review_at": 30}) == {"review_at": 30}


def test_a_stored_policy_outlives_its_signals():
    policy = merge(DEFAULT, {"signals": {"email.forgotten": {"points": 5}}})
    assert "email.forgotten" not in policy.document["signals"]


def test_merging_leaves_the_layers_alone():
    before = repr(DEFAULT)
    merge(DEFAULT, {"signals": {"email.mailbox_reuse": {"points": [1, 2]}}}).document["signals"].clear()
    assert repr(DEFAULT) == before
