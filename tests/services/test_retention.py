"""What is personal is dropped in its time, to the millisecond; what is known by its fingerprint stays known."""

import json
import os

import pytest

from refledger.core.ids import make_id
from refledger.core.refusals import Reason, Refused
from refledger.services import acceptance, replies, reports, retention, review
from refledger.services.housekeeping import Housekeeping
from refledger.services.ledger_check import verify
from refledger.store import personal as store
from refledger.web.tracking import Words
from tests.builders import ADDRESS, AGENT, EMAIL, PURCHASE

DAY_MS = 86_400_000
KEPT = retention.KEEP_DAYS
VISITOR = {"customer_ip": ADDRESS, "customer_user_agent": AGENT}


@pytest.fixture
def housekeeping(shop, clock):
    return Housekeeping(shop.database, clock)


@pytest.fixture
def days_later(housekeeping, clock):
    """Lets so many days pass, less a millisecond or not, and housekeeping do its work."""

    def pass_by(days, less_ms=0):
        clock.now_ms += round(days * DAY_MS) - less_ms
        housekeeping.forget()

    return pass_by


def refuse(counter, **fields):
    return counter.report(customer_email=EMAIL, **{"ref_code": "NOBODY", **PURCHASE, **VISITOR, **fields})


def make_everything(shop, counter, clock):
    """A row in each table that ever holds something personal, all of the same time."""
    click_id = shop.click()
    shop.run("UPDATE clicks SET url = 'https://shop.example/joe', referrer = 'https://x.example'")
    names = ", ".join(store.clicks.columns.keys())
    shop.run(f"INSERT INTO automated_clicks ({names}, why) SELECT {names}, 'bot' FROM clicks")
    assert counter.signup(**VISITOR, click_id=None).status == 400  # too soon: an attempt
    counter.purchase(ref_code=None, coupon_code="SAVE20", **VISITOR)
    refuse(counter, note="my address is 203.0.113.42, says joe")
    seen = json.dumps([[ADDRESS, clock(), "api"]])
    shop.run("UPDATE affiliates SET seen_addresses = ? WHERE id = ?", seen, shop.john_id)
    return click_id


ADDRESSES = {
    "clicks": "SELECT id FROM clicks WHERE address IS NOT NULL OR url IS NOT NULL OR referrer IS NOT NULL",
    "automated_clicks": "SELECT id FROM automated_clicks WHERE address IS NOT NULL OR url IS NOT NULL",
    "conversions": "SELECT id FROM conversions WHERE address IS NOT NULL",
    "attempts": "SELECT id FROM attempts WHERE input LIKE '%203.0.113%'",
    "affiliates": "SELECT id FROM affiliates WHERE seen_addresses <> '[]'",
}
MAILBOXES = {
    "conversions": "SELECT id FROM conversions WHERE email <> ''",
    "attempts": "SELECT id FROM attempts WHERE input LIKE '%customer@example.com%'",
}


@pytest.mark.parametrize(("what", "tables"), [("addresses", ADDRESSES), ("mailboxes", MAILBOXES)])
def test_each_is_dropped_in_its_time(shop, counter, clock, days_later, what, tables):
    make_everything(shop, counter, clock)
    before = {name: len(shop.rows(sql)) for name, sql in tables.items()}
    assert all(before.values())
    days_later(KEPT[what], less_ms=1)
    assert {name: len(shop.rows(sql)) for name, sql in tables.items()} == before
    days_later(0, less_ms=-1)
    assert {name: shop.rows(sql) for name, sql in tables.items()} == {name: [] for name in tables}


def test_what_is_nobodys_stays(shop, counter, clock, days_later):
    make_everything(shop, counter, clock)
    counter.coupon_sale()
    placeholder = shop.one("SELECT email FROM conversions WHERE email LIKE '%@placeholder.invalid'")
    days_later(400)
    assert [row for row in shop.rows("SELECT email FROM conversions") if row["email"]] == [placeholder]
    kept = json.loads(shop.rows("SELECT input FROM attempts WHERE code = 'invalid_affiliate'")[0]["input"])
    assert (kept["revenue_amount"], kept["ref_code"], "note" in kept) == ("99.99", "NOBODY", False)
    assert kept["dropped"] == ["customer_email", "customer_ip", "customer_user_agent"]
    assert {row["agent"] for row in shop.rows("SELECT agent FROM clicks")} == {AGENT}
    assert list(verify(shop.database)) == []


def test_the_settings_say_how_long(shop, counter, clock):
    make_everything(shop, counter, clock)
    clock.now_ms += DAY_MS
    Housekeeping(shop.database, clock, {"addresses": 1, "mailboxes": 2}).forget()
    assert shop.rows(ADDRESSES["clicks"]) == [] != shop.rows(MAILBOXES["conversions"])


# ── pages and marks ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_pages(monkeypatch):
    for name, query in store._PAGES.items():
        monkeypatch.setitem(store._PAGES, name, type(query)(query.statement.limit(2)))


def test_it_goes_on_where_it_was_stopped(shop, clock, small_pages):
    for _ in range(7):
        shop.click()
        clock.now_ms += 1
    rounds = iter([False, False, True])
    arguments = (shop.database, shop.merchant_id, clock() + 30 * DAY_MS, KEPT)
    retention.drop_old(*arguments, lambda: next(rounds, True))
    assert len(shop.rows(ADDRESSES["clicks"])) == 3
    done = shop.one("SELECT until_id FROM housekeeping_marks WHERE kind = 'addresses.clicks'")["until_id"]
    assert [row["id"] for row in shop.rows("SELECT id FROM clicks ORDER BY id")][3] == done
    retention.drop_old(*arguments, lambda: False)
    assert shop.rows(ADDRESSES["clicks"]) == []


def test_what_is_done_is_not_looked_at_again(shop, clock, days_later):
    shop.click()
    days_later(30)
    shop.run("UPDATE clicks SET address = '198.51.100.1'")
    days_later(1)
    assert len(shop.rows(ADDRESSES["clicks"])) == 1


def test_what_a_clock_set_back_dates_is_not_passed_by(shop, clock, housekeeping):
    shop.click()
    clock.now_ms += 90 * DAY_MS
    housekeeping.forget()
    clock.now_ms -= 40 * DAY_MS
    shop.click()
    housekeeping.forget()
    clock.now_ms += 31 * DAY_MS
    assert shop.rows(ADDRESSES["clicks"])
    housekeeping.forget()
    assert shop.rows(ADDRESSES["clicks"]) == []


def test_another_merchants_rows_are_their_own(shop, clock):
    shop.click()
    retention.drop_old(shop.database, "mer_other", clock() + 400 * DAY_MS, KEPT, lambda: False)
    assert shop.rows(ADDRESSES["clicks"])


def test_what_changed_meanwhile_is_left_alone(shop, clock):
    with shop.database.write(shop.merchant_id) as connection:
        changes = [(shop.john_id, "[1]", "[]"), (shop.mary_id, "[]", '["2"]')]
        assert store.rewrite(connection, "affiliates", shop.merchant_id, changes) == 1


# ── what stays known ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_known_customer_stays_known(shop, counter, clock, days_later):
    first = counter.purchase(idempotency_key="k1", order_id="o1")
    days_later(200)
    assert counter.purchase().code == "duplicate"
    assert counter.purchase("other@example.com", order_id="o1").code == "duplicate"
    again = counter.purchase(idempotency_key="k1", order_id="o1")
    assert (again.status, again.id) == (200, first.id)


def test_they_are_found_by_their_address_and_shown_without_it(shop, counter, days_later):
    first = counter.purchase()
    days_later(200)
    with shop.database.read(shop.merchant_id) as connection:
        for text, found in [(" CUSTOMER@example.com", [first.id]), ("other@example.com", []), ("", [])]:
            page = reports.list_conversions(connection, shop.tenant, {"email": text}, 10, None)
            assert [row["id"] for row in page[0]] == found


def test_a_reopened_conversion_takes_its_identity_again(shop, counter, clock, days_later):
    first = counter.purchase()
    with shop.database.write(shop.merchant_id) as connection:
        review.reject(connection, shop.tenant, first.id, None, clock(), os.urandom)
    days_later(200)
    with shop.database.write(shop.merchant_id) as connection:
        review.reopen(connection, shop.tenant, first.id, None, clock(), os.urandom)
    assert shop.one("SELECT identity FROM conversions")["identity"] == "purchase"
    assert counter.purchase().code == "duplicate"


def accept(shop, clock, attempt_id):
    with shop.database.write(shop.merchant_id) as connection:
        return acceptance.accept_attempt(
            connection, shop.tenant, attempt_id, shop.john_id, clock(), os.urandom, Words()
        )


def test_an_attempt_without_its_address_can_be_accepted(shop, counter, clock, days_later):
    refuse(counter)
    days_later(31)
    accept(shop, clock, shop.one("SELECT id FROM attempts")["id"])
    made = shop.one("SELECT address, email FROM conversions")
    assert made == {"address": None, "email": EMAIL}


def test_an_attempt_without_its_mailbox_is_refused_in_words(shop, counter, clock, days_later):
    """Else a customer who has bought meanwhile would be paid for twice."""
    refuse(counter)
    refuse(counter, ref_code=None, coupon_code="NOTHING")
    days_later(200)
    for attempt in shop.rows("SELECT id FROM attempts"):
        with pytest.raises(Refused) as told:
            accept(shop, clock, attempt["id"])
        assert told.value.refusal.reason is Reason.NOT_ACCEPTABLE_ATTEMPT
        assert "was dropped" in told.value.refusal.message


def test_an_attempt_that_never_had_one_can_be_accepted(shop, counter, clock, days_later):
    """Whatever a report says of itself."""
    counter.coupon_sale(coupon_code="NOTHING", dropped=["customer_email"])
    counter.coupon_sale(coupon_code="NOTHING", dropped=7)
    days_later(200)
    for attempt in shop.rows("SELECT id FROM attempts"):
        assert accept(shop, clock, attempt["id"]).startswith("conv_")


# ── answers that are given again ─────────────────────────────────────────────────────────────────────────────────


def answer(shop, clock, key, body):
    call = replies.repeatable(shop.tenant, "POST /v1/x", key, b"")
    return replies.settle(
        shop.database, shop.tenant, call, clock, lambda *_: replies.Answer(200, body), lambda refusal: None
    ).body


def test_an_answer_given_again_has_no_customer_any_more(shop, clock, days_later):
    of_customer = b'{"id":"conv_1","customer":{"email":"joe@example.com","customer_id":"7"},"score":0}'
    of_affiliate = b'{"id":"aff_1","email":"mary@example.com"}'
    for key, body in [("k1", of_customer), ("k2", of_affiliate)]:
        assert answer(shop, clock, key, body) == body
    days_later(180, less_ms=1)
    assert answer(shop, clock, "k1", b"") == of_customer
    days_later(1)
    assert answer(shop, clock, "k1", b"") == of_customer.replace(b'"joe@example.com"', b"null")
    assert answer(shop, clock, "k2", b"") == of_affiliate


def test_ids_of_the_time_itself_are_within_it():
    at_ms = 1_790_000_000_000
    last = make_id("click", at_ms, b"\xff" * 10)
    assert make_id("click", at_ms, os.urandom(10)) <= last < make_id("click", at_ms + 1, bytes(10))
