"""Refused reports: kept, explained, and accepted after all. Clicks and what is counted beside them."""

import pytest

from refledger.store.schema import attempt_hours, automated_clicks, clicks


@pytest.fixture
def program(shop):
    return shop.program(limits={"hourly": 1, "daily": 10})


@pytest.fixture
def john(shop, program):
    return shop.affiliate(program)


@pytest.fixture
def limited(shop, program, john):
    """The attempt that the limit refused, after one accepted conversion."""
    shop.conversion(program)
    response = shop.track(program, customer_email="second@example.com")
    assert response.status_code == 429
    return shop.get("/v1/attempts").json()["data"][0]


def test_an_attempt_says_what_was_asked_and_why_it_was_refused(shop, program, john, limited):
    assert (limited["object"], limited["code"], limited["status"]) == ("attempt", "rate_limited", "open")
    assert (limited["program_id"], limited["affiliate_id"]) == (program["id"], john["id"])
    assert limited["input"]["customer_email"] == "second@example.com"
    assert "publishable_key" not in limited["input"]
    whole = shop.get(f"/v1/attempts/{limited['id']}").json()
    assert whole["decision_record"]["outcome"]["reason"] == "rate_limited"
    assert any("limit" in sentence for sentence in whole["explanation"])


def test_an_attempt_is_accepted_once(shop, limited, john):
    path = f"/v1/attempts/{limited['id']}"
    accepted = shop.post(f"{path}/accept")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "pending")
    assert accepted.json()["attempt_id"] == limited["id"]
    shown = shop.get(path).json()
    assert (shown["status"], shown["conversion_id"]) == ("accepted", accepted.json()["id"])
    again = shop.post(f"{path}/accept")
    assert (again.status_code, again.json()["code"]) == (409, "not_acceptable_attempt")
    assert shop.get(f"/v1/affiliates/{john['id']}/balance").json()["accounts"]["pending"]["amount"] == "19.98"
    assert shop.get("/v1/audit", subject_id=limited["id"]).json()["data"][0]["action"] == "attempt.accepted"
    whole = shop.get(f"/v1/conversions/{accepted.json()['id']}").json()
    assert len(whole["events"]) == 1 and len(whole["entries"]) == 1


def test_an_unknown_code_is_accepted_for_a_named_affiliate(shop, program, john):
    shop.track(program, ref_code="TYPO")
    attempt = shop.get("/v1/attempts", code="invalid_affiliate").json()["data"][0]
    path = f"/v1/attempts/{attempt['id']}/accept"
    assert shop.post(path).status_code == 404
    found = shop.post(path, {"affiliate_id": john["id"]}).json()
    assert (found["object"], found["affiliate_id"]) == ("conversion", john["id"])
    whole = shop.get(f"/v1/conversions/{found['id']}").json()
    assert (whole["via"], whole["explanation"][0]) == ("merchant", "The merchant chose the affiliate.")


def test_a_limited_coupon_sale_stays_the_coupons(shop, program, limited, john, clock):
    coupon = shop.coupon(program, john)
    clock.advance_s(1)
    shop.track(program, ref_code=None, coupon_code="SAVE20", customer_email="third@example.com")
    attempts = shop.get("/v1/attempts").json()["data"]
    (attempt,) = (each for each in attempts if each["input"].get("coupon_code"))
    assert attempt["code"] == "rate_limited"
    found = shop.post(f"/v1/attempts/{attempt['id']}/accept").json()
    assert (found["via"], found["coupon_id"]) == ("coupon", coupon["id"])


def test_an_accepted_attempt_has_the_agent_and_the_click_of_its_time(shop, http, program, limited, clock):
    """The customer's own browser reported: what it said of itself stands in no field of the body."""
    headers = {"Origin": "https://shop.example", "User-Agent": "Mozilla/5.0 (X11)"}
    report = {"program_id": program["id"], "publishable_key": shop.keys["publishable_key"]}
    click = http.post("/v1/track-click", json=report | {"ref_code": "JOHN123"}, headers=headers).json()
    clock.advance_s(120)
    report |= {"ref_code": "JOHN123", "conversion_type": "signup", "customer_email": "third@example.com"}
    report |= {"click_id": click["click_id"]}
    assert http.post("/v1/track-conversion", json=report, headers=headers).status_code == 429
    attempt = shop.get("/v1/attempts").json()["data"][0]
    assert attempt["input"]["customer_user_agent"] == "Mozilla/5.0 (X11)"
    found = shop.post(f"/v1/attempts/{attempt['id']}/accept").json()
    assert found["click_id"] == click["click_id"]


def test_what_was_never_a_report_cannot_be_accepted(shop, program, john):
    shop.track(program, revenue_amount=-1)
    attempt = shop.get("/v1/attempts").json()["data"][0]
    response = shop.post(f"/v1/attempts/{attempt['id']}/accept")
    assert (response.status_code, response.json()["code"]) == (409, "not_acceptable_attempt")


def test_reports_without_a_code_are_hidden_unless_asked_for(shop, program, john):
    shop.track(program, ref_code=None)
    assert shop.get("/v1/attempts").json()["data"] == []
    for wanted in ({"code": "no_referral"}, {"include_no_referral": "true"}):
        assert [each["code"] for each in shop.get("/v1/attempts", **wanted).json()["data"]] == ["no_referral"]


def test_filters_and_what_was_only_counted(shop, testing, program, limited, database, merchant, clock):
    hour_ms = clock.now_ms - clock.now_ms % 3_600_000
    with database.write() as connection:
        for hour, counted in ((hour_ms, 5), (hour_ms - 7_200_000, 7)):
            row = {"merchant_id": merchant["merchant_id"], "program_id": program["id"], "mode": "live"}
            connection.execute(attempt_hours.insert().values(**row, hour_ms=hour, kept=1000, counted=counted))
    assert shop.get("/v1/attempts").json()["not_kept"] == 12
    assert shop.get("/v1/attempts", created_from="2026-09-21T14:13:20Z").json()["not_kept"] == 5
    assert shop.get("/v1/attempts", created_to="2026-09-21T14:00:00Z").json()["not_kept"] == 7
    assert shop.get("/v1/attempts", program_id="prog_x").json()["not_kept"] == 0
    assert testing.get("/v1/attempts").json() == {
        "data": [],
        "has_more": False,
        "next_cursor": None,
        "not_kept": 0,
    }
    for wanted, count in [
        ({"code": "rate_limited"}, 1),
        ({"code": "duplicate"}, 0),
        ({"program_id": program["id"]}, 1),
        ({"created_from": "2026-09-21T14:13:20Z"}, 1),
        ({"created_to": "2026-09-21T14:13:20Z"}, 0),
    ]:
        assert len(shop.get("/v1/attempts", **wanted).json()["data"]) == count, wanted


def test_clicks_of_people_and_of_machines(shop, testing, program, john, database, merchant, clock):
    click = dict.fromkeys(map(str, clicks.columns.keys())) | {
        "merchant_id": merchant["merchant_id"],
        "id": "click_01m3250v00e2atfqaj00000001",
        "program_id": program["id"],
        "affiliate_id": john["id"],
        "mode": "live",
        "source": "link",
        "address_key": "",
        "agent_key": "",
        "address": "203.0.113.42",
        "at_ms": clock.now_ms,
    }
    with database.write() as connection:
        connection.execute(clicks.insert().values(**click))
        connection.execute(automated_clicks.insert().values(**click, why="crawler"))
    (found,) = shop.get("/v1/clicks").json()["data"]
    assert (found["object"], found["address"], found["automated"]) == ("click", "203.0.113.42", False)
    (found,) = shop.get("/v1/clicks", automated="true", program_id=program["id"]).json()["data"]
    assert (found["automated"], found["why"]) == (True, "crawler")
    assert shop.get("/v1/clicks", affiliate_id="aff_x").json()["data"] == []
    assert testing.get("/v1/clicks").json()["data"] == []
