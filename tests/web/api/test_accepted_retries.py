"""An attempt that was accepted, and the shop that goes on retrying: paid once, or looked at by a person."""

import pytest


@pytest.fixture
def program(shop):
    return shop.program(limits={"hourly": 0, "daily": 0})


@pytest.fixture
def sale(shop, program):
    """Reports the same coupon sale without any identity, under a key or none; refused by the limit."""
    shop.coupon(program, shop.affiliate(program))

    def report(**headers):
        body = {
            "program_id": program["id"],
            "publishable_key": shop.keys["publishable_key"],
            "coupon_code": "SAVE20",
            "conversion_type": "purchase",
            "revenue_amount": 80.00,
        }
        return shop.http.post("/v1/track-conversion", json=body, headers=headers)

    return report


def accept(shop):
    (attempt,) = shop.get("/v1/attempts").json()["data"]
    return shop.post(f"/v1/attempts/{attempt['id']}/accept")


def test_a_retry_under_the_same_key_is_answered_with_the_accepted_conversion(shop, sale):
    assert sale(**{"Idempotency-Key": "order-1"}).status_code == 429
    accepted = accept(shop).json()
    retried = sale(**{"Idempotency-Key": "order-1"})
    assert (retried.status_code, retried.json()["conversion_id"]) == (200, accepted["id"])
    assert retried.headers["Idempotent-Replayed"] == "true"
    assert len(shop.get("/v1/conversions").json()["data"]) == 1


def test_an_equal_sale_after_it_is_looked_at(shop, program, sale):
    assert sale().status_code == 429
    assert accept(shop).json()["status"] == "pending"
    shop.patch(f"/v1/programs/{program['id']}", {"limits": {"hourly": 9, "daily": 9}})
    assert sale().json()["status"] == "pending_review"


def test_what_its_retry_was_accepted_as_is_named(shop, program, sale):
    assert sale(**{"Idempotency-Key": "order-1"}).status_code == 429
    shop.patch(f"/v1/programs/{program['id']}", {"limits": {"hourly": 9, "daily": 9}})
    retried = sale(**{"Idempotency-Key": "order-1"})
    assert retried.status_code == 200
    answer = accept(shop)
    assert (answer.status_code, answer.json()["conversion_id"]) == (409, retried.json()["conversion_id"])
