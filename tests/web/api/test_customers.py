"""Customers who ask to be forgotten."""


def forget(shop, email, **headers):
    return shop.post("/v1/customers/forget", {"email": email}, **headers)


def test_a_customer_is_forgotten_and_the_sums_stay(shop):
    program = shop.program()
    john = shop.affiliate(program)
    made = shop.conversion(program)
    email = shop.get(f"/v1/conversions/{made}").json()["customer"]["email"]
    before = shop.get(f"/v1/affiliates/{john['id']}/balance").json()
    done = forget(shop, email.upper())
    assert done.status_code == 200
    assert {name: done.json()[name] for name in ("object", "mode", "conversions", "affiliates")} == {
        "object": "forgotten",
        "mode": "live",
        "conversions": 1,
        "affiliates": [],
    }
    shown = shop.get(f"/v1/conversions/{made}").json()
    assert (
        shown["customer"] == {"email": None, "customer_id": None} and shown["commission"]["amount"] == "9.99"
    )
    assert shop.get("/v1/conversions", email=email).json()["data"] == []
    assert shop.get(f"/v1/affiliates/{john['id']}/balance").json() == before
    assert shop.get("/v1/audit", action="customer.forgotten").json()["data"][0]["changes"]["conversions"] == [
        None,
        1,
    ]


def test_nobody_is_forgotten_without_an_address(shop):
    assert (forget(shop, "joe").status_code, shop.post("/v1/customers/forget", {}).status_code) == (400, 400)
