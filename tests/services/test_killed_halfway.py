"""Killed in the middle of whatever moves money: it has happened as a whole, or not at all, and a retry does it."""

import os
import signal
import sys
from contextlib import suppress

import pytest

from refledger.core.refusals import Refused
from refledger.services import adjustment, ledger_check, maturing, payouts, reversals, review, steps
from refledger.store import ledger
from refledger.store.engine import Database
from tests.builders import rows

DAY_S = 86_400
FEW, ALL = 40, 1  # every so manieth call of the store is the last


@pytest.fixture
def sold(shop, counter):
    """Two sales of John's, whom Mary recruited: one approved, and its hold is over by now; one that waits."""
    shop.change_program(hold_days=1, recruiter={"value": "5", "most": "20"})
    shop.change_affiliate(shop.john_id, recruiter_id=shop.mary_id)
    ids = [counter.purchase(f"{one}@example.com", secret=True, order_id=one).id for one in ("a", "b")]
    with shop.database.write(shop.merchant_id) as connection:
        steps.take(connection, shop.tenant, "approve", ids[0], None, shop.clock(), os.urandom)
    shop.clock.advance_s(2 * DAY_S)
    return ids


def pay_out(connection, tenant, shop, _sold, *how):
    return payouts.create(connection, tenant, {"program_id": shop.program_id}, *how)


def mark_paid(connection, tenant, shop, _sold, *how):
    (payout,) = shop.rows("SELECT id FROM payouts")
    payouts.take_step(connection, tenant, payout["id"], None, "paid", {}, *how)


def refund(connection, tenant, _shop, sold, *how):
    reversals.refund(connection, tenant, reversals.Sale(sold[0]), "re_1", "33.33", None, *how)


def dispute(connection, tenant, _shop, sold, *how):
    reversals.dispute(connection, tenant, reversals.Sale(sold[0]), "dp_1", "open", None, *how)


def adjust(connection, tenant, _shop, sold, *how):
    adjustment.adjust(connection, tenant, sold[0], "250.00", None, *how)


def decide(connection, tenant, _shop, sold, *how):
    review.approve(connection, tenant, sold[1], None, *how)


def end_hold(connection, tenant, _shop, sold, *how):
    found = ledger.conversions_of(connection, [(tenant.merchant_id, each) for each in sold])
    maturing.mature(connection, tenant, found.values(), *how)


# What is done, and what has to be done before.
DEEDS = {
    "refund": (refund,),
    "dispute": (dispute,),
    "adjust": (adjust,),
    "approve": (decide,),
    "end of a hold": (end_hold,),
    "payout": (pay_out,),
    "payout is paid": (mark_paid, pay_out),
}


def do(database, shop, sold, deed):
    with database.write(shop.merchant_id) as connection:
        deed(connection, shop.tenant, shop, sold, shop.clock(), os.urandom)


def do_and_die(number, shop, sold, deed):
    """Whether it ended, in a process that kills itself at so many calls of the store."""
    child = os.fork()
    if child == 0:
        try:
            database = Database(shop.settings.database_url)
            sys.setprofile(dying_at(number))
            with suppress(Refused):
                do(database, shop, sold, deed)
            sys.setprofile(None)
            os._exit(0)
        finally:
            os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended == 0


def dying_at(number):
    left = number

    def watch(frame, event, _argument):
        nonlocal left
        in_store = frame.f_globals.get("__name__", "").startswith("refledger.store")
        if in_store and event in ("call", "return"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return watch


def balances(shop):
    return rows(shop.settings.database_url, "SELECT * FROM standings ORDER BY affiliate_id")


def kill_in_the_middle(shop, sold, what, stride):
    """How often it was killed before it came to its end, how often balances changed, and what does not hold."""
    deed, *before = DEEDS[what]
    for each in before:
        do(shop.database, shop, sold, each)
    found, kills, violations, ended = [balances(shop)], 0, [], False
    while not ended:
        ended = do_and_die(1 + kills * stride, shop, sold, deed)
        kills += not ended
        violations += ledger_check.verify(shop.database)
        if (now := balances(shop)) != found[-1]:
            found.append(now)
    return kills, len(found) - 1, violations


@pytest.mark.parametrize("what", DEEDS)
def test_killed_in_the_middle_it_happens_once_or_not(shop, sold, what):
    kills, changes, violations = kill_in_the_middle(shop, sold, what, FEW)
    assert kills >= 2 and changes == 1 and violations == []


@pytest.mark.prove
@pytest.mark.parametrize("what", DEEDS)
def test_killed_at_every_call_of_the_store(shop, sold, what):
    kills, changes, violations = kill_in_the_middle(shop, sold, what, ALL)
    assert kills >= 50 and changes == 1 and violations == []


def test_the_negative_control_in_two_transactions_half_of_it_stays(shop, sold, monkeypatch):
    real = reversals.settle

    def commit_first(connection, *arguments, **told):
        connection.connection.driver_connection.commit()
        real(connection, *arguments, **told)

    monkeypatch.setattr(reversals, "settle", commit_first)
    *_, violations = kill_in_the_middle(shop, sold, "refund", FEW // 4)
    assert violations
