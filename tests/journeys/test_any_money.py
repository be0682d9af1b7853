"""Any order of what happens to money: after each step a book kept apart tells the same, and every cent is proven."""

import os
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from refledger.core.refusals import Refused
from refledger.services import (
    adjustment,
    affiliate_ledger,
    ledger_check,
    payouts,
    reversals,
    sealing,
    settlement,
    steps,
)
from refledger.services.maturing import Maturing
from tests.builders import Counter, Shop, settings_for
from tests.conftest import clock_of
from tests.journeys.book import DAY_MS, Book, Sale, Terms

FEW = {"sqlite": 6, "postgresql": 2}
TERMS = [Terms(False, 100, 3, 5), Terms(False, 125, 0, None), Terms(True, 300, 7, 1)]
AMOUNTS = st.sampled_from([5, 99, 3333, 9999, 123_456])
WHO = {"JOHN123": "MARY123", "MARY123": None}  # by whom each was recruited
DECISIONS = {"approve": "approved", "reject": "rejected"}


def text(minor):
    return f"{minor // 100}.{minor % 100:02}"


class AnyMoney(RuleBasedStateMachine):
    """`fresh`: makes databases; set by the test."""

    fresh = None
    sales, runs = Bundle("sales"), Bundle("runs")

    def __init__(self):
        super().__init__()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            url = stack.enter_context(self.fresh(folder))
            self.clock = stack.enter_context(clock_of(url))
            limits = {"hourly": 1000, "daily": 1000}
            made = Shop(
                settings_for(url, folder),
                self.clock,
                limits=limits,
                repeat_purchases="lifetime",
                recruiter={"value": "5", "most": "12"},
            )
            self.shop = stack.enter_context(closing(made))
            self.open = stack.pop_all()
        self.ids = {"JOHN123": self.shop.john_id, "MARY123": self.shop.mary_id}
        self.shop.change_affiliate(self.shop.john_id, recruiter_id=self.shop.mary_id)
        self.counter, self.book, self.count = Counter(self.shop), Book(), 0
        self.maturing = Maturing(self.shop.database, self.clock, os.urandom)
        self.began_ms = self.clock()
        self.change_terms(TERMS[0])

    def teardown(self):
        self.open.close()

    def _next_step(self):
        """Each has a time of its own."""
        self.clock.advance_s(10)
        self.book.turn_page(self.clock())

    def _do(self, deed, *arguments):
        """What the service answers, as the only item; None where it refuses."""
        self._next_step()
        try:
            with self.shop.database.write(self.shop.merchant_id) as connection:
                how = (self.clock(), os.urandom)
                return (deed(connection, self.shop.tenant, *arguments, *how),)
        except Refused:
            return None

    # ── sales ────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(terms=st.sampled_from(TERMS))
    def change_terms(self, terms):
        self.terms = terms
        value = text(terms.value) if terms.fixed else str(terms.value / 10)
        purchase = {"type": "fixed" if terms.fixed else "percentage", "value": value}
        days = {"hold_days": terms.hold_days, "approve_days": terms.approve_days}
        self.shop.change_program(commission={"purchase": purchase}, **days)

    @rule(target=sales, code=st.sampled_from([*WHO]), amount=AMOUNTS, verified=st.booleans())
    def sell(self, code, amount, verified):
        self.count += 1
        return self._sell(f"sale{self.count}", code, amount, verified)

    @rule(target=sales, sale_id=sales, code=st.sampled_from([*WHO]), amount=AMOUNTS, verified=st.booleans())
    def sell_again(self, sale_id, code, amount, verified):
        """The same order: a server displaces what anybody can have told, and nobody has decided."""
        return self._sell(self.book.sales[sale_id].order, code, amount, verified)

    def _sell(self, order, code, amount, verified):
        self._next_step()
        fields = {"ref_code": code, "order_id": order, "revenue_amount": amount / 100, "secret": verified}
        reply = self.counter.purchase(f"{order}@{order}.example.com", **fields)
        stands = self.book.standing(order)
        yields = all(verified and not each.verified and each.decision != "approved" for each in stands)
        assert reply.status == (200 if yields else 409), reply
        if not yields:
            return multiple()
        for each in stands:
            each.decision = "rejected"
        sold = (order, code, WHO[code], self.terms, amount, self.clock(), verified, reply.code, reply.code)
        self.book.sales[reply.id] = Sale(*sold)
        return reply.id

    @rule(sale_id=sales, step=st.sampled_from(["approve", "reject", "reopen"]))
    def decide(self, sale_id, step):
        sale = self.book.sales[sale_id]
        if step == "reopen":
            is_legal = sale.decision == "rejected" and not self.book.standing(sale.order)
        else:
            is_legal = sale.decision not in ("approved", "rejected")
        done = self._do(steps.take, step, sale_id, None)
        assert bool(done) is is_legal
        if is_legal:
            sale.reopened |= step == "reopen"
            sale.decision = DECISIONS.get(step, sale.initial)

    # ── what takes back ──────────────────────────────────────────────────────────────────────────────────────────

    @rule(sale_id=sales, number=st.integers(1, 3), amount=st.none() | AMOUNTS)
    def refund(self, sale_id, number, amount):
        sale, refund_id = self.book.sales[sale_id], f"{sale_id}.{number}"
        known, told = refund_id in sale.refunds, amount and text(amount)
        fits = amount is None or sale.back + amount <= sale.revenue
        done = self._do(reversals.refund, reversals.Sale(sale_id), refund_id, told, None)
        assert bool(done) is (sale.refunds[refund_id] == amount if known else fits)
        if done:
            sale.refunds[refund_id] = amount

    @rule(sale_id=sales, number=st.integers(1, 2), told=st.sampled_from(["open", "won", "lost"]))
    def dispute(self, sale_id, number, told):
        sale, dispute_id = self.book.sales[sale_id], f"{sale_id}.{number}"
        known = sale.disputes.get(dispute_id, "open")
        done = self._do(reversals.dispute, reversals.Sale(sale_id), dispute_id, told, None)
        assert bool(done) is not (known == "lost" and told == "won")
        if done:
            sale.disputes[dispute_id] = max(known, told, key=["open", "won", "lost"].index)

    @rule(sale_id=sales, amount=AMOUNTS)
    def adjust(self, sale_id, amount):
        sale = self.book.sales[sale_id]
        least = sale.revenue if None in sale.refunds.values() else sale.back
        done = self._do(adjustment.adjust, sale_id, text(amount), None)
        assert bool(done) is (amount >= least)
        if done:
            sale.revenue = amount

    # ── payouts ──────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(target=runs, days_ago=st.sampled_from([0, 0, 1, 4]), minimum=st.sampled_from([0, 500]))
    def pay_out(self, days_ago, minimum):
        until_ms = self.clock() + 10_000 - days_ago * DAY_MS
        wanted = {"program_id": self.shop.program_id, "until_ms": until_ms, "minimum": text(minimum)}
        done = self._do(payouts.create, wanted)
        expected = self.book.to_be_paid(WHO, until_ms, minimum, self.clock())
        assert bool(done) is bool(expected)
        if not done:
            return multiple()
        ((payout_id, _),) = done
        self.book.payouts[payout_id] = {who: [amount, "pending"] for who, amount in expected.items()}
        return payout_id

    @rule(
        payout_id=runs,
        code=st.sampled_from([None, *WHO]),
        step=st.sampled_from(["paid", "failed", "cancelled"]),
    )
    def settle(self, payout_id, code, step):
        items = self.book.payouts[payout_id]
        chosen = [item for who, item in items.items() if code in (None, who) and item[1] == "pending"]
        done = self._do(payouts.take_step, payout_id, code and self.ids[code], step, {"reason": "as told"})
        assert bool(done) is bool(chosen)
        for item in chosen:
            item[1] = step

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(days=st.sampled_from([0.25, 1, 3, 8]), works=st.booleans())
    def time_passes(self, days, works):
        self.clock.advance_s(days * 86_400)
        if works:
            self._next_step()
            self.maturing.run()
            for sale in self.book.sales.values():
                if sale.approves_by_itself(self.clock()):
                    sale.decision = "approved"

    @rule()
    def entries_are_sealed(self):
        while sealing.seal_next(self.shop.database, self.shop.merchant_id, self.clock()):
            pass

    # ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_book_tells_the_same(self):
        now_ms, tenant = self.clock(), self.shop.tenant
        with self.shop.database.read(self.shop.merchant_id) as connection:
            for code, affiliate_id in self.ids.items():
                found, _ = affiliate_ledger.balance(connection, tenant, affiliate_id, now_ms)
                assert found == self.book.accounts(code, now_ms), code

    @invariant()
    def statements_meet_and_add_up(self):
        begin, end = self.began_ms - 1, self.clock() + DAY_MS
        middle = (begin + end) // 2
        with self.shop.database.read(self.shop.merchant_id) as connection:
            for affiliate_id in self.ids.values():
                whole, first, second = (
                    affiliate_ledger.statement(connection, self.shop.tenant, affiliate_id, *span, end)
                    for span in ((begin, end), (begin, middle), (middle, end))
                )
                assert not any(whole.opening.values()) and first.opening == whole.opening
                assert first.closing == second.opening and second.closing == whole.closing
                assert first.lines + second.lines == whole.lines

    @invariant()
    def the_ledger_is_proven(self):
        assert list(ledger_check.verify(self.shop.database)) == []


def run(machine, fresh, examples, steps):
    made = type("Money", (machine,), {"fresh": staticmethod(fresh)})
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(made, settings=how)


def test_any_order_of_what_happens_to_money(engine, fresh):
    run(AnyMoney, fresh, FEW[engine], steps=30)


@pytest.mark.prove
def test_very_many_orders_of_what_happens_to_money(engine, fresh):
    run(AnyMoney, fresh, 40 * FEW[engine], steps=60)


BROKEN = {
    "a recruiter keeps what was refunded": ("share_due_minor", lambda share, *_: share["commission_minor"]),
    "what is due stays it after a refund": (
        "due_minor",
        lambda _, conversion: conversion["commission_minor"],
    ),
    "nothing is held": ("matures_ms", lambda *_: None),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_negative_control_the_book_tells_otherwise(fresh, monkeypatch, what):
    monkeypatch.setattr(settlement, *BROKEN[what])
    made = type("Money", (AnyMoney,), {"fresh": staticmethod(fresh)})()
    try:
        sale_id = made.sell("JOHN123", 9999, True)
        made.the_book_tells_the_same()
        made.decide(sale_id, "approve")
        made.refund(sale_id, 1, 3333)
        with pytest.raises(AssertionError):
            made.the_book_tells_the_same()
    finally:
        made.teardown()
