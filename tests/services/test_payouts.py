"""Two runs at the same moment, in processes of their own, pay nobody twice."""

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from refledger.core.refusals import Reason, Refused
from refledger.services import ledger_check, payouts, steps
from refledger.store.engine import Database
from tests.builders import rows

pytestmark = pytest.mark.only_on("postgresql", "SQLite is served by one process")
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def earned(shop, counter):
    """John and Mary have 9.99 each."""
    shop.change_program(limits={"hourly": 100, "daily": 100})
    ids = [counter.purchase(f"{code}@example.com", ref_code=code).id for code in ("JOHN123", "MARY123")]
    with shop.database.write(shop.merchant_id) as connection:
        steps.take_each(connection, shop.tenant, "approve", ids, None, shop.clock(), os.urandom)


def run(database, tenant, program_id, now_ms, entropy=os.urandom):
    """The new payout's id, or why there is none."""
    try:
        with database.write(tenant.merchant_id) as connection:
            return payouts.create(connection, tenant, {"program_id": program_id}, now_ms, entropy)[0]
    except Refused as refused:
        return refused.refusal.reason


def run_elsewhere(url, tenant, program_id, now_ms):
    database = Database(url)
    try:
        return run(database, tenant, program_id, now_ms)
    finally:
        database.close()


def test_processes_that_pay_out_at_once_pay_once(shop, earned):
    wanted = (shop.settings.database_url, shop.tenant, shop.program_id, shop.clock())
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        found = [each.result() for each in [pool.submit(run_elsewhere, *wanted) for _ in range(6)]]
    assert sorted(each == Reason.NOTHING_TO_PAY for each in found) == [False] + [True] * 5
    assert paid_out(shop) == {shop.john_id: 999, shop.mary_id: 999}
    assert list(ledger_check.verify(shop.database)) == []


def paid_out(shop):
    """Affiliate → the sum of what payouts have taken."""
    sql = "SELECT affiliate_id, CAST(sum(amount_minor) AS bigint) AS minor FROM payout_items GROUP BY 1"
    return {row["affiliate_id"]: row["minor"] for row in rows(shop.settings.database_url, sql)}


def in_the_middle_of_another(shop):
    """A second run begins when the first has decided, and ends after it."""
    arguments = (shop.database, shop.tenant, shop.program_id, shop.clock())
    second, others = [], []

    def entropy(count):
        if not others:
            others.append(threading.Thread(target=lambda: second.append(run(*arguments))))
            others[0].start()
            for _ in range(200):
                if second or rows(shop.settings.database_url, WAITING):
                    break
                time.sleep(0.01)
        return os.urandom(count)

    first = run(*arguments, entropy)
    others[0].join()
    return first, second[0]


def test_a_run_waits_for_another_and_finds_nothing(shop, earned):
    assert in_the_middle_of_another(shop)[1] is Reason.NOTHING_TO_PAY
    assert paid_out(shop) == {shop.john_id: 999, shop.mary_id: 999}


def test_without_holding_the_affiliates_they_would_be_paid_twice(shop, earned, monkeypatch):
    """The negative control."""
    monkeypatch.setattr(payouts, "hold", lambda connection, keys: None)
    in_the_middle_of_another(shop)
    assert paid_out(shop) == {shop.john_id: 1998, shop.mary_id: 1998}
