"""What is rejected as fraud is held against mailbox, address and affiliate: for a time, and until it is reopened."""

import json
import os

import pytest

from refledger.services import steps
from refledger.services.housekeeping import Housekeeping
from refledger.web.tracking import Words
from tests.builders import AGENT, PURCHASE

DAY_MS = 86_400_000
ADDRESS = "81.2.69.160"
FRAUDSTER = {
    "ref_code": "JOHN123",
    "customer_email": "joe.public@gmail.com",
    "customer_ip": ADDRESS,
    **PURCHASE,
}
NOTHING = {"confirmed_frauds": 0, "confirmed_mailbox": 0, "confirmed_address": 0}


@pytest.fixture
def other(shop):
    """The code of an affiliate in another program, who has nothing to do with the fraud."""
    program_id = shop.make_program(name="Other")
    shop.make_affiliate("OTHER1", program_id)
    return {"program_id": program_id, "ref_code": "OTHER1"}


def take(shop, step, conversion_id, reason=None, note=None):
    with shop.database.write(shop.merchant_id) as connection:
        return steps.take(
            connection, shop.tenant, step, conversion_id, reason, shop.clock(), os.urandom, note
        )


def known(shop, counter, **fields):
    """The facts that a report's decision knows of confirmed frauds."""
    reply = counter.report(**{"customer_email": "someone@example.com", **PURCHASE, **fields})
    found = shop.one("SELECT record FROM decisions WHERE conversion_id = ?", reply.id)
    facts = json.loads(found["record"])["facts"]
    return {name: facts[name] for name in NOTHING if facts[name]}


def confirmed(shop):
    return shop.rows("SELECT * FROM sightings WHERE key LIKE 'confirmed.%'")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # The mailbox under another spelling, the address's unit, the affiliate; elsewhere, and in the same program.
        ({"customer_email": "joepublic+x@googlemail.com"}, {"confirmed_mailbox": 1}),
        ({"customer_ip": ADDRESS}, {"confirmed_address": 1}),
        (
            {"customer_ip": ADDRESS, "customer_email": "joe.public@gmail.com"},
            {"confirmed_mailbox": 1, "confirmed_address": 1},
        ),
        ({"customer_ip": "81.2.69.161"}, {}),
        ({"customer_email": "jane.public@gmail.com"}, {}),
    ],
)
def test_a_confirmed_fraud_is_known_in_every_program(shop, counter, other, fields, expected):
    conversion_id = counter.report(**FRAUDSTER).id
    assert known(shop, counter, **other) == {}
    take(shop, "reject", conversion_id, "fraud")
    assert known(shop, counter, **other | {"customer_email": "somebody@example.com"} | fields) == expected
    mary = {"ref_code": "MARY123", "customer_email": "somebody@example.com"} | fields
    assert known(shop, counter, **mary) == expected


@pytest.mark.parametrize(
    ("fields", "leading"),
    [
        ({"customer_email": "joepublic+x@googlemail.com"}, "history.mailbox"),
        ({"customer_ip": ADDRESS}, "history.address"),
        ({}, None),
    ],
)
def test_the_next_one_goes_to_a_person_until_the_first_is_reopened(shop, counter, other, fields, leading):
    first = counter.report(**FRAUDSTER).id
    take(shop, "reject", first, "fraud")
    second = counter.report(**{"customer_email": "someone@example.com", **PURCHASE, **other, **fields}).id
    found = shop.one("SELECT * FROM conversions WHERE id = ?", second)
    assert (found["status"], found["leading_code"]) == ("pending_review" if leading else "pending", leading)
    take(shop, "reject", second)
    take(shop, "reopen", first)
    third = counter.report(**{"customer_email": "someone@example.com", **PURCHASE, **other, **fields}).id
    assert shop.one("SELECT * FROM conversions WHERE id = ?", third)["status"] == "pending"


def test_it_is_held_against_the_affiliate(shop, counter):
    take(shop, "reject", counter.report(**FRAUDSTER).id, "fraud")
    assert known(shop, counter, ref_code="JOHN123") == {"confirmed_frauds": 1}


def test_modes_are_apart(shop, counter):
    take(shop, "reject", counter.report(**FRAUDSTER).id, "fraud")
    assert known(shop, counter, **FRAUDSTER, key=shop.keys["test_publishable_key"]) == {}


@pytest.mark.parametrize("reason", ["test", "duplicate_customer", "other", "not_fraud", "looks bad", None])
def test_other_reasons_are_held_against_nobody(shop, counter, reason):
    take(shop, "reject", counter.report(**FRAUDSTER).id, reason)
    assert known(shop, counter, **FRAUDSTER) == {}
    assert confirmed(shop) == []


def test_reopening_takes_all_of_it_back_and_nothing_else(shop, counter, other):
    first, second = counter.report(**FRAUDSTER).id, counter.report(**FRAUDSTER | other).id
    for each in (first, second):
        take(shop, "reject", each, "fraud")
    assert known(shop, counter, **FRAUDSTER | other) == {
        name: 2 - (name == "confirmed_frauds") for name in NOTHING
    }
    # As after months, when neither is kept any more: the record knows them by their fingerprints.
    shop.run("UPDATE conversions SET email = '', address = NULL WHERE id = ?", first)
    take(shop, "reopen", first)
    assert known(shop, counter, **FRAUDSTER | {"customer_email": "joe.public+2@gmail.com"}) == {
        "confirmed_mailbox": 1,
        "confirmed_address": 1,
    }


@pytest.mark.parametrize("address", ["10.0.0.1", "203.0.113.42", None])
def test_addresses_that_are_nobodys_own_are_no_history(shop, counter, address):
    take(shop, "reject", counter.report(**FRAUDSTER | {"customer_ip": address}).id, "fraud")
    facts = known(shop, counter, **FRAUDSTER | {"customer_ip": address, "ref_code": "MARY123"})
    assert facts == {"confirmed_mailbox": 1}


def test_without_an_email_the_address_is_known(shop, counter):
    sale = {
        "coupon_code": "SAVE20",
        "customer_ip": ADDRESS,
        "customer_user_agent": AGENT,
        "customer_email": None,
    }
    take(shop, "reject", counter.report(**sale | PURCHASE).id, "fraud")
    assert known(shop, counter, ref_code="JOHN123", customer_ip=ADDRESS) == {"confirmed_address": 1}


def test_an_accepted_attempt_is_known_as_well(shop, counter):
    shop.list_entry("block", "domain", "gmail.com")
    assert counter.report(**FRAUDSTER).code == "blocked"
    attempt_id = shop.one("SELECT id FROM attempts")["id"]
    with shop.database.write(shop.merchant_id) as connection:
        arguments = (connection, shop.tenant, attempt_id, None, shop.clock(), os.urandom, Words())
        conversion_id = steps.accept_attempt(*arguments)["id"]
    take(shop, "reject", conversion_id, "fraud")
    assert len(confirmed(shop)) == 3


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (90 - 1 / DAY_MS, NOTHING.keys()),
        (90, {"confirmed_mailbox"}),
        (365 - 1 / DAY_MS, {"confirmed_mailbox"}),
        (365, set()),
    ],
)
def test_it_is_held_for_so_long(shop, counter, clock, days, expected):
    """And kept for that long: housekeeping takes nothing that is still looked back on, and leaves nothing else."""
    take(shop, "reject", counter.report(**FRAUDSTER).id, "fraud")
    clock.now_ms += round(days * DAY_MS)
    Housekeeping(shop.database, clock).forget()
    assert len(confirmed(shop)) == (3 if days < 365 else 0)
    assert days < 90 or len(shop.rows("SELECT * FROM sightings")) == len(confirmed(shop))
    assert known(shop, counter, **FRAUDSTER).keys() == set(expected)


def test_the_note_is_kept_with_the_event_and_in_the_audit(shop, counter):
    conversion_id = counter.purchase().id
    take(shop, "reject", conversion_id, "test", "our own order of Tuesday")
    event = shop.one("SELECT data FROM events WHERE type = 'conversion.rejected'")
    told = json.loads(event["data"])
    assert (told["reason"], told["note"]) == ("test", "our own order of Tuesday")
    (audit,) = shop.rows("SELECT changes FROM audit WHERE action = 'conversion.rejected'")
    assert json.loads(audit["changes"])["note"] == [None, "our own order of Tuesday"]
