"""What anyone can forge weighs on no verified report: that looks at what verified ones left, and at nothing else."""

import os

import pytest

from refledger.core import emails
from refledger.core.fingerprints import looked_at
from refledger.services import forgetting, histories, review
from tests.builders import AGENT

ADDRESS = "81.2.69.160"


@pytest.fixture
def shop(shop):
    shop.change_program(limits={"hourly": 100, "daily": 100})
    return shop


def reject_as_fraud(shop, conversion_id):
    with shop.database.write(shop.merchant_id) as connection:
        review.reject(connection, shop.tenant, conversion_id, "fraud", shop.clock(), os.urandom)


def judged(shop, reply):
    """Its status, and the signals that fired."""
    codes = shop.rows("SELECT code FROM findings WHERE conversion_id = ? ORDER BY code", reply.id)
    found = shop.one("SELECT status FROM conversions WHERE id = ?", reply.id)
    return found["status"], [row["code"] for row in codes]


def mailboxes(counter, shop, secret):
    for name in ("ann", "bob", "cyd"):
        counter.signup(f"{name}@example.net", customer_ip=ADDRESS, secret=secret)


def spellings(counter, shop, secret):
    counter.signup("sue.customer@gmail.com", secret=secret)
    counter.signup("s.u.e.customer@gmail.com", secret=secret)


def numbered(counter, shop, secret):
    for number in (1, 2, 3):
        counter.signup(f"suecustomer{number}@gmail.com", secret=secret)


def neighbours(counter, shop, secret):
    for name in ("ann", "bob", "cyd"):
        counter.signup(f"{name}@sue.example", secret=secret)


def agents(counter, shop, secret):
    for place, name in enumerate(("ann", "bob", "cyd")):
        told = {"customer_ip": f"81.2.69.{place}", "customer_user_agent": AGENT}
        counter.signup(f"{name}@example.net", secret=secret, **told)


def frauds(counter, shop, secret):
    for name in ("ann", "bob"):
        reject_as_fraud(shop, counter.signup(f"{name}@example.net", secret=secret).id)


def fraud_by_mailbox(counter, shop, secret):
    told = {"ref_code": "MARY123", "secret": secret}
    reject_as_fraud(shop, counter.purchase("suecustomer@gmail.com", **told).id)


def fraud_from_address(counter, shop, secret):
    told = {"ref_code": "MARY123", "customer_ip": ADDRESS, "secret": secret}
    reject_as_fraud(shop, counter.purchase("ann@example.net", **told).id)


SUE = {"email": "suecustomer@gmail.com", "customer_ip": ADDRESS}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("secret", [True, False])
@pytest.mark.parametrize(
    ("leave", "fields", "code"),
    [
        (mailboxes, SUE, "ip.many_mailboxes"),
        (spellings, SUE, "email.mailbox_reuse"),
        (numbered, SUE | {"email": "suecustomer7@gmail.com"}, "email.sequence"),
        (neighbours, SUE | {"email": "sue@sue.example"}, "identity.domain_cluster"),
        (agents, SUE | {"customer_user_agent": AGENT}, "ua.cluster"),
        (frauds, SUE, "affiliate.confirmed_fraud"),
        (fraud_by_mailbox, SUE, "history.mailbox"),
        (fraud_from_address, SUE, "history.address"),
    ],
)
def test_what_is_noticed_of_others_is_what_was_vouched_for(
    shop, counter, leave, fields, code, before, secret
):
    """`before`: whether what was left was verified; `secret`: whether the report is that looks at it."""
    leave(counter, shop, before)
    status, codes = judged(shop, counter.purchase(secret=secret, **fields))
    if secret and not before:
        assert (status, codes) == ("pending", [])
    else:
        assert code in codes


def test_the_same_customer_reported_from_both_sides_is_one(shop, counter):
    """To an unverified report, too, who left something both ways is counted once."""
    for name in ("ann", "bob"):
        for secret in (False, True):
            counter.signup(f"{name}@example.net", customer_ip=ADDRESS, secret=secret)
    assert judged(shop, counter.purchase(**SUE)) == ("pending", [])
    counter.signup("cyd@example.net", customer_ip=ADDRESS, secret=True)
    assert "ip.many_mailboxes" in judged(shop, counter.purchase("dee@example.org", customer_ip=ADDRESS))[1]


@pytest.mark.parametrize("secret", [True, False])
@pytest.mark.parametrize("back", ["reopen", "forget"])
def test_what_is_held_is_taken_back_whoever_reported_it(shop, counter, clock, secret, back):
    told = counter.purchase("joe.public@gmail.com", customer_ip=ADDRESS, secret=secret)
    reject_as_fraud(shop, told.id)
    held = "SELECT key FROM sightings WHERE key LIKE 'confirmed.%'"
    assert [row["key"].endswith(".u") for row in shop.rows(held)] == [not secret] * 3
    if back == "reopen":
        with shop.database.write(shop.merchant_id) as connection:
            review.reopen(connection, shop.tenant, told.id, None, clock(), os.urandom)
        assert shop.rows(held) == []
    else:
        forgetting.forget(shop.database, shop.tenant, emails.parse("joe.public@gmail.com"), clock)
        # What is held against the affiliate stays.
        assert [row["key"].split(".")[1] for row in shop.rows(held)] == ["affiliate"]


def test_the_negative_control_looking_at_all_puts_a_true_sale_into_review(shop, counter, monkeypatch):
    monkeypatch.setattr(histories, "looked_at", lambda key, verified: looked_at(key, verified=False))
    mailboxes(counter, shop, secret=False)
    assert judged(shop, counter.purchase(secret=True, **SUE)) == ("pending_review", ["ip.many_mailboxes"])
