"""What two processes on PostgreSQL might do to each other: the other one acts while the first is in the middle."""

import os
import threading
import time
from copy import copy

import pytest

from refledger.core.refusals import Refused
from refledger.services import catalogue, ledger_check, review, steps
from refledger.services.claims import Work
from refledger.services.desk import Desk
from refledger.services.tracking import Tracking
from refledger.store import programs, record
from refledger.store.engine import is_conflict
from refledger.store.statements import Query
from refledger.web.tracking import Words
from tests.builders import PURCHASE, Reply, Shop, forget_numbers, settings_for
from tests.journeys.checks import faults

pytestmark = pytest.mark.only_on("postgresql", "SQLite has one writer at a time")
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def in_the_middle(act):
    """Randomness for somebody who decides; when it is first asked for, set-up and locks are behind them."""
    acts = [act]

    def entropy(count):
        if acts:
            acts.pop()()
        return os.urandom(count)

    return entropy


def change_currency(shop, currency):
    with shop.database.write() as connection:
        wanted = {"currency": currency}
        catalogue.update_program(connection, shop.tenant, shop.program_id, wanted, shop.clock(), os.urandom)


def wait_until_somebody_waits(shop):
    while not shop.rows(WAITING):
        time.sleep(0.01)


class Other(threading.Thread):
    """Works on another thread; `raised` holds what it raised, once it has ended."""

    def __init__(self, work):
        super().__init__()
        self.work, self.raised = work, []
        self.start()

    def run(self):
        try:
            self.work()
        except Exception as error:
            self.raised.append(error)


# ── a program's currency ─────────────────────────────────────────────────────────────────────────────────────────


def settle_while(shop, counter, act):
    tracking = Tracking(shop.database, Words(), shop.clock, in_the_middle(act))
    claim = counter.claim(ref_code="JOHN123", customer_email="a@example.com", **PURCHASE)
    (answer,) = Desk([tracking.settle], 64, 100)._settle_again(tracking.settle, [claim])
    return Reply(answer)


def currencies(shop):
    found = shop.rows(
        "SELECT currency FROM conversions UNION ALL SELECT currency FROM standings "
        "UNION ALL SELECT currency FROM programs UNION ALL SELECT currency FROM entries"
    )
    return {row["currency"] for row in found}


def test_a_currency_changed_while_a_sale_is_decided_is_the_sales(shop, counter):
    reply = settle_while(shop, counter, lambda: change_currency(shop, "EUR"))
    assert (reply.code, currencies(shop)) == ("pending", {"EUR"})
    assert list(ledger_check.verify(shop.database)) == []


def test_without_a_look_at_the_standing_a_sale_has_the_old_one(shop, counter, monkeypatch):
    """The negative control."""
    statement = copy(record._MOVE_STANDINGS.statement)
    statement._where_criteria = statement._where_criteria[:-1]
    monkeypatch.setattr(record, "_MOVE_STANDINGS", Query(statement))
    settle_while(shop, counter, lambda: change_currency(shop, "EUR"))
    assert currencies(shop) == {"EUR", "USD"}
    assert list(ledger_check.verify(shop.database))


def refused_attempt(shop, counter):
    assert counter.purchase(ref_code="NOBODY").status == 404
    return shop.one("SELECT id FROM attempts")["id"]


def change_before_it_is_committed(shop, attempt_id):
    """The program's first sale is stored, then the currency changed by somebody else, then the sale committed."""
    with shop.database.write() as connection:
        arguments = (shop.tenant, attempt_id, shop.john_id, shop.clock(), os.urandom, Words())
        steps.accept_attempt(connection, *arguments)
        other = Other(lambda: change_currency(shop, "EUR"))
        wait_until_somebody_waits(shop)
    other.join()
    return other.raised


def test_a_currency_waits_for_the_first_sale_and_stays(shop, counter):
    (error,) = change_before_it_is_committed(shop, refused_attempt(shop, counter))
    assert isinstance(error, Refused) and currencies(shop) == {"USD"}


def test_without_asking_for_sales_the_currency_would_change(shop, counter, monkeypatch):
    """The negative control."""
    monkeypatch.setattr(programs, "has_conversions", lambda *arguments: False)
    assert change_before_it_is_committed(shop, refused_attempt(shop, counter)) == []
    assert currencies(shop) == {"EUR", "USD"}


def test_an_affiliate_who_joins_meanwhile_has_the_new_currency(shop):
    with shop.database.write() as connection:
        arguments = (shop.tenant, shop.program_id, {"currency": "EUR"}, shop.clock(), os.urandom)
        catalogue.update_program(connection, *arguments)
        other = Other(lambda: shop.make_affiliate("LATE"))
        wait_until_somebody_waits(shop)
    other.join()
    assert other.raised == [] and currencies(shop) == {"EUR"}


# ── many conversions at once ─────────────────────────────────────────────────────────────────────────────────────


def crosswise(shop, counter):
    """Two calls approve the same two conversions in opposite order; what either raised."""
    shop.change_program(limits={"hourly": 9, "daily": 9})
    ids = [counter.purchase(f"{code}@example.com", ref_code=code).id for code in ("JOHN123", "MARY123")]
    others = []

    def approve(ids, entropy=os.urandom):
        with shop.database.write() as connection:
            steps.take_each(connection, shop.tenant, "approve", ids, None, shop.clock(), entropy)

    def begin_the_other():
        others.append(Other(lambda: approve(ids[::-1])))
        wait_until_somebody_waits(shop)

    one = Other(lambda: approve(ids, in_the_middle(begin_the_other)))
    one.join()
    others[0].join()
    return one.raised + others[0].raised


def test_calls_about_many_wait_for_each_other_in_turn(shop, counter):
    assert crosswise(shop, counter) == []
    assert faults(shop.settings.database_url) == []


def test_held_one_by_one_they_would_never_end(shop, counter, monkeypatch):
    """The negative control: the server ends one of the two."""
    monkeypatch.setattr(review, "hold_all", lambda *arguments: None)
    (error,) = crosswise(shop, counter)
    assert is_conflict(error)


# ── two changes of one set-up ────────────────────────────────────────────────────────────────────────────────────


def percent(value):
    return {"commission": {"purchase": {"type": "percentage", "value": value}}}


def fixed(kind, value):
    return {"commission": {kind: {"type": "fixed", "value": value}}}


CHANGES = {
    "two types of terms": (("program", percent("33")), ("program", fixed("signup", "3.00"))),
    "currency and maximum": (("program", {"currency": "JPY"}), ("program", {"max_revenue": "500.00"})),
    "currency and terms": (("program", {"currency": "JPY"}), ("program", fixed("purchase", "3.33"))),
    "currency and an affiliate's terms": (
        ("program", {"currency": "JPY"}), ("affiliate", fixed("signup", "2.22")),
    ),
    "an affiliate's two types of terms": (("affiliate", percent("33")), ("affiliate", fixed("signup", "3.00"))),
    "a coupon's two ends": (("coupon", {"starts_ms": 2000}), ("coupon", {"ends_ms": 1000})),
    "two policies": (("program", {"policy": {"review_at": 50}}), ("program", {"policy": {"review_at": 60}})),
}  # fmt: skip


def change(shop, connection, what, wanted):
    place = {"program": shop.program_id, "affiliate": shop.john_id, "coupon": shop.coupon_id}[what]
    update = getattr(catalogue, f"update_{what}")
    return update(connection, shop.tenant, place, wanted, shop.clock(), os.urandom)


def set_up(shop):
    """What the merchant set up, without ids and times that differ."""
    with shop.database.read(shop.merchant_id) as connection:
        program = catalogue.get_program(connection, shop.tenant, shop.program_id)
        affiliate = catalogue.get_affiliate(connection, shop.tenant, shop.john_id)
    coupon = shop.one("SELECT starts_ms, ends_ms FROM coupons")
    versions = sorted(row["version"] for row in shop.rows("SELECT version FROM policies"))
    kept = ("currency", "commission", "max_revenue_minor")
    return [program[name] for name in kept], affiliate["commission"], dict(coupon), versions


def one_after_the_other(shop, changes):
    outcomes = []
    for each in changes:
        try:
            with shop.database.write(shop.merchant_id) as connection:
                change(shop, connection, *each)
            outcomes.append(None)
        except Refused as refused:
            outcomes.append(refused.refusal.reason)
    return outcomes


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_two_changes_at_once_end_as_one_after_the_other(shop, fresh, tmp_path, clock, changes):
    """Nothing is lost, and what is refused after the first is refused beside it."""
    folder = tmp_path / "alone"
    folder.mkdir()
    with shop.database.write(shop.merchant_id) as connection:
        change(shop, connection, *changes[0])
        second = Other(lambda: one_after_the_other(shop, changes[1:]))
        wait_until_somebody_waits(shop)
    second.join(20)
    assert second.raised == []
    with fresh(folder) as url:
        alone = Shop(settings_for(url, folder), clock)
        one_after_the_other(alone, changes)
        assert set_up(shop) == set_up(alone)
        alone.close()


# ── an affiliate's month ─────────────────────────────────────────────────────────────────────────────────────────


def sales_at_once(shop, counter):
    """Two of 100.00 each, the second of which begins when the first has been decided and not yet written."""
    shop.change_program(
        limits={"hourly": 9, "daily": 9},
        commission={"purchase": {"type": "percentage", "value": "10", "monthly_cap": "12"}},
    )
    forget_numbers(shop)  # the other referee: two conversions cannot both be an affiliate's first
    first, second = (
        counter.claim(secret=True, ref_code="JOHN123", customer_email=f"{name}@example.com", **PURCHASE)
        for name in ("a", "b")
    )
    others, asked = [], []

    def entropy(count):
        asked.append(count)
        if len(asked) == 2:  # the conversion's id came first; this one is of what is written
            tracking = Tracking(shop.database, Words(), shop.clock)
            others.append(Other(lambda: tracking.settle([second])))
            while others[0].is_alive() and not shop.rows(WAITING):
                time.sleep(0.01)
        return os.urandom(count)

    Tracking(shop.database, Words(), shop.clock, entropy).settle([first])
    others[0].join()
    assert others[0].raised == []
    return sorted(row["commission_minor"] for row in shop.rows("SELECT commission_minor FROM conversions"))


def test_two_sales_at_once_share_what_the_month_has_left(shop, counter):
    assert sales_at_once(shop, counter) == [201, 999]


def test_without_holding_the_affiliate_they_would_exceed_it(shop, counter, monkeypatch):
    monkeypatch.setattr(Work, "earners", property(lambda work: set()))
    assert sales_at_once(shop, counter) == [999, 999]
