"""The policy as data: what is accepted, and how layers are laid."""

import pytest

from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.policy import DEFAULT, merge, validate


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


def test_a_stored_policy_outlives_its_signals():
    policy = merge(DEFAULT, {"signals": {"email.forgotten": {"points": 5}}})
    assert "email.forgotten" not in policy.document["signals"]


def test_merging_leaves_the_layers_alone():
    before = repr(DEFAULT)
    merge(DEFAULT, {"signals": {"email.mailbox_reuse": {"points": [1, 2]}}}).document["signals"].clear()
    assert repr(DEFAULT) == before
