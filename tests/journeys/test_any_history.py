"""Any order of reports and decisions: after each step the stored data is sound, and every no was right."""

import os
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from refledger.core.refusals import Refused
from refledger.services import ledger_check, postings, reversals, review
from tests.builders import PURCHASE, Counter, Shop, settings_for
from tests.conftest import clock_of
from tests.journeys.checks import WINDOWS_MS, faults

FEW = {
    "sqlite": 6,
    "postgresql": 2,
}  # the stored data is asked after each step, and a server takes longer to answer
LIMITS = {"hourly": 3, "daily": 6}
EMAILS = st.sampled_from(["a@example.com", "b@example.com", "c@example.com", "d@example.org"])
CODES = st.sampled_from(["JOHN123", "MARY123"])
ORDERS = st.sampled_from([None, "1", "2", "3"])
AMOUNTS = st.sampled_from([0, 0.05, 9.99, 99.99, 1234.56])
STEPS = [review.approve, review.reject, review.reopen]


class AnyHistory(RuleBasedStateMachine):
    """`repeats`: what the program pays; `fresh`: makes databases. Both set by the test."""

    repeats = "first"
    fresh = None
    conversions = Bundle("conversions")

    def __init__(self):
        super().__init__()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            url = stack.enter_context(self.fresh(folder))
            self.clock = stack.enter_context(clock_of(url))
            program = {"limits": LIMITS, "repeat_purchases": self.repeats}
            self.shop = stack.enter_context(closing(Shop(settings_for(url, folder), self.clock, **program)))
            self.open = stack.pop_all()
        self.counter = Counter(self.shop)

    def teardown(self):
        with self.open:
            assert list(ledger_check.verify(self.shop.database)) == []

    @rule(
        target=conversions,
        email=EMAILS,
        code=CODES,
        order_id=ORDERS,
        amount=AMOUNTS,
        purchase=st.booleans(),
        key=st.sampled_from(["publishable_key", "secret_key", "test_publishable_key", "test_secret_key"]),
    )
    def report(self, email, code, order_id, amount, purchase, key):
        before = self._accepted(code, key)
        reply = self.counter.report(
            key=self.shop.keys[key],
            customer_email=email,
            ref_code=code,
            order_id=order_id,
            conversion_type="purchase" if purchase else "signup",
            revenue_amount=amount,
        )
        assert reply.status in (200, 409, 429), reply
        assert reply.code != "fault"
        if reply.status == 429:
            assert self._full(before), "refused by a limit that had room"
        return reply.id if reply.status == 200 else None

    def _accepted(self, code, key):
        """Times of the conversions that count against this report."""
        verified_only = " AND verified" if "secret" in key else ""
        mode = "test" if key.startswith("test") else "live"
        affiliate_id = self.shop.john_id if code == "JOHN123" else self.shop.mary_id
        sql = f"SELECT at_ms FROM conversions WHERE affiliate_id = ? AND mode = ?{verified_only}"
        return [row["at_ms"] for row in self.shop.rows(sql, affiliate_id, mode)]

    def _full(self, times):
        now_ms = self.clock()
        return any(
            sum(now_ms - window_ms < at_ms <= now_ms for at_ms in times) >= LIMITS[kind]
            for kind, window_ms in WINDOWS_MS.items()
        )

    @rule(conversion_id=conversions, step=st.sampled_from(STEPS), reason=st.sampled_from([None, "fraud"]))
    def decide(self, conversion_id, step, reason):
        if conversion_id:
            self._write(step, conversion_id, reason)

    @rule(conversion_id=conversions, fact=st.sampled_from([reversals.refund_all, reversals.chargeback]))
    def happen(self, conversion_id, fact):
        if conversion_id:
            self._write(fact, conversion_id, None)

    @rule(conversion_id=consumes(conversions))
    def all_at_once(self, conversion_id):
        """Everything that may happen to one conversion, twice."""
        for _ in range(2 if conversion_id else 0):
            for step in (reversals.chargeback, reversals.refund_all):
                self._write(step, conversion_id, None)

    def _write(self, step, *arguments):
        mode = self.shop.one("SELECT mode FROM conversions WHERE id = ?", arguments[0])["mode"]
        tenant = self.shop.tenant if mode == "live" else self.shop.tenant_in(mode)
        with suppress(Refused), self.shop.database.write() as connection:
            step(connection, tenant, *arguments, self.clock(), os.urandom)

    @rule(seconds=st.sampled_from([0.001, 1, 60, 1800, 3599, 3600, 86_400]))
    def time_passes(self, seconds):
        self.clock.advance_s(seconds)

    @invariant()
    def nothing_is_unsound(self):
        found = faults(self.shop.settings.database_url, LIMITS, one_per_customer=self.repeats == "first")
        assert found == []


@pytest.mark.prove_on("postgresql")
@pytest.mark.parametrize("repeats", ["first", "lifetime", {"months": 1}], ids=str)
def test_any_history(engine, fresh, repeats):
    run(fresh, repeats, examples=FEW[engine], steps=25)


@pytest.mark.prove
@pytest.mark.parametrize("repeats", ["first", "lifetime", {"months": 1}], ids=str)
def test_very_many_histories(engine, fresh, repeats):
    run(fresh, repeats, examples=25 * FEW[engine], steps=50)


def run(fresh, repeats, examples, steps):
    machine = type("History", (AnyHistory,), {"fresh": staticmethod(fresh), "repeats": repeats})
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)


def test_the_negative_control_a_move_left_out_is_seen(shop, monkeypatch):
    """With the reversal of displaced conversions left out, the same check says so."""
    counter, url = Counter(shop), shop.settings.database_url
    counter.report(ref_code="JOHN123", customer_email="a@example.com", **PURCHASE)
    real = postings.moves
    monkeypatch.setattr(postings, "moves", lambda posted, wanted: real(posted, wanted) if wanted else [])
    assert faults(url) == []
    displacing = counter.report(secret=True, ref_code="JOHN123", customer_email="a@example.com", **PURCHASE)
    assert displacing.status == 200
    assert faults(url)
