"""Settling reports: limits, timing, duplicates, attribution and money, with the clock in hand."""

import json

import pytest

from tests.builders import ADDRESS, AGENT, EMAIL, PURCHASE, Counter, Shop

SECOND_MS, HOUR_S, DAY_S = 1000, 3600, 86_400


def record_of(shop, conversion_id):
    return json.loads(
        shop.one("SELECT record FROM decisions WHERE conversion_id = ?", conversion_id)["record"]
    )


def attempt_codes(shop):
    return [row["code"] for row in shop.rows("SELECT code FROM attempts ORDER BY rowid")]


# ── what an accepted conversion leaves ───────────────────────────────────────────────────────────────────────────


def test_an_accepted_purchase_leaves_all_of_its_parts(shop, counter):
    reply = counter.purchase(customer_ip=ADDRESS, customer_user_agent=AGENT, order_id="1001")
    assert (reply.status, reply.code) == (200, "pending")
    row = shop.one("SELECT * FROM conversions")
    assert row["id"] == reply.id
    assert (row["revenue_minor"], row["commission_minor"], row["currency"]) == (9999, 999, "USD")
    assert (row["email"], row["order_id"], row["address"], row["agent"]) == (
        "customer@example.com",
        "1001",
        ADDRESS,
        AGENT,
    )
    assert (row["verified"], row["score"], row["at_ms"]) == (0, 0, shop.clock())
    entry = shop.one("SELECT * FROM entries")
    assert (entry["debit"], entry["credit"], entry["amount_minor"]) == ("expense", "pending", 999)
    event = shop.one("SELECT * FROM events")
    assert (event["type"], event["subject_id"], entry["cause"]) == (
        "conversion.accepted",
        reply.id,
        event["id"],
    )
    standing = shop.one("SELECT * FROM standings WHERE affiliate_id = ? AND mode = 'live'", shop.john_id)
    assert (standing["accepted_count"], standing["pending_minor"], standing["expense_minor"]) == (
        1,
        999,
        -999,
    )
    record = record_of(shop, reply.id)
    assert record["commission"]["arithmetic"] == "10 % of 99.99 USD, rounded down, is 9.99 USD"
    assert record["attribution"]["affiliate_id"] == shop.john_id


def test_a_signup_pays_nothing_and_posts_nothing(shop, counter):
    assert counter.signup().body["commission"] == 0
    assert shop.rows("SELECT * FROM entries") == []
    assert len(shop.rows("SELECT * FROM events")) == 1


def test_the_terms_in_force_are_kept(shop, counter):
    reply = counter.purchase()
    shop.change_program(commission={"purchase": {"type": "percentage", "value": "50"}})
    assert record_of(shop, reply.id)["commission"]["terms"] == {"type": "percentage", "value": "10"}
    assert shop.one("SELECT commission_minor FROM conversions")["commission_minor"] == 999
    assert counter.purchase("second@example.com").body["commission"] == 49.99


def test_floating_point_discounts_are_mended_with_a_warning(shop, counter):
    reply = counter.purchase(revenue_amount=19.99 - 5)
    assert shop.one("SELECT revenue_minor FROM conversions")["revenue_minor"] == 1499
    assert record_of(shop, reply.id)["warnings"] == ["revenue_amount rounded to 14.99 USD"]


@pytest.mark.parametrize(
    ("currency", "amount", "minor", "commission"),
    [("JPY", "999", 999, "99"), ("KWD", "1.239", 1239, "0.123"), ("USD", "0", 0, "0.00")],
)
def test_other_currencies(shop, counter, currency, amount, minor, commission):
    shop.program_id = shop.make_program(currency=currency)
    shop.make_affiliate("YEN", shop.program_id)
    reply = counter.purchase(ref_code="YEN", revenue_amount=amount)
    assert f'"commission": {commission},'.encode() in reply.bytes
    assert shop.one("SELECT revenue_minor FROM conversions")["revenue_minor"] == minor


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_an_hour_and_exactly_so_long(shop, counter, clock):
    assert counter.signup("a@example.com").status == 200
    clock.advance_s(10.5)
    assert counter.signup("b@example.com").status == 200
    clock.advance_s(100.25)
    refused = counter.signup("c@example.com")
    assert (refused.status, refused.body["message"]) == (429, "Hourly conversion limit exceeded")
    wait_s = refused.body["retry_after"]
    assert wait_s == refused.answer.retry_after_s == 3490  # ceil(3600 − 110.75)
    clock.advance_s(wait_s - 1)
    assert counter.signup("c@example.com").status == 429
    clock.advance_s(1)
    assert counter.signup("c@example.com").status == 200
    assert counter.signup("d@example.com").status == 429


def test_the_window_is_half_open(shop, counter, clock):
    for name in "ab":
        assert counter.signup(f"{name}@example.com").status == 200
    clock.now_ms += HOUR_S * 1000 - 1
    assert counter.signup("c@example.com").body["retry_after"] == 1
    clock.now_ms += 1
    assert counter.signup("c@example.com").status == 200


def test_ten_a_day(shop, counter, clock):
    start_ms = clock.now_ms
    for number in range(10):
        assert counter.signup(f"customer.{'abcdefghij'[number]}@example.com").status == 200
        clock.advance_s(1800)
    clock.advance_s(HOUR_S)
    refused = counter.signup("k@example.com")
    assert refused.body["message"] == "Daily conversion limit exceeded"
    assert refused.body["retry_after"] == (start_ms + DAY_S * 1000 - clock.now_ms) // 1000
    clock.now_ms = start_ms + DAY_S * 1000 - 1
    assert counter.signup("k@example.com").status == 429
    clock.now_ms += 1
    assert counter.signup("k@example.com").status == 200


def test_refused_ones_count_towards_nothing(shop, counter):
    for _ in range(5):
        assert counter.signup("a@tempmail.com").status == 400
    assert [counter.signup(f"{name}@example.com").status for name in "ab"] == [200, 200]


def test_affiliates_programs_and_modes_are_counted_apart(shop, counter):
    test_key = shop.keys["test_publishable_key"]
    for name in "ab":
        assert counter.signup(f"{name}@example.com").status == 200
    assert counter.signup("c@example.com").status == 429
    assert counter.signup("c@example.com", ref_code="MARY123").status == 200
    assert [counter.signup(f"{name}@example.com", key=test_key).status for name in "abc"] == [200, 200, 429]


def test_own_limits_of_program_and_affiliate(shop, counter):
    shop.change_program(limits={"hourly": 1, "daily": 10})
    shop.change_affiliate(shop.mary_id, limits={"hourly": 3, "daily": 10})
    assert [counter.signup(f"{name}@example.com").status for name in "ab"] == [200, 429]
    assert [counter.signup(f"{n}@example.com", ref_code="MARY123").status for n in "cdef"] == [
        200,
        200,
        200,
        429,
    ]


def test_a_limit_of_zero_is_always_full(shop, counter):
    shop.change_affiliate(shop.john_id, limits={"hourly": 0, "daily": 10})
    refused = counter.signup()
    assert (refused.status, refused.body["retry_after"]) == (429, 3600)


def test_a_clock_that_jumps_back_reopens_no_window(shop, counter, clock):
    assert [counter.signup(f"{name}@example.com").status for name in "ab"] == [200, 200]
    clock.advance_s(-2 * HOUR_S)
    refused = counter.signup("c@example.com")
    assert (refused.status, refused.body["retry_after"]) == (429, 3600)
    shop.change_affiliate(shop.john_id, limits={"hourly": 3, "daily": 10})
    assert counter.signup("c@example.com").status == 200
    times = [row["at_ms"] for row in shop.rows("SELECT at_ms FROM conversions ORDER BY accepted_no")]
    assert times == sorted(times)


# ── timing ───────────────────────────────────────────────────────────────────────────────────────────────────────

TIMES = [
    (0, 400, "timing_too_fast"),
    (9_999, 400, "timing_too_fast"),
    (10_000, 200, "pending_review"),
    (60_000, 200, "pending_review"),
    (60_001, 200, "pending"),
    (30 * DAY_S * 1000, 200, "pending"),
    (30 * DAY_S * 1000 + 1, 400, "timing_too_slow"),
]


@pytest.mark.parametrize(("age_ms", "status", "code"), TIMES)
@pytest.mark.parametrize("tie", ["click_id", "address_and_agent"])
def test_seconds_after_the_click(shop, counter, clock, age_ms, status, code, tie):
    click_id = shop.click()
    clock.now_ms += age_ms
    by = (
        {"click_id": click_id}
        if tie == "click_id"
        else {"customer_ip": ADDRESS, "customer_user_agent": AGENT}
    )
    reply = counter.purchase(**by)
    assert (reply.status, reply.code) == (status, code)
    if status == 200:
        assert record_of(shop, reply.id)["facts"]["click"]["tie"] == tie
        assert shop.one("SELECT click_id FROM conversions")["click_id"] == click_id
    else:
        assert (reply.body["error"], reply.body["code"]) == ("Conversion rejected", "conversion_rejected")
        assert "timing" not in reply.bytes.decode()


@pytest.mark.parametrize(
    ("age_ms", "code"),
    [(0, "pending_review"), (9_999, "pending_review"), (10_000, "pending_review"), (60_000, "pending_review"),
     (60_001, "pending"), (30 * DAY_S * 1000 + 1, "pending")],
)  # fmt: skip
@pytest.mark.parametrize("agent", ["Another agent", None])
def test_the_address_alone_leads_to_review_at_most(shop, counter, clock, age_ms, code, agent):
    shop.click()
    clock.now_ms += age_ms
    reply = counter.purchase(customer_ip=ADDRESS, customer_user_agent=agent)
    assert (reply.status, reply.code) == (200, code)


@pytest.mark.parametrize(
    ("kind", "since_click_s", "status", "code"),
    [("purchase", 5, 200, "pending_review"), ("purchase", 61, 200, "pending")],
)
def test_a_known_customers_purchase_is_not_too_fast(shop, counter, clock, kind, since_click_s, status, code):
    shop.click()
    clock.advance_s(61)
    by = {"customer_ip": ADDRESS, "customer_user_agent": AGENT}
    assert counter.signup(**by).code == "pending"
    clock.advance_s(40 * DAY_S)  # their click of then is long outside the window
    shop.click()
    clock.advance_s(since_click_s)
    reply = counter.purchase(click_id=shop.rows("SELECT id FROM clicks ORDER BY at_ms")[-1]["id"])
    assert (reply.status, reply.code) == (status, code)


def test_an_unknown_customers_purchase_is_too_fast(shop, counter, clock):
    click_id = shop.click()
    clock.advance_s(5)
    assert counter.purchase(click_id=click_id).code == "timing_too_fast"
    assert counter.signup(click_id=click_id).code == "timing_too_fast"


@pytest.mark.parametrize(("days", "code"), [(29, "pending"), (30, "pending"), (31, "timing_too_slow")])
def test_the_customers_earlier_conversion_leads_to_its_click(shop, counter, clock, days, code):
    clicked_ms = clock.now_ms
    click_id = shop.click()
    clock.advance_s(61)
    assert counter.signup(click_id=click_id).code == "pending"
    clock.now_ms = clicked_ms + days * DAY_S * 1000
    reply = counter.purchase()  # neither click id nor address
    assert reply.code == code
    if code == "pending":
        assert record_of(shop, reply.id)["facts"]["click"]["tie"] == "customer"


def test_a_visitors_earliest_click_counts_for_haste_and_the_latest_for_staleness(shop, counter, clock):
    start_ms = clock.now_ms
    shop.click()
    clock.now_ms = start_ms + 25 * DAY_S * 1000
    second = shop.click()
    clock.advance_s(5)
    # Five seconds after a click, but the visitor came 25 days ago.
    assert counter.purchase("a@example.com", click_id=second).code == "pending"
    clock.now_ms = start_ms + 55 * DAY_S * 1000
    assert counter.purchase("b@example.com", click_id=second).code == "pending"
    clock.now_ms += 1
    assert counter.purchase("c@example.com", click_id=second).code == "timing_too_slow"


def test_the_window_is_the_programs(shop, counter, clock):
    shop.change_program(window_days=7)
    click_id = shop.click()
    clock.advance_s(7 * DAY_S)
    assert counter.purchase("a@example.com", click_id=click_id).code == "pending"
    clock.now_ms += 1
    assert counter.purchase("b@example.com", click_id=click_id).code == "timing_too_slow"


def test_a_coupon_is_not_timed(shop, counter, clock):
    click_id = shop.click(shop.mary_id)
    clock.advance_s(1)
    reply = counter.coupon_sale(click_id=click_id, customer_ip=ADDRESS, customer_user_agent=AGENT)
    assert reply.code == "pending"
    assert "timing.too_fast" in record_of(shop, reply.id)["fraud"]["not_evaluated"]["coupon"]


def test_no_click_is_said_so(shop, counter):
    reply = counter.purchase()
    assert "timing.too_fast" in record_of(shop, reply.id)["fraud"]["not_evaluated"]["no_click"]


@pytest.mark.parametrize("whose", ["nobody's", "another affiliate's", "test mode's"])
def test_an_unusable_click_moves_on_to_the_next_and_never_changes_the_affiliate(shop, counter, clock, whose):
    unusable = {
        "nobody's": lambda: "clk_nothing",
        "another affiliate's": lambda: shop.click(shop.mary_id, address="198.51.100.7"),
        "test mode's": lambda: shop.click(mode="test", address="198.51.100.7"),
    }[whose]()
    usable = shop.click()
    clock.advance_s(30)
    reply = counter.purchase(click_id=unusable, customer_ip=ADDRESS, customer_user_agent=AGENT)
    assert reply.code == "pending_review"
    row = shop.one("SELECT affiliate_id, click_id FROM conversions")
    assert (row["affiliate_id"], row["click_id"]) == (shop.john_id, usable)
    assert "click_id ignored: not usable" in record_of(shop, reply.id)["warnings"]


# ── attribution ──────────────────────────────────────────────────────────────────────────────────────────────────


def affiliate_of(shop, reply):
    return shop.one("SELECT affiliate_id FROM conversions WHERE id = ?", reply.id)["affiliate_id"]


def test_the_coupon_wins_and_a_dead_one_does_not_kill_the_referral(shop, counter, clock):
    assert affiliate_of(shop, counter.purchase(coupon_code="save20 ")) == shop.mary_id
    shop.change_coupon(shop.coupon_id, ends_ms=clock.now_ms)
    assert affiliate_of(shop, counter.purchase("b@example.com", coupon_code="SAVE20")) == shop.john_id
    assert affiliate_of(shop, counter.purchase("c@example.com", coupon_code="SHOPWIDE10")) == shop.john_id
    refused = counter.purchase("d@example.com", coupon_code="SAVE20", ref_code="NOBODY")
    assert (refused.status, refused.body["error"]) == (404, "Invalid coupon code or inactive affiliate")


def test_falling_back_without_an_email_asks_for_it(shop, counter):
    refused = counter.coupon_sale(coupon_code="SHOPWIDE10", ref_code="JOHN123")
    assert (refused.status, refused.body["fields"]) == (400, ["customer_email"])


def test_codes_are_one_programs(shop, counter):
    other_program = shop.make_program()
    other_john = shop.make_affiliate("john123", other_program)
    assert affiliate_of(shop, counter.purchase()) == shop.john_id
    reply = counter.purchase(program_id=other_program, ref_code=" JOHN123 ")
    assert affiliate_of(shop, reply) == other_john
    assert counter.purchase("b@example.com", program_id=other_program, ref_code="MARY123").status == 404


@pytest.mark.parametrize(("attribution", "expected"), [("last", "mary"), ("first", "john")])
def test_a_known_customer_stays_with_the_first_if_the_program_says_so(shop, counter, attribution, expected):
    shop.change_program(attribution=attribution)
    counter.signup()
    reply = counter.purchase(ref_code="MARY123")
    assert affiliate_of(shop, reply) == {"john": shop.john_id, "mary": shop.mary_id}[expected]


def test_first_ends_with_a_rejection_or_a_pause(shop, counter):
    shop.change_program(attribution="first")
    shop.decide(counter.signup().id, "rejected")
    assert affiliate_of(shop, counter.purchase(ref_code="MARY123")) == shop.mary_id
    counter.signup("b@example.com")
    shop.change_affiliate(shop.john_id, status="paused")
    assert affiliate_of(shop, counter.purchase("b@example.com", ref_code="MARY123")) == shop.mary_id


# ── duplicates ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("email", ["customer@example.com", " CUSTOMER@Example.COM "])
def test_the_same_customer_twice(shop, counter, email):
    assert counter.purchase().status == 200
    refused = counter.purchase(email, ref_code="MARY123")
    assert refused.status == 409 and "conversion_id" not in refused.body
    assert counter.signup(email).status == 200


def test_a_secret_key_is_told_which_conversion_it_was(shop, counter):
    first = counter.purchase(secret=True)
    assert counter.purchase(secret=True).body["conversion_id"] == first.id


def test_a_plus_tag_is_no_duplicate_but_a_signal(shop, counter):
    assert counter.purchase("joe@example.com").code == "pending"
    assert counter.purchase("joe+1@example.com").code == "pending_review"


def test_a_rejected_conversion_releases_its_identity_and_order(shop, counter):
    shop.decide(counter.purchase(order_id="1001").id, "rejected")
    assert counter.purchase(order_id="1001").status == 200


def test_order_ids_are_one_programs_and_modes(shop, counter):
    shop.change_program(repeat_purchases="lifetime")
    assert counter.purchase(order_id="1001").status == 200
    assert counter.purchase("b@example.com", order_id=1001).status == 409
    assert (
        counter.purchase("b@example.com", order_id="1001", key=shop.keys["test_publishable_key"]).status
        == 200
    )
    assert counter.purchase(order_id="1002").status == 200
    assert counter.purchase(ref_code="MARY123").status == 409


@pytest.mark.parametrize(
    ("repeats", "within", "after"),
    [("first", 409, 409), ("lifetime", 200, 200), ({"months": 1}, 200, 409)],
)
def test_repeat_purchases(shop, counter, clock, repeats, within, after):
    shop.change_program(repeat_purchases=repeats)
    assert counter.purchase(order_id="1").status == 200
    clock.advance_s(DAY_S)
    assert counter.purchase(order_id="2").status == within
    clock.advance_s(31 * DAY_S)
    assert counter.purchase(order_id="3").status == after


def test_placeholders_are_never_duplicates_but_an_equal_sale_is_looked_at(shop, counter, clock):
    assert counter.coupon_sale().code == "pending"
    clock.advance_s(600 - 0.001)
    assert counter.coupon_sale().code == "pending_review"
    emails = [row["email"] for row in shop.rows("SELECT email FROM conversions")]
    assert len(set(emails)) == 2 and all(email.endswith(".invalid") for email in emails)


@pytest.mark.parametrize(
    "other",
    [{"revenue_amount": 99.98}, {"customer_ip": ADDRESS}, {"customer_user_agent": AGENT}, {"order_id": "1"},
     {"idempotency_key": "k"}, {"customer_email": "c@example.com"}],
)  # fmt: skip
def test_a_sale_that_differs_is_not(shop, counter, other):
    assert counter.coupon_sale().code == "pending"
    assert counter.coupon_sale(**other).code == "pending"


def test_after_ten_minutes_it_is_another_sale(shop, counter, clock):
    assert counter.coupon_sale().code == "pending"
    clock.advance_s(600)
    assert counter.coupon_sale().code == "pending"


# ── keys, modes, lists, dry runs ─────────────────────────────────────────────────────────────────────────────────


def test_a_secret_key_verifies(shop, counter):
    assert (
        shop.one("SELECT verified FROM conversions WHERE id = ?", counter.purchase(secret=True).id)[
            "verified"
        ]
        == 1
    )
    assert shop.one("SELECT verified FROM conversions WHERE id = ?", counter.signup().id)["verified"] == 0


def test_test_data_is_kept_apart(shop, counter):
    key = shop.keys["test_secret_key"]
    assert counter.purchase(order_id="1", secret=True).status == 200
    assert counter.purchase(order_id="1", key=key).status == 200
    modes = shop.rows("SELECT mode, pending_minor FROM standings WHERE affiliate_id = ?", shop.john_id)
    assert {row["mode"]: row["pending_minor"] for row in modes} == {"live": 999, "test": 999}
    assert {row["mode"] for row in shop.rows("SELECT mode FROM entries")} == {"live", "test"}


def test_a_block_is_told_to_a_secret_key_only(shop, counter):
    shop.list_entry("block", "domain", "example.com")
    public, told = counter.purchase(), counter.purchase(secret=True)
    assert (public.status, public.body["code"]) == (400, "conversion_rejected")
    assert (told.status, told.body["code"]) == (400, "blocked")


def test_an_allow_entry_lets_a_disposable_address_pass(shop, counter):
    assert counter.purchase("a@tempmail.com").code == "disposable_email"
    shop.list_entry("allow", "mailbox", "a@tempmail.com")
    assert counter.purchase("a@tempmail.com").code == "pending"


TABLES = (
    "conversions",
    "decisions",
    "acceptances",
    "entries",
    "events",
    "findings",
    "sightings",
    "attempts",
    "attempt_hours",
    "idempotency",
)


def contents(shop):
    return {table: shop.rows(f"SELECT * FROM {table}") for table in (*TABLES, "standings")}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "pending"),
        ({"customer_email": "a@tempmail.com"}, "disposable_email"),
        ({"customer_email": "known@example.com"}, "duplicate"),
        ({"ref_code": "NOBODY"}, "invalid_affiliate"),
        ({"program_id": "prog_nothing"}, "invalid_program"),
    ],
)
def test_a_dry_run_answers_and_stores_nothing(shop, counter, fields, code):
    counter.purchase("known@example.com", secret=True)
    before = contents(shop)
    reply = counter.purchase(secret=True, dry_run=True, idempotency_key="k", **fields)
    assert reply.code == code
    assert reply.body.get("dry_run", False) == (code == "pending")
    assert contents(shop) == before


def test_a_dry_run_needs_a_secret_key(counter):
    reply = counter.purchase(dry_run=True)
    assert (reply.status, reply.body["fields"]) == (400, ["dry_run"])


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_group_may_mix_everything(shop, counter):
    claims = [
        counter.claim(ref_code="JOHN123", customer_email="a@example.com", **PURCHASE),
        counter.claim(ref_code="NOBODY", customer_email="a@example.com", **PURCHASE),
        counter.claim(ref_code="JOHN123", customer_email="a@example.com", **PURCHASE),
        counter.claim(coupon_code="SAVE20", **PURCHASE),
        counter.claim(ref_code="JOHN123", customer_email="b@example.com", **PURCHASE),
        counter.claim(ref_code="JOHN123", customer_email="c@example.com", **PURCHASE),
        counter.claim(
            key=shop.keys["test_publishable_key"],
            ref_code="JOHN123",
            customer_email="a@example.com",
            **PURCHASE,
        ),
        counter.claim(),
    ]
    statuses = [reply.status for reply in counter.settle(*claims)]
    assert statuses == [200, 404, 409, 200, 200, 429, 200, 400]
    assert attempt_codes(shop).count("rate_limited") == 1


def test_another_merchants_report_of_ones_click_changes_nothing(shop, counter, tmp_path, clock):
    other = Shop(shop.settings, clock)
    click_id = shop.click()
    clock.advance_s(5)
    claims = [
        counter.claim(ref_code="JOHN123", customer_email=EMAIL, click_id=click_id, **PURCHASE),
        Counter(other).claim(ref_code="JOHN123", customer_email=EMAIL, click_id=click_id, **PURCHASE),
    ]
    assert [reply.code for reply in counter.settle(*claims)] == ["timing_too_fast", "pending"]
    other.close()


@pytest.mark.parametrize(
    ("repeats", "code"), [("lifetime", "pending"), ({"months": 12}, "pending"), ({"months": 1}, "duplicate")]
)
def test_a_paid_repeat_needs_no_new_click(shop, counter, clock, repeats, code):
    shop.change_program(repeat_purchases=repeats)
    click_id = shop.click()
    clock.advance_s(3600)
    assert counter.purchase(secret=True, order_id="1", click_id=click_id).code == "pending"
    clock.advance_s(45 * 86_400)
    assert counter.purchase(secret=True, order_id="2").code == code


def test_a_first_purchase_after_the_window_is_still_too_late(shop, counter, clock):
    shop.change_program(repeat_purchases="lifetime")
    click_id = shop.click()
    clock.advance_s(3600)
    assert counter.signup(secret=True, click_id=click_id).code == "pending"
    clock.advance_s(45 * 86_400)
    assert counter.purchase(secret=True, order_id="1").code == "timing_too_slow"


@pytest.mark.parametrize(("apart_ms", "code"), [(599_999, "pending_review"), (600_000, "pending")])
@pytest.mark.parametrize("before_ms", [1, 300_000, 599_999])
def test_an_equal_sale_is_noticed_across_the_spans_of_time(shop, counter, clock, apart_ms, code, before_ms):
    clock.advance_s((600_000 - clock() % 600_000 - before_ms) / 1000)
    assert counter.coupon_sale().code == "pending"
    clock.advance_s(apart_ms / 1000)
    assert counter.coupon_sale().code == code
