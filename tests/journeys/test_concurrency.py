"""Many at once, over real sockets: one accepted, limits exact, retries alike; and what breaks without the safeties."""

from collections import Counter

import pytest

from tests.builders import PURCHASE, SIGNUP, forget_numbers
from tests.journeys.checks import faults
from tests.journeys.wire import Server, at_once

UNLIMITED = {"hourly": 100_000, "daily": 100_000}


def statuses(answers):
    return Counter(answer.status for answer in answers)


def bearer(shop):
    return {"Authorization": f"Bearer {shop.keys['secret_key']}"}


def assert_sound(shop):
    assert faults(shop.settings.database_url) == []


def test_fifty_identical_posts_make_one_conversion(served):
    shop, server = served
    shop.make_affiliate("FIFTY")
    report = shop.report(ref_code="FIFTY", customer_email="fifty@example.com", **PURCHASE)
    answers = at_once(server.port, [(report, None)] * 50)
    assert statuses(answers) == {200: 1, 409: 49}
    assert len(shop.rows("SELECT id FROM conversions WHERE email = 'fifty@example.com'")) == 1
    assert_sound(shop)


def test_fifty_reports_of_one_order_make_one_conversion(served):
    shop, server = served
    shop.make_affiliate("ORDER", limits=UNLIMITED)
    requests = [
        (
            shop.report(
                ref_code="ORDER", customer_email=f"order{n}x@example.com", order_id="4711", **PURCHASE
            ),
            None,
        )
        for n in range(50)
    ]
    assert statuses(at_once(server.port, requests)) == {200: 1, 409: 49}
    assert_sound(shop)


def test_forty_customers_of_one_affiliate_are_two(served):
    shop, server = served
    shop.make_affiliate("FORTY")
    requests = [
        (shop.report(ref_code="FORTY", customer_email=f"forty{n}x@example.com", **SIGNUP), None)
        for n in range(40)
    ]
    answers = at_once(server.port, requests)
    assert statuses(answers) == {200: 2, 429: 38}
    assert all(3590 <= answer.body["retry_after"] <= 3600 for answer in answers if answer.status == 429)
    assert faults(shop.settings.database_url, one_per_customer=True) == []


def test_of_each_kind_exactly_its_limit(served):
    """Twenty verified and twenty forged at once: the verified get both of their places, whoever comes first."""
    shop, server = served
    affiliate_id = shop.make_affiliate("KINDS")
    forged = [
        (shop.report(ref_code="KINDS", customer_email=f"forged{n}x@example.net", **SIGNUP), None)
        for n in range(20)
    ]
    honest = [
        (shop.report(ref_code="KINDS", customer_email=f"honest{n}x@example.org", **SIGNUP), bearer(shop))
        for n in range(20)
    ]
    pairs = zip(forged, honest, strict=True)
    answers = at_once(server.port, [request for pair in pairs for request in pair])
    assert statuses(answers[1::2]) == {200: 2, 429: 18}
    assert statuses(answers[0::2])[200] <= 2
    kinds = shop.rows(
        "SELECT verified, at_ms FROM conversions WHERE affiliate_id = ? ORDER BY at_ms", affiliate_id
    )
    assert sum(row["verified"] for row in kinds) == 2
    assert_sound(shop)


def test_sixteen_retries_under_one_key_hear_the_same_bytes(served):
    shop, server = served
    shop.make_affiliate("RETRY")
    report = shop.report(ref_code="RETRY", customer_email="retry@example.com", **PURCHASE)
    answers = at_once(server.port, [(report, {"Idempotency-Key": "retry-1"})] * 16)
    assert statuses(answers) == {200: 16}
    assert len({answer.content for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {None: 1, "true": 15}
    assert len(shop.rows("SELECT id FROM conversions WHERE email = 'retry@example.com'")) == 1


def test_one_key_and_two_bodies(served):
    shop, server = served
    shop.make_affiliate("BODIES", limits=UNLIMITED)
    requests = [
        (
            shop.report(ref_code="BODIES", customer_email=f"bodies{n % 2}x@example.com", **PURCHASE),
            {"Idempotency-Key": "bodies-1"},
        )
        for n in range(20)
    ]
    found = statuses(at_once(server.port, requests))
    assert found == {200: 10, 422: 10}
    assert len(shop.rows("SELECT id FROM conversions WHERE email LIKE 'bodies%'")) == 1


def test_a_squatter_and_the_merchant_at_the_same_moment(served):
    """However they fall, the verified one stands in the end, and one only is paid."""
    shop, server = served
    shop.make_affiliate("HONEST", limits=UNLIMITED)
    shop.make_affiliate("SQUAT", limits=UNLIMITED)
    requests = []
    for n in range(20):
        rest = {"customer_email": f"race{n}x@example.com", "order_id": f"race-{n}", **PURCHASE}
        requests.append((shop.report(ref_code="SQUAT", **rest), None))
        requests.append((shop.report(ref_code="HONEST", **rest), bearer(shop)))
    answers = at_once(server.port, requests)
    assert statuses(answers[1::2]) == {200: 20}
    standing = shop.rows(
        "SELECT verified FROM conversions WHERE email LIKE 'race%' AND decision <> 'rejected'"
    )
    assert [row["verified"] for row in standing] == [1] * 20
    assert_sound(shop)


def test_nothing_is_unsound_after_all_of_this(served):
    shop, _ = served
    assert_sound(shop)


# ── negative controls ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("index", [True, False], ids=["with the index", "without it"])
def test_without_contention(shop, index):
    """The index still holds the limit; without it too, more than two are accepted, and the checks say so."""
    if not index:
        forget_numbers(shop)
    worst = 0
    with Server(shop.settings, "tests.journeys.unsafe:create", UNSAFE="contention") as server:
        for crowd in range(6):
            code = f"CROWD{crowd}"
            shop.make_affiliate(code)
            requests = [
                (shop.report(ref_code=code, customer_email=f"crowd{crowd}.{n}x@example.com", **SIGNUP), None)
                for n in range(40)
            ]
            worst = max(worst, statuses(at_once(server.port, requests))[200])
    found = faults(shop.settings.database_url, {"hourly": 2})
    assert (worst, found) == (2, []) if index else (worst > 2 and found)
