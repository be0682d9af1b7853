"""What was noticed about an accepted conversion is a row for each signal, written with it or not at all."""

import json
import os

import pytest

from refledger.services import steps
from refledger.web.tracking import Words
from tests.builders import PURCHASE


def findings(shop, conversion_id=None):
    rows = shop.rows("SELECT * FROM findings ORDER BY code")
    return {
        row["code"]: (row["effect"], row["points"])
        for row in rows
        if conversion_id in (None, row["conversion_id"])
    }


def test_what_fired_nowhere_leaves_no_row(shop, counter):
    assert counter.purchase().code == "pending"
    assert shop.rows("SELECT * FROM findings") == []


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({}, {"email.test_pattern": ("counted", 45), "email.plus_tag": ("evidence", 10)}),
        (
            {"email.test_pattern": {"mode": "shadow"}},
            {"email.test_pattern": ("shadow", 45), "email.plus_tag": ("counted", 10)},
        ),
        (
            {"email.test_pattern": {"action": "evidence"}},
            {"email.test_pattern": ("evidence", 45), "email.plus_tag": ("counted", 10)},
        ),
        (
            {"email.test_pattern": {"action": "review", "points": 0}, "email.plus_tag": {"action": "off"}},
            {"email.test_pattern": ("counted", 0)},
        ),
    ],
)
def test_what_fired_is_kept_with_what_followed(shop, counter, signals, expected):
    shop.change_program(policy={"signals": signals})
    first = counter.purchase("test123+shop@example.com").id
    assert findings(shop, first) == expected
    row = shop.one("SELECT * FROM findings WHERE code = 'email.test_pattern'")
    assert (row["merchant_id"], row["program_id"], row["mode"]) == (shop.merchant_id, shop.program_id, "live")


def test_an_allow_entry_leaves_the_row_without_effect(shop, counter):
    shop.list_entry("allow", "domain", "example.com")
    counter.purchase("test123@example.com")
    assert findings(shop) == {"email.test_pattern": ("evidence", 45)}


def test_a_group_writes_each_its_own(shop, counter):
    replies = counter.settle(
        counter.claim(ref_code="JOHN123", customer_email="test1@example.com", **PURCHASE),
        counter.claim(ref_code="MARY123", customer_email="info@example.com", **PURCHASE),
    )
    assert [findings(shop, each.id) for each in replies] == [
        {"email.test_pattern": ("counted", 45)},
        {"email.role": ("counted", 5)},
    ]


def test_neither_refusals_nor_trials_leave_any(shop, counter):
    counter.purchase("test123@example.com", secret=True, dry_run=True)
    shop.list_entry("block", "domain", "example.com")
    counter.purchase("test123@example.com")
    assert shop.rows("SELECT * FROM findings") == []


def test_an_accepted_attempt_leaves_what_was_noticed_at_its_time(shop, counter):
    shop.change_program(policy={"signals": {"email.test_pattern": {"action": "refuse"}}})
    assert counter.purchase("test123@example.com").code == "policy"
    attempt = shop.one("SELECT * FROM attempts")
    with shop.database.write(shop.merchant_id) as connection:
        found = steps.accept_attempt(
            connection, shop.tenant, attempt["id"], None, shop.clock(), os.urandom, Words()
        )
    fired = json.loads(attempt["record"])["fraud"]["fired"]
    assert [each["code"] for each in fired] == ["email.test_pattern"]
    assert findings(shop, found["id"]) == {"email.test_pattern": ("counted", 45)}
