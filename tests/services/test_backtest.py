"""Replaying what was decided: unchanged it is the same, changed it follows through limits and duplicates."""

import os
import random

import pytest

from refledger.core.refusals import Refused
from refledger.services import catalogue, steps
from refledger.services.backtest import NO_BOUNDS, Question, backtest
from refledger.web.tracking import Words
from tests.builders import ADDRESS, AGENT, PURCHASE

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NO_LIMITS = {"hourly": 1000, "daily": 1000}
REFUSE_TESTS = {"signals": {"email.test_pattern": {"action": "refuse"}}}


def report(shop, overrides=None, **more):
    bounds, tell = more.pop("bounds", NO_BOUNDS), more.pop("tell", None)
    question = Question(shop.program_id, overrides, **{"from_ms": 1, **more})
    with shop.database.read(shop.merchant_id) as connection:
        return backtest(connection, shop.tenant, question, shop.clock(), bounds, tell)


def flips(found):
    return [(each["id"], each["from"], each["to"], each["signal"]) for each in found["flips"]]


def put_policy(shop, overrides):
    with shop.database.write(shop.merchant_id) as connection:
        catalogue.put_policy(connection, shop.tenant, shop.program_id, overrides, shop.clock(), os.urandom)


def step(shop, name, conversion_id, reason=None):
    with shop.database.write(shop.merchant_id) as connection:
        steps.take(connection, shop.tenant, name, conversion_id, reason, shop.clock(), os.urandom)


def accept(shop, attempt_id):
    with shop.database.write(shop.merchant_id) as connection:
        return steps.accept_attempt(
            connection, shop.tenant, attempt_id, None, shop.clock(), os.urandom, Words()
        )["id"]


def attempts(shop):
    return [row["id"] for row in shop.rows("SELECT id FROM attempts ORDER BY id")]


# ── a varied history ─────────────────────────────────────────────────────────────────────────────────────────────


class History:
    """Honest and dishonest reports, with everything that may happen to them, by chance."""

    def __init__(self, shop, counter, clock, seed):
        self.shop, self.counter, self.clock, self.chance = shop, counter, clock, random.Random(seed)
        strict = {"signals": {"email.role": {"action": "refuse"}}, "review_at": 30}
        self.codes = ["JOHN123", "MARY123", "OWN1", "SMALL1"]
        shop.make_affiliate("OWN1", policy=strict)
        shop.make_affiliate("SMALL1", limits={"hourly": 1, "daily": 0})
        shop.change_program(
            limits={"hourly": 3, "daily": 7},
            repeat_purchases=self.chance.choice(["first", "lifetime", {"months": 1}]),
        )
        shop.list_entry("block", "domain", "blocked.example")
        shop.list_entry("allow", "domain", "allowed.example")

    def happen(self, reports):
        for number in range(reports):
            if number == reports // 3:
                put_policy(self.shop, {"preset": "strict", "note": "as tried"})
            if number == 2 * reports // 3:
                put_policy(self.shop, {"review_at": 10, "signals": {"email.test_pattern": {"action": "off"}}})
                self.shop.change_program(limits={"hourly": 5, "daily": 12})
            self.clock.advance_s(self.chance.choice([0, 0.5, 20, 300, 1800, 4000]))
            self._report()
            if self.chance.random() < 0.2:
                self._decide()

    def _report(self):
        pick = self.chance.choice
        name = pick(["ann", "ben", "cy", "test1", "demo22", "ann+1", "ben+x", "info", "aaaaa", "d777777"])
        domain = pick(["gmail.com", "firm.example", "blocked.example", "allowed.example", "tempmail.com"])
        address, code = pick([ADDRESS, "198.51.100.7", "81.2.69.160"]), pick(self.codes)
        if self.chance.random() < 0.3:
            age_ms = pick([2000, 30_000, HOUR_MS, 40 * DAY_MS])
            address, code = f"81.2.{self.chance.randrange(250)}.{self.chance.randrange(250)}", "JOHN123"
            self.shop.click(self.shop.john_id, self.clock() - age_ms, address)
        fields = {
            "ref_code": code,
            "customer_email": f"{name}@{domain}",
            "customer_ip": address,
            "customer_user_agent": AGENT,
            "secret": pick([True, False]),
            **pick([PURCHASE, {"conversion_type": "signup"}]),
        }
        if fields["conversion_type"] == "purchase" and self.chance.random() < 0.5:
            fields["order_id"] = str(self.chance.randrange(30))
        if self.chance.random() < 0.2:
            fields["idempotency_key"] = f"key{self.chance.randrange(20)}"
        if self.chance.random() < 0.1:
            del fields["ref_code"]
            fields["coupon_code"] = "SAVE20"
        self.counter.report(**fields)

    def _decide(self):
        rows = self.shop.rows("SELECT id FROM conversions ORDER BY id")
        refused = self.shop.rows("SELECT id FROM attempts WHERE conversion_id IS NULL ORDER BY id")
        try:
            if refused and self.chance.random() < 0.3:
                accept(self.shop, self.chance.choice(refused)["id"])
            elif rows:
                name = self.chance.choice(["approve", "reject", "refund", "chargeback"])
                reason = "fraud" if name == "reject" else None
                step(self.shop, name, self.chance.choice(rows)["id"], reason)
        except Refused:
            pass


@pytest.mark.parametrize("seed", range(3))
def test_the_unchanged_policy_reproduces_every_decision(shop, counter, clock, seed):
    History(shop, counter, clock, seed).happen(250)
    found = report(shop)
    codes = {row["code"] for row in shop.rows("SELECT DISTINCT code FROM attempts")}
    assert codes >= {"duplicate", "rate_limited", "blocked", "policy", "timing_too_fast"}
    assert found["reproduced"]["differing"] == []
    assert found["reproduced"] == {"count": found["decisions"], "share": 1.0, "differing": []}
    assert found["decisions"] > 150 and found["complete"]
    assert found["flips"] == []
    # What each was judged by, in force for all that time: the same again, decision by decision.
    strict = report(shop, {"preset": "strict"})
    assert strict["reproduced"] == found["reproduced"]
    assert strict["flips"] and sum(each["count"] for each in strict["totals"]) == len(strict["flips"])
