"""Histories of refunds and disputes: in any order, told any number of times, they end in the same state."""

import os
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refledger.core.refusals import Refused
from refledger.services import ledger_check, reversals, steps
from tests.builders import Counter, Shop, settings_for
from tests.conftest import clock_of

FEW = {"sqlite": 40, "postgresql": 8}
REVENUE_MINOR, RATE = 9999, 10
SETTLED = ("status", "decision", "refunded", "refunded_minor", "dispute", "matures_ms", "commission_minor")


@pytest.fixture(scope="module")
def place(fresh):
    """A shop whose program holds for 14 days, for all examples: each has a sale of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        url = stack.enter_context(fresh(folder))
        clock = stack.enter_context(clock_of(url))
        limits = {"hourly": 1_000_000, "daily": 1_000_000}
        made = Shop(settings_for(url, folder), clock, hold_days=14, limits=limits)
        shop = stack.enter_context(closing(made))
        yield SimpleNamespace(shop=shop, counter=Counter(shop), sold=0, by_outcome={})


def facts():
    """Refunds that fit into the sale, and what is told of disputes."""
    refunds = st.lists(st.one_of(st.integers(1, 2000), st.none()), max_size=5)
    disputes = st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["open", "won", "lost"])), max_size=4
    )
    return st.tuples(refunds, disputes).map(
        lambda both: [
            *(("refund", f"r{number}", amount) for number, amount in enumerate(both[0])),
            *(("dispute", *told) for told in both[1]),
        ]
    )


def happen(place, history, decision, at):
    """A new sale to which the history happens, decided before its n-th fact; what it ends in."""
    place.sold += 1
    shop, name = place.shop, f"sale{place.sold}"
    email = f"{name}@{name}.example.com"
    conversion_id = place.counter.purchase(email, secret=True, order_id=name).id
    for number, (kind, own_id, told) in enumerate([*history, ("end", "", None)]):
        with suppress(Refused), shop.database.write(shop.merchant_id) as connection:
            how = (shop.clock(), os.urandom)
            if number == min(at, len(history)) and decision:
                steps.take(connection, shop.tenant, decision, conversion_id, None, *how)
        with suppress(Refused), shop.database.write(shop.merchant_id) as connection:
            sale, fact_id = reversals.Sale(order_id=name), f"{own_id}-{place.sold}"
            if kind == "refund":
                amount = told and f"{told // 100}.{told % 100:02}"
                reversals.refund(connection, shop.tenant, sale, fact_id, amount, None, *how)
            elif kind == "dispute":
                reversals.dispute(connection, shop.tenant, sale, fact_id, told, None, *how)
    return conversion_id


def outcome(shop, conversion_id):
    """The conversion's row, its refunds and disputes, and what its entries hold."""
    row = shop.one("SELECT * FROM conversions WHERE id = ?", conversion_id)
    held = {}
    for entry in shop.rows("SELECT * FROM entries WHERE conversion_id = ?", conversion_id):
        for account, sign in ((entry["debit"], -1), (entry["credit"], 1)):
            held[account] = held.get(account, 0) + sign * entry["amount_minor"]
    refunds = shop.rows("SELECT * FROM refunds WHERE conversion_id = ? ORDER BY id", conversion_id)
    disputes = shop.rows("SELECT * FROM disputes WHERE conversion_id = ? ORDER BY id", conversion_id)
    return {
        **{name: row[name] for name in SETTLED if name != "matures_ms"},
        "waits": row["matures_ms"] is not None,
        "refunds": [(each["id"].partition("-")[0], each["amount_minor"]) for each in refunds],
        "disputes": [(each["id"].partition("-")[0], each["status"]) for each in disputes],
        "held": {account: amount for account, amount in held.items() if amount},
    }


def book(history, decision):
    """What the specification says of it, written down apart from the service: where what is due lies."""
    named = {own_id: told for kind, own_id, told in history if kind == "refund"}
    told = {}
    for kind, own_id, status in history:
        if kind == "dispute":
            told.setdefault(own_id, set()).add(status)
    lost = any("lost" in each for each in told.values())
    is_open = any(each == {"open"} for each in told.values())
    back = sum(amount for amount in named.values() if amount is not None)
    due = 0 if None in named.values() else (REVENUE_MINOR - back) * RATE // 100
    if decision == "reject" or lost or not due:
        return {}
    account = "dispute_reserve" if is_open else "held" if decision == "approve" else "pending"
    return {account: due, "expense": -due}


def converge(place, engine, examples):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        history=facts(),
        random=st.randoms(use_true_random=False),
        decision=st.sampled_from([None, "approve", "reject"]),
        places=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    )
    def any_order(history, random, decision, places):
        again = [*history, *random.choices(history, k=len(history) // 2)] if history else []
        random.shuffle(again)
        first = outcome(place.shop, happen(place, history, decision, places[0]))
        second = outcome(place.shop, happen(place, again, decision, places[1]))
        assert first == second
        assert first["held"] == book(history, decision)

    any_order()
    assert list(ledger_check.verify(place.shop.database)) == []


def test_any_order_and_repetition_converges(place, engine):
    converge(place, engine, FEW[engine])


@pytest.mark.prove
def test_thousands_of_histories_converge(place, engine):
    converge(place, engine, 50 * FEW[engine])


def test_the_negative_control_a_refund_by_difference_drifts(place, monkeypatch):
    """Taken by what was left when it came, a whole refund is another one in another order."""
    monkeypatch.setattr(
        reversals.rules, "spread", lambda _, refunds: {each["id"]: each["amount_minor"] for each in refunds}
    )
    history = [("refund", "r0", 2000), ("refund", "r1", None)]
    ends = [outcome(place.shop, happen(place, each, None, 0)) for each in (history, history[::-1])]
    assert ends[0]["held"] == {} and sum(amount for _, amount in ends[0]["refunds"]) != REVENUE_MINOR
