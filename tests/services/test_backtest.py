"""Replaying what was decided: unchanged it is the same, changed it follows through limits and duplicates."""

import json
import os
import random

import pytest

from refledger.core.emails import parse
from refledger.core.refusals import Refused
from refledger.services import backtest as service
from refledger.services import catalogue, steps
from refledger.services.backtest import NO_BOUNDS, Bounds, Question, backtest
from refledger.services.forgetting import forget
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
        put_policy(shop, {"signals": {"email.repeat": {"action": "refuse"}}})
        shop.list_entry("block", "domain", "blocked.example")
        shop.list_entry("allow", "domain", "allowed.example")
        # One of each kind to begin with, whatever chance brings.
        shop.click()
        for email in ("eve@firm.example", "aaaaa@firm.example"):
            counter.purchase(email, customer_ip=ADDRESS, customer_user_agent=AGENT)

    def happen(self, reports):
        for number in range(reports):
            if number == reports // 3:
                put_policy(self.shop, {"preset": "strict", "note": "as tried"})
            if number == 2 * reports // 3:
                put_policy(self.shop, {"review_at": 10, "signals": {"email.test_pattern": {"action": "off"}}})
                self.shop.change_program(limits={"hourly": 5, "daily": 12})
            self.clock.advance_s(self.chance.choice([0, 0.5, 20, 300, 1800, 4000, -300]))
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
    assert found["decisions"] > 100 and found["complete"]
    assert found["flips"] == []
    # What each was judged by, in force for all that time: the same again, decision by decision.
    strict = report(shop, {"preset": "strict"})
    assert strict["reproduced"] == found["reproduced"]
    assert strict["flips"] and sum(each["count"] for each in strict["totals"]) == len(strict["flips"])


# ── what flips ───────────────────────────────────────────────────────────────────────────────────────────────────


def signal(code, **entry):
    return {"signals": {code: entry}}


ROLE_REFUSED, ROLE_REVIEWED = signal("email.role", action="refuse"), signal("email.role", action="review")
ROLE, TEST = "info@firm.example", "test1@firm.example"
CASES = {
    "accepted to review": ({}, ROLE, ROLE_REVIEWED, ("accepted", "review", "email.role")),
    "accepted to refused": ({}, ROLE, ROLE_REFUSED, ("accepted", "refused", "email.role")),
    "review to accepted": ({}, TEST, {"review_at": 46}, ("review", "accepted", "email.test_pattern")),
    "review to refused": ({}, TEST, {"refuse_at": 45}, ("review", "refused", "email.test_pattern")),
    "refused to accepted": (ROLE_REFUSED, ROLE, {}, ("refused", "accepted", "email.role")),
    "refused to review": (ROLE_REFUSED, ROLE, ROLE_REVIEWED, ("refused", "review", "email.role")),
    "what was off is on": (
        signal("email.test_pattern", action="off"),
        TEST,
        {},
        ("accepted", "review", "email.test_pattern"),
    ),
    "what was tried out holds": (
        signal("email.role", action="refuse", mode="shadow"),
        ROLE,
        ROLE_REFUSED,
        ("accepted", "refused", "email.role"),
    ),
    "nothing noticed": ({}, "ann@firm.example", ROLE_REFUSED, None),
    "as it was judged": (ROLE_REFUSED, ROLE, None, None),
    "refused for another reason": (ROLE_REFUSED, "info1@firm.example", ROLE_REFUSED, None),
}


@pytest.mark.parametrize("name", CASES)
def test_each_flip_is_named_with_what_it_is_worth(shop, counter, name):
    then, email, tried, expected = CASES[name]
    put_policy(shop, then)
    counter.purchase(email)
    found = report(shop, tried)
    assert found["reproduced"]["share"] == 1.0 and found["decisions"] == 1
    if expected is None:
        assert found["flips"] == found["totals"] == found["examples"] == []
        return
    (only,) = found["flips"]
    assert (only["from"], only["to"], only["signal"]) == expected
    assert (only["revenue"]["amount"], only["commission"]["amount"]) == ("99.99", "9.99")
    (total,) = found["totals"]
    assert total == {
        "from": expected[0],
        "to": expected[1],
        "count": 1,
        "revenue": only["revenue"],
        "commission": only["commission"],
    }
    ((sentence,),) = (each["sentences"] for each in found["examples"])
    assert sentence.startswith(
        f"The purchase of 99.99 USD {only['id']} of 2026-09-21, for JOHN123 (JOHN123, {shop.john_id}), "
    )
    assert expected[2] in sentence


@pytest.mark.parametrize(
    ("then", "email", "tried", "why"),
    [
        (
            {},
            TEST,
            {"review_at": 46},
            "no longer for email.test_pattern (score 45; held for review from 46 points on)",
        ),
        (
            {},
            TEST,
            {"review_at": None},
            "no longer for email.test_pattern (score 45; no score is held for review)",
        ),
        (
            {"refuse_at": 45},
            TEST,
            {"refuse_at": 60},
            "no longer for email.test_pattern (score 45; refused from 60 points on)",
        ),
        ({}, TEST, {"refuse_at": 45}, "(email.test_pattern, score 45; refused from 45 points on)"),
        ({"review_at": 46}, TEST, {}, "(email.test_pattern, score 45; held for review from 40 points on)"),
        # By its action, whatever the points.
        ({}, ROLE, ROLE_REVIEWED, "(email.role, score 5)"),
        ({}, ROLE, ROLE_REFUSED, "(email.role, score 5)"),
        (ROLE_REVIEWED, ROLE, {}, "no longer for email.role (score 5; held for review from 40 points on)"),
    ],
)
def test_an_example_says_why_by_the_points_that_were_wanting(shop, counter, then, email, tried, why):
    put_policy(shop, then)
    counter.purchase(email)
    ((sentence,),) = (each["sentences"] for each in report(shop, tried)["examples"])
    assert f"{why}. The merchant" in sentence


def test_what_a_signed_report_displaced_was_decided_by_nobody(shop, counter):
    squat = counter.purchase(ROLE)
    counter.purchase(ROLE, secret=True)
    found = next(each for each in report(shop, ROLE_REFUSED)["flips"] if each["id"] == squat.id)
    assert found["decided"] == "superseded"
    sentences = [each for example in report(shop, ROLE_REFUSED)["examples"] for each in example["sentences"]]
    (told,) = (each for each in sentences if squat.id in each)
    assert told.endswith("A report signed by the merchant's server took its place.")


def test_what_was_decided_later_splits_the_sums(shop, counter):
    shop.change_program(limits=NO_LIMITS)
    ids = [counter.purchase(f"info@firm{n}.example").id for n in range(5)]
    step(shop, "approve", ids[0])
    step(shop, "reject", ids[1], "fraud")
    step(shop, "reject", ids[2], "we know them")
    step(shop, "refund", ids[3])
    (by_signal,) = report(shop, ROLE_REFUSED)["by_signal"]
    assert (by_signal["signal"], by_signal["count"]) == ("email.role", 5)
    assert by_signal["commission"]["amount_minor"] == 5 * 999
    decided = {later: sums["count"] for later, sums in by_signal["decided"].items()}
    assert decided == dict.fromkeys(
        ("approved", "rejected:fraud", "rejected:other", "refunded", "undecided"), 1
    )
    put_policy(shop, ROLE_REFUSED)
    counter.purchase("info@a.example", ref_code="MARY123")
    counter.purchase("info@b.example", ref_code="MARY123")
    taken = accept(shop, attempts(shop)[0])
    found = report(shop, {})
    assert {each["decided"] for each in found["flips"]} == {"accepted_attempt", "left"}
    assert found["decisions"] == 7 and taken not in json.dumps(found)  # it was no decision of the engine
    (by_affiliate,) = found["by_affiliate"]
    assert (by_affiliate["affiliate_id"], by_affiliate["count"]) == (shop.mary_id, 2)
    assert (by_affiliate["name"], by_affiliate["ref_code"]) == ("MARY123", "MARY123")


def test_what_is_an_affiliates_own_stays(shop, counter):
    shop.change_affiliate(shop.mary_id, policy=ROLE_REFUSED)
    counter.purchase(ROLE)
    counter.purchase("info@other.example", ref_code="MARY123")
    found = report(shop, signal("email.role", action="review"))
    assert [(each["affiliate_id"], each["to"]) for each in found["flips"]] == [(shop.john_id, "review")]


def test_what_is_tried_out_is_reported_as_if_it_were_enforced(shop, counter, clock):
    tried = {"action": "refuse", "mode": "shadow"}
    put_policy(shop, {"signals": {"email.role": tried}})
    shop.change_affiliate(shop.mary_id, policy=signal("email.plus_tag", action="review", mode="shadow"))
    kept = counter.purchase(ROLE).id
    clock.advance_s(1)
    hers = counter.purchase("ann+x@gmail.com", ref_code="MARY123").id
    found = report(shop, enforcing=True)
    assert set(flips(found)) == {  # of one millisecond, in no order
        (kept, "accepted", "refused", "email.role"),
        (hers, "accepted", "review", "email.plus_tag"),
    }
    assert found["policy"]["signals"]["email.role"]["mode"] == "enforce"
    assert report(shop)["flips"] == [] and report(shop)["policy"] is None


# ── what follows from a flip ─────────────────────────────────────────────────────────────────────────────────────


def test_a_newly_refused_decision_frees_room(shop, counter, clock):
    first = counter.purchase(ROLE).id
    counter.purchase("ann@a.example")
    for name in ("ben@a.example", "cy@a.example"):
        clock.advance_s(60)
        assert counter.purchase(name).code == "rate_limited"
    passes, stays = attempts(shop)
    assert flips(report(shop, ROLE_REFUSED)) == [
        (first, "accepted", "refused", "email.role"),
        (passes, "refused", "accepted", "limit"),
    ]
    assert stays not in json.dumps(report(shop, ROLE_REFUSED)["flips"])


def test_a_newly_accepted_one_fills_it(shop, counter, clock):
    put_policy(shop, ROLE_REFUSED)
    counter.purchase(ROLE)
    clock.advance_s(60)
    counter.purchase("ann@a.example")
    last = counter.purchase("ben@a.example").id
    clock.advance_s(3600)
    counter.purchase("cy@a.example")  # there is room again by then
    assert flips(report(shop, {})) == [
        (attempts(shop)[0], "refused", "accepted", "email.role"),
        (last, "accepted", "refused", "limit"),
    ]


def test_verified_ones_count_for_themselves(shop, counter):
    put_policy(shop, ROLE_REFUSED)
    counter.purchase(ROLE)  # unverified: fills nothing of what follows
    for name in ("ann", "ben"):
        counter.purchase(f"{name}@a.example", secret=True)
    assert [each[:3] for each in flips(report(shop, {}))] == [(attempts(shop)[0], "refused", "accepted")]


def test_limits_look_back_to_before_the_time_asked_for(shop, counter, clock):
    shop.change_program(limits={"hourly": 2, "daily": 2})
    put_policy(shop, ROLE_REFUSED)
    counter.purchase("ann@a.example")
    from_ms = clock.advance_s(7200)
    counter.purchase(ROLE)
    clock.advance_s(7200)
    last = counter.purchase("ben@a.example").id
    found = report(shop, {}, from_ms=from_ms)
    assert found["decisions"] == 2
    assert flips(found)[1] == (last, "accepted", "refused", "limit")


def test_the_first_report_of_an_order_takes_the_place_of_one_that_is_refused(shop, counter, clock):
    shop.change_program(limits=NO_LIMITS)
    first = counter.purchase(ROLE, order_id="7").id
    for name in ("ann@a.example", "ben@a.example"):
        clock.advance_s(1)
        assert counter.purchase(name, order_id="7").code == "duplicate"
    assert flips(report(shop, ROLE_REFUSED)) == [
        (first, "accepted", "refused", "email.role"),
        (attempts(shop)[0], "refused", "accepted", "duplicate"),
    ]
    # Of an earlier version, attempts do not tell whose they are: what was a duplicate stays one.
    shop.run("UPDATE attempts SET email_key = NULL, order_key = NULL")
    assert [each[0] for each in flips(report(shop, ROLE_REFUSED))] == [first]


@pytest.mark.parametrize("secret", [False, True])
def test_what_follows_a_newly_accepted_one_is_its_duplicate(shop, counter, clock, secret):
    shop.change_program(limits=NO_LIMITS)
    put_policy(shop, ROLE_REFUSED)
    counter.purchase(ROLE, order_id="7")
    clock.advance_s(1)
    second = counter.purchase("ann@a.example", order_id="7", secret=secret).id
    step(shop, "reject", second, "test")  # which releases the order, and changes nothing of what was decided
    expected = [(attempts(shop)[0], "refused", "accepted", "email.role")]
    if not secret:  # a verified report takes the place of an unverified one
        expected.append((second, "accepted", "refused", "duplicate"))
    assert flips(report(shop, {})) == expected


def test_what_a_refused_one_displaced_stands_for_unverified_reports(shop, counter, clock):
    shop.change_program(limits=NO_LIMITS)
    for name, secret in (("ann", False), ("info", True), ("ben", False), ("cy", True)):
        clock.advance_s(1)
        counter.purchase(f"{name}@a.example", order_id="7", secret=secret)
    displacing = shop.rows("SELECT id FROM conversions ORDER BY id")[1]["id"]
    assert flips(report(shop, ROLE_REFUSED)) == [
        (displacing, "accepted", "refused", "email.role"),
        (attempts(shop)[1], "refused", "accepted", "duplicate"),
    ]


# ── the control, old records, bounds ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"fired":[{', '"fired":[],"gone":[{'),
        ('"score":45', '"score":44'),
        ('"status":"pending_review"', '"status":"pending"'),
        ('"leading":"email.test_pattern"', '"leading":"email.role"'),
        ('"hourly":null', '"hourly":%d'),
    ],
)
def test_a_record_that_was_altered_is_named(shop, counter, old, new):
    altered = counter.purchase(TEST).id
    counter.purchase("ann@a.example")
    record = shop.one("SELECT record FROM decisions WHERE conversion_id = ?", altered)["record"]
    assert old in record
    new = new.replace("%d", str(shop.clock()))
    shop.run("UPDATE decisions SET record = ? WHERE conversion_id = ?", record.replace(old, new), altered)
    control = report(shop)["reproduced"]
    assert (control["count"], control["share"]) == (1, 0.5)
    assert [each["id"] for each in control["differing"]] == [altered]


def test_records_of_an_earlier_version_are_replayed_too(shop, counter):
    put_policy(shop, ROLE_REFUSED)
    counter.purchase(ROLE)
    counter.purchase("ann@a.example")
    for table in ("attempts", "decisions"):
        for row in shop.rows(f"SELECT record FROM {table}"):
            record = json.loads(row["record"])
            del record["facts"]["limits"]
            record.pop("type", None), record.pop("revenue_minor", None)
            shop.run(f"UPDATE {table} SET record = ?", json.dumps(record))
    found = report(shop, {})
    assert found["reproduced"]["share"] == 1.0
    (only,) = found["flips"]
    assert (only["to"], only["revenue"], only["commission"]) == ("accepted", None, None)
    assert found["totals"][0]["commission"]["amount_minor"] == 0


def test_who_is_forgotten_is_replayed_all_the_same(shop, counter):
    put_policy(shop, ROLE_REFUSED)
    for email in ("test1@firm.example", "test1@firm.example", ROLE):
        counter.purchase(email)
    for email in ("test1@firm.example", ROLE):
        forget(shop.database, shop.tenant, parse(email), shop.clock)
    found = report(shop, {"review_at": 46})
    assert found["reproduced"] == {"count": 3, "share": 1.0, "differing": []}
    assert {each[1:] for each in flips(found)} == {
        ("review", "accepted", "email.test_pattern"),
        ("refused", "accepted", "email.role"),
    }


def test_a_door_sets_bounds_and_says_so(shop, counter, clock, monkeypatch):
    shop.change_program(limits=NO_LIMITS)
    for n in range(6):
        clock.advance_s(1)
        counter.purchase(f"ann{n}@a.example")
    newest = report(shop, bounds=Bounds(decisions=4))
    assert (newest["decisions"], newest["complete"]) == (4, False)
    assert "refledger backtest" in newest["advice"] and newest["covered"]["from"] > newest["from"]
    assert report(shop, bounds=Bounds(decisions=6))["complete"]
    monkeypatch.setattr(service, "_AT_ONCE", 2)
    clock_s = iter(range(100)).__next__
    some = report(shop, bounds=Bounds(seconds=1.5, clock_s=clock_s))
    assert (some["decisions"], some["complete"]) == (4, False)
    assert some["covered"]["to"] < some["to"] and some["advice"]
    told = []
    whole = report(shop, tell=lambda done, total: told.append((done, total)))
    assert whole["complete"] and whole["advice"] is None and told == [(2, 6), (4, 6), (6, 6)]


def test_a_question_that_makes_no_sense_is_refused_by_its_paths(shop):
    with pytest.raises(Refused) as refused:
        report(shop, {"preset": "stricter", "signals": {"x": {}}}, to_ms=1)
    assert set(refused.value.refusal.fields) == {"policy.preset", "policy.signals.x", "from"}
