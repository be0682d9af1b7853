"""What an affiliate has and how it came about: ledger and statements add up, in every form."""

import csv
import io
import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from refledger.core.events import EventType
from refledger.core.ledger_words import WORDS
from refledger.core.times import to_text
from tests.builders import rows

DAY_S = 86_400
CODES = ("JOHN123", "MARY123")


@pytest.fixture
def program(shop):
    return shop.program(
        limits={"hourly": 1000, "daily": 1000},
        commission={"purchase": {"type": "percentage", "value": "10"}},
        hold_days=3,
        time_zone="Asia/Tokyo",
    )


@pytest.fixture
def affiliates(shop, program, clock):
    found = []
    for code in CODES:
        wanted = {"email": f"{code.lower()}@affiliate.example", "ref_code": code, "name": code.title()}
        found.append(shop.affiliate(program, **wanted))
        clock.advance_s(1)
    return found


def a_life(shop, program, clock, dice, steps=40):
    """Sales, decisions, refunds, disputes and payouts in any order; the payouts that came about."""
    sales = []

    def on_a_sale(step):
        if sales:
            shop.post(f"/v1/conversions/{dice.choice(sales)}/{step}")

    def sell():
        report = {"customer_email": f"somebody{len(sales)}z@example.com", "ref_code": dice.choice(CODES)}
        sales.append(shop.conversion(program, revenue_amount=dice.randint(1, 99999) / 100, **report))
        if dice.random() < 0.8:
            shop.post(f"/v1/conversions/{sales[-1]}/approve")

    def pay():
        made = shop.post("/v1/payouts", {"program_id": program["id"]})
        if made.status_code == 201:
            shop.post(f"/v1/payouts/{made.json()['id']}/{dice.choice(['paid', 'paid', 'cancel'])}")

    for _ in range(steps):
        clock.advance_s(dice.choice([1, 3600, DAY_S, 2 * DAY_S]))
        what = dice.choice([sell, sell, sell, pay, "refund", "chargeback", "reject", "reopen"])
        what() if callable(what) else on_a_sale(what)
    return shop.get("/v1/payouts", limit=500).json()["data"]


def statement(shop, affiliate, **params):
    response = shop.get(f"/v1/affiliates/{affiliate['id']}/statement", **params)
    assert response.status_code == 200, response.text
    return response.json()


def minor(balances):
    return Counter({account: money["amount_minor"] for account, money in balances.items()})


def moved(entries):
    """Account → what these rows of entries bring to it."""
    found = Counter()
    for each in entries:
        found[each["debit"]] -= each["amount_minor"]
        found[each["credit"]] += each["amount_minor"]
    return found


# ── statements add up ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_opening_and_lines_are_closing_wherever_a_life_is_cut(
    shop, program, affiliates, database_url, clock, seed
):
    dice = random.Random(seed)
    payouts = a_life(shop, program, clock, dice)
    entries = rows(database_url, "SELECT * FROM entries")
    times = sorted({each["at_ms"] for each in entries})
    cuts = sorted({times[0] - 1, *dice.sample(times, 5), times[-1] + 1})
    paid_out = Counter()
    for affiliate in affiliates:
        own = [each for each in entries if each["affiliate_id"] == affiliate["id"]]
        for from_ms, to_ms in pairwise(cuts):
            found = statement(shop, affiliate, **{"from": to_text(from_ms), "to": to_text(to_ms)})
            before, during = ([e for e in own if e["at_ms"] < ms] for ms in (from_ms, to_ms))
            assert minor(found["opening"]) == moved(before) and minor(found["closing"]) == moved(during)
            lines = Counter()
            for line in found["lines"]:
                lines[line["from"]] -= line["amount"]["amount_minor"]
                lines[line["to"]] += line["amount"]["amount_minor"]
            assert {a: minor(found["opening"])[a] + lines[a] for a in found["closing"]} == minor(
                found["closing"]
            )
            for each in found["payouts"]:
                paid_out[each["payout_id"]] += each["amount"]["amount_minor"]
    assert paid_out == {each["id"]: each["amount"]["amount_minor"] for each in payouts}
    assert payouts and len(entries) > 20


def test_the_last_closing_is_the_balance(shop, program, affiliates, clock):
    a_life(shop, program, clock, random.Random(4))
    clock.advance_s(30 * DAY_S)
    shop.post("/v1/payouts", {"program_id": program["id"]})  # moves on what the hold is over for
    for affiliate in affiliates:
        clock.advance_s(1)
        balance = shop.get(f"/v1/affiliates/{affiliate['id']}/balance").json()
        assert statement(shop, affiliate)["closing"] == balance["accounts"]


def test_the_ledger_is_every_entry_newest_first(shop, program, affiliates, database_url, clock):
    a_life(shop, program, clock, random.Random(5))
    john = affiliates[0]
    found, params = [], {"limit": 7}
    while True:
        page = shop.get(f"/v1/affiliates/{john['id']}/ledger", **params).json()
        found += page["data"]
        if not page["has_more"]:
            break
        params["cursor"] = page["next_cursor"]
    stored = rows(database_url, "SELECT * FROM entries WHERE affiliate_id = ?", john["id"])
    assert len(found) == len(stored) > 7 and len({each["id"] for each in found}) == len(found)
    assert [each["created_at"] for each in found] == sorted(
        (each["created_at"] for each in found), reverse=True
    )
    assert all(bool(each["conversion_id"]) != bool(each["payout_id"]) for each in found)
    middle = found[len(found) // 2]["created_at"]
    later = shop.get(f"/v1/affiliates/{john['id']}/ledger", created_from=middle, limit=500).json()["data"]
    assert later == [each for each in found if each["created_at"] >= middle]


# ── periods ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_days_and_months_are_the_programs(shop, program, affiliates, clock):
    found = statement(shop, affiliates[0], **{"from": "2026-09-01", "to": "2026-09-02"})
    assert (found["from"], found["to"], found["time_zone"]) == (
        "2026-08-31T15:00:00.000Z", "2026-09-01T15:00:00.000Z", "Asia/Tokyo",
    )  # fmt: skip
    assert statement(shop, affiliates[0])["from"] == "2026-08-31T15:00:00.000Z"
    october = statement(shop, affiliates[0], to="2026-11-01")
    assert (october["from"], october["to"]) == ("2026-09-30T15:00:00.000Z", "2026-10-31T15:00:00.000Z")


def test_a_day_can_have_23_hours(shop, program, affiliates):
    shop.patch(f"/v1/programs/{program['id']}", {"time_zone": "Europe/Berlin"})
    found = statement(shop, affiliates[0], **{"from": "2026-03-29", "to": "2026-03-30"})
    assert (found["from"], found["to"]) == ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z")


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-02-30"}, {"from": "yesterday"}, {"to": "0001-01-01"}, {"to": "9999-12-31T23:59:59Z"},
        {"from": "2026-09-02", "to": "2026-09-02"}, {"format": "pdf"}, {"from": "2026-01-01T00:00:00"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_period_is_refused(shop, affiliates, params):
    assert shop.get(f"/v1/affiliates/{affiliates[0]['id']}/statement", **params).status_code == 400


def test_others_see_nothing_and_the_other_mode_its_own(shop, testing, stranger, program, affiliates, clock):
    a_life(shop, program, clock, random.Random(6), steps=10)
    for name in ("statement", "ledger", "balance"):
        assert stranger.get(f"/v1/affiliates/{affiliates[0]['id']}/{name}").status_code == 404
    assert testing.get(f"/v1/affiliates/{affiliates[0]['id']}/ledger").json()["data"] == []
    found = statement(testing, affiliates[0], **{"from": "2026-01-01"})
    assert (found["lines"], set(minor(found["closing"]).values())) == ([], {0})


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lived(shop, program, affiliates, clock):
    a_life(shop, program, clock, random.Random(7))
    return {"from": "2026-09-01", "to": "2027-01-01"}


def test_the_sheet_adds_up(shop, affiliates, lived):
    path = f"/v1/affiliates/{affiliates[0]['id']}/statement"
    response = shop.get(path, format="csv", **lived)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment")
    sheet = list(csv.DictReader(io.StringIO(response.content.decode())))
    sums = Counter()
    for row in sheet:
        amount = round(float(row["amount"]) * 100)
        if row["what"] == "opening balance":
            sums[row["to"]] += amount
        elif row["what"] == "closing balance":
            assert sums[row["to"]] == amount
        else:
            sums[row["from"]] -= amount
            sums[row["to"]] += amount
    assert len(sheet) == 16 + len(statement(shop, affiliates[0], **lived)["lines"])
    assert sheet[0]["at"] == "2026-09-01 00:00:00+09:00"


def test_the_page_fetches_and_runs_nothing(shop, program, affiliates, lived):
    john = affiliates[0]
    evil = '<script>alert(1)</script>"&'
    assert shop.patch(f"/v1/affiliates/{john['id']}", {"name": evil}).status_code == 200
    response = shop.get(f"/v1/affiliates/{john['id']}/statement", format="html", **lived)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    page = response.text
    assert not re.search(r"<script|<img|<link|src=|@import|url\(|https?:", page)
    assert "&lt;script&gt;" in page and "Asia/Tokyo" in page and "2026-09-01 00:00:00+09:00" in page
    found = statement(shop, john, **lived)
    assert page.count("<tr>") == len(found["lines"]) + len(found["payouts"]) + page_of_balances(found) + 1 + 3
    for each in found["payouts"]:
        assert each["payout_id"] in page


def test_a_page_of_the_test_mode_says_so(shop, testing, affiliates):
    for merchant, said in ((shop, False), (testing, True)):
        page = merchant.get(f"/v1/affiliates/{affiliates[0]['id']}/statement", format="html").text
        assert ("test mode" in page) is said


def page_of_balances(found):
    own = ("pending", "held", "payable", "in_payout", "paid", "dispute_reserve")
    both = (minor(found["opening"]), minor(found["closing"]))
    return sum(any(each[account] for each in both) or account == "payable" for account in own)


def test_every_kind_of_entry_has_words():
    assert set(WORDS) == set(EventType)
