"""Whatever is changed by hand, behind the service's back, is found and named."""

import os

import pytest
from sqlalchemy import text

from refledger.services import ledger_check, steps
from tests.builders import unguard


@pytest.fixture
def history(shop, counter):
    """A conversion that was approved, refunded after it, one that was displaced, and one that waits."""
    done = counter.purchase("done@example.com").id
    for step in ("approve", "refund"):
        shop.clock.now_ms += 1000
        with shop.database.write() as connection:
            steps.take(connection, shop.tenant, step, done, None, shop.clock(), os.urandom)
    counter.purchase("squat@example.com")
    shop.change_program(limits={"hourly": 100, "daily": 100})
    counter.purchase("squat@example.com", secret=True)
    waiting = counter.purchase("waiting@example.com").id
    unguard(shop)
    return {"done": done, "waiting": waiting}


def found(shop):
    return list(ledger_check.verify(shop.database))


def test_nothing_is_found_where_nothing_was_changed(shop, history):
    assert found(shop) == []


TAMPERING = {
    "an amount of an entry": "UPDATE entries SET amount_minor = amount_minor + 1 WHERE conversion_id = :waiting",
    "an entry removed": "DELETE FROM entries WHERE conversion_id = :waiting",
    "the account of an entry": "UPDATE entries SET credit = 'payable' WHERE conversion_id = :waiting",
    "the affiliate of an entry": "UPDATE entries SET affiliate_id = 'aff_x' WHERE conversion_id = :waiting",
    "the currency of an entry": "UPDATE entries SET currency = 'EUR' WHERE conversion_id = :waiting",
    "the cause of an entry": "UPDATE entries SET cause = 'evt_x' WHERE conversion_id = :waiting",
    "an entry of another merchant": "UPDATE entries SET merchant_id = 'mer_x' WHERE conversion_id = :waiting",
    "an entry of nothing": "UPDATE entries SET conversion_id = 'conv_x' WHERE conversion_id = :waiting",
    "a balance": "UPDATE standings SET pending_minor = pending_minor + 1, expense_minor = expense_minor - 1",
    "a counter": "UPDATE standings SET accepted_count = accepted_count + 1",
    "a standing removed": "DELETE FROM standings",
    "a status": "UPDATE conversions SET status = 'approved' WHERE id = :waiting",
    "a decision": "UPDATE conversions SET decision = 'approved', status = 'approved' WHERE id = :waiting",
    "a refund undone": "UPDATE conversions SET refunded = false, status = 'approved' WHERE id = :done",
    "a dispute invented": "UPDATE conversions SET dispute = 'open', status = 'chargeback' WHERE id = :waiting",
    "a commission": "UPDATE conversions SET commission_minor = commission_minor + 1 WHERE id = :waiting",
    "a revenue": "UPDATE conversions SET revenue_minor = revenue_minor * 2 WHERE id = :waiting",
    "a conversion removed": "DELETE FROM conversions WHERE id = :waiting",
    "an event removed": "DELETE FROM events WHERE subject_id = :done AND type = 'conversion.refunded'",
    "an event of another kind": "UPDATE events SET type = 'conversion.rejected' WHERE subject_id = :waiting",
    "an event of nothing": "UPDATE events SET subject_id = 'conv_x' WHERE subject_id = :waiting",
    "a record removed": "DELETE FROM decisions WHERE conversion_id = :waiting",
    "terms in a record": 'UPDATE decisions SET record = replace(record, \'"value":"10"\', \'"value":"20"\') '
    "WHERE conversion_id = :waiting",
}


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_changed_by_hand_is_found(shop, history, what):
    with shop.database.write() as connection:
        assert connection.execute(text(TAMPERING[what]), history).rowcount
    assert found(shop), what
