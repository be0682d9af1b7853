"""Conversions through the API: what is seen, why, and what the merchant decides."""

import pytest


@pytest.fixture
def program(shop):
    return shop.program(limits={"hourly": 1000, "daily": 1000})


@pytest.fixture
def affiliate(shop, program):
    return shop.affiliate(program)


@pytest.fixture
def conversion_id(shop, program, affiliate):
    return shop.conversion(program, order_id="A-1", customer_id="c7", metadata={"plan": "pro"})


def test_a_conversion_is_shown_whole(shop, program, affiliate, conversion_id):
    found = shop.get(f"/v1/conversions/{conversion_id}").json()
    assert found["object"] == "conversion"
    assert found["created_at"] == "2026-09-21T14:13:20.000Z"
    assert (found["mode"], found["status"], found["decision"]) == ("live", "pending", "pending")
    assert found["verified"] is True
    assert (found["program_id"], found["affiliate_id"]) == (program["id"], affiliate["id"])
    assert found["customer"] == {"email": "customer@example.com", "customer_id": "c7"}
    assert found["revenue"] == {"amount_minor": 9999, "amount": "99.99", "currency": "USD"}
    assert found["commission"] == {"amount_minor": 999, "amount": "9.99", "currency": "USD"}
    assert found["refunded"] == {"amount_minor": 0, "amount": "0.00", "currency": "USD"}
    assert (found["order_id"], found["metadata"], found["score"]) == ("A-1", {"plan": "pro"}, 0)
    signals = found["decision_record"]["fraud"]["signals"]
    assert {each["code"]: each["state"] for each in signals}["timing.suspicious"] == "not_evaluated"
    assert found["decision_record"]["terms"]["program"] == program["commission"]
    assert found["explanation"] and all(isinstance(each, str) for each in found["explanation"])
    assert [(each["from"], each["to"], each["amount"]["amount_minor"]) for each in found["entries"]] == [
        ("expense", "pending", 999)
    ]
    assert [each["type"] for each in found["events"]] == ["conversion.accepted"]
    assert found["entries"][0]["cause"] == found["events"][0]["id"]


def test_the_affiliate_hears_nothing_of_others(shop, program, affiliate):
    mary = shop.affiliate(program, ref_code="MARY123", email="mary@affiliate.example")
    shop.coupon(program, mary, code="MARYS20", ends_at="2020-01-01T00:00:00Z")
    conversion_id = shop.conversion(
        program, coupon_code="MARYS20", customer_email="info@affiliate.example", customer_ip="81.2.69.160"
    )
    shop.post(
        f"/v1/conversions/{conversion_id}/reject", {"reason": "a friend of his", "note": "see ticket 7"}
    )
    found = shop.get(f"/v1/conversions/{conversion_id}").json()
    told = " ".join(found["explanation_for_affiliate"])
    assert told == (
        "It is yours by your referral code JOHN123. "
        "It was accepted, for the merchant to look at first, because of the e-mail address. That accuses nobody. "
        "The commission is 9.99 USD by the program's terms of that time: "
        "10 % of 99.99 USD, rounded down, is 9.99 USD. "
        "The merchant did not approve it; no commission is due."
    )
    for known_to_the_merchant in ("MARYS20", "affiliate.example", "info", "a friend of his"):
        assert known_to_the_merchant in " ".join(found["explanation"]) and known_to_the_merchant not in told


def test_steps_lead_on_and_leave_their_trace(shop, affiliate, conversion_id, clock):
    path = f"/v1/conversions/{conversion_id}"
    for step, status in [
        ("reject", "rejected"),
        ("reopen", "pending"),
        ("approve", "approved"),
        ("refund", "refunded"),
    ]:
        clock.advance_s(60)
        response = shop.post(f"{path}/{step}", {"reason": f"because {step}"})
        assert (response.status_code, response.json()["status"]) == (200, status)
    whole = shop.get(path).json()
    assert [each["type"].partition(".")[2] for each in whole["events"]] == [
        "accepted",
        "rejected",
        "reopened",
        "approved",
        "refunded",
    ]
    # The reason of a decision goes with its own event, not with what happens later.
    assert [each["data"].get("reason") for each in whole["events"]] == [
        None,
        "because reject",
        "because reopen",
        "because approve",
        None,
    ]
    assert sum(each["amount"]["amount_minor"] for each in whole["entries"] if each["to"] == "expense") == 1998
    actions = [each["action"] for each in shop.get("/v1/audit", subject_id=conversion_id).json()["data"]]
    assert actions == [
        "conversion.refunded",
        "conversion.approved",
        "conversion.reopened",
        "conversion.rejected",
    ]
    note = shop.get("/v1/audit", action="conversion.approved").json()["data"][0]
    assert note["changes"]["status"] == ["pending", "approved"]
    assert note["changes"]["reason"] == [None, "because approve"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Duplicate customer", "duplicate_customer"),
        ("FRAUD", "fraud"),
        (" seems odd ", "seems odd"),
        ("", ""),
    ],
)
def test_a_reason_is_recognised_however_it_is_written(shop, conversion_id, given, kept):
    body = {"reason": given, "note": "seen by two of us"}
    assert shop.post(f"/v1/conversions/{conversion_id}/reject", body).json()["decision_reason"] == kept
    event = shop.get(f"/v1/conversions/{conversion_id}").json()["events"][-1]
    assert (event["data"].get("reason", ""), event["data"]["note"]) == (kept, "seen by two of us")
    (audit,) = shop.get("/v1/audit", action="conversion.rejected").json()["data"]
    assert audit["changes"]["note"] == [None, "seen by two of us"]


def test_reasons_hold_for_many_at_once(shop, program, conversion_id):
    body = {"action": "reject", "ids": [conversion_id], "reason": "Not fraud", "note": "a school class"}
    assert shop.post("/v1/conversions/bulk", body).json()["succeeded"] == 1
    found = shop.get(f"/v1/conversions/{conversion_id}").json()
    assert (found["decision_reason"], found["events"][-1]["data"]["note"]) == ("not_fraud", "a school class")


def test_steps_need_no_body(shop, conversion_id):
    assert shop.post(f"/v1/conversions/{conversion_id}/approve").status_code == 200


@pytest.mark.parametrize(
    ("before", "step"),
    [(["approve"], "approve"), (["approve"], "reopen"), (["reject"], "approve"), ([], "reopen")],
)
def test_an_illegal_step_names_both_statuses(shop, conversion_id, before, step):
    for each in before:
        shop.post(f"/v1/conversions/{conversion_id}/{each}")
    response = shop.post(f"/v1/conversions/{conversion_id}/{step}")
    assert (response.status_code, response.json()["code"]) == (409, "illegal_status")
    assert "cannot become" in response.json()["message"]


def test_a_reopened_identity_that_is_taken_is_a_conflict(shop, program, conversion_id):
    shop.post(f"/v1/conversions/{conversion_id}/reject")
    other = shop.conversion(program, order_id="A-1")
    response = shop.post(f"/v1/conversions/{conversion_id}/reopen")
    assert (response.status_code, response.json()["conversion_id"]) == (409, other)


def test_a_refund_repeated_changes_nothing_and_notes_nothing(shop, conversion_id):
    first = shop.post(f"/v1/conversions/{conversion_id}/refund").json()
    assert shop.post(f"/v1/conversions/{conversion_id}/refund").json() == first
    assert len(shop.get("/v1/audit", action="conversion.refunded").json()["data"]) == 1
    assert first["refunded"]["amount_minor"] == 9999


def test_a_chargeback_is_shown(shop, conversion_id):
    found = shop.post(f"/v1/conversions/{conversion_id}/chargeback", {"reason": "stolen card"}).json()
    assert (found["status"], found["decision"], found["dispute"]) == ("chargeback", "pending", "open")


def test_bulk_gives_each_its_own_result(shop, program, affiliate):
    first, second, third = (
        shop.conversion(program, customer_email=f"{n}@shop-{n}.example.com") for n in "abc"
    )
    shop.post(f"/v1/conversions/{second}/reject")
    unknown = "conv_00000000000000000000000000"
    response = shop.post(
        "/v1/conversions/bulk",
        {"action": "approve", "ids": [first, second, unknown, third, first], "reason": "checked"},
    )
    found = response.json()
    assert (found["succeeded"], found["failed"]) == (2, 3)
    assert [(each["id"], each["ok"], each["status"]) for each in found["data"]] == [
        (first, True, "approved"),
        (second, False, None),
        (unknown, False, None),
        (third, True, "approved"),
        (first, False, None),
    ]
    codes = [each["error"] and each["error"]["code"] for each in found["data"]]
    assert codes == [None, "illegal_status", "not_found", None, "illegal_status"]
    assert shop.get(f"/v1/conversions/{second}").json()["status"] == "rejected"
    assert shop.get(f"/v1/conversions/{third}").json()["decision_reason"] == "checked"


def test_balance_follows_the_ledger(shop, testing, affiliate, conversion_id):
    path = f"/v1/affiliates/{affiliate['id']}/balance"
    shown = shop.get(path).json()
    assert (shown["object"], shown["mode"], shown["currency"]) == ("balance", "live", "USD")
    assert shown["accounts"]["pending"] == {"amount_minor": 999, "amount": "9.99", "currency": "USD"}
    shop.post(f"/v1/conversions/{conversion_id}/approve")
    accounts = shop.get(path).json()["accounts"]
    assert (accounts["pending"]["amount"], accounts["payable"]["amount"]) == ("0.00", "9.99")
    assert sum(each["amount_minor"] for each in accounts.values()) == 0
    assert testing.get(path).json()["accounts"]["payable"]["amount_minor"] == 0


# ── listings ─────────────────────────────────────────────────────────────────────────────────────


def ids(response):
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["data"]]


@pytest.fixture
def several(shop, program, affiliate, clock):
    """Four conversions, oldest first, a minute apart; the third a signup, the fourth of another program."""
    other = shop.program(name="Other")
    shop.affiliate(other)
    found = []
    for where, more in [
        (program, {"order_id": "A-1"}),
        (program, {"order_id": "A-2", "customer_email": "Second@Example.com"}),
        (program, {"conversion_type": "signup"}),
        (other, {}),
    ]:
        found.append(shop.conversion(where, **more))
        clock.advance_s(60)
    return found


def test_newest_first_and_paged(shop, several):
    assert ids(shop.get("/v1/conversions")) == several[::-1]
    seen, cursor = [], {}
    for left in (3, 2, 1, 0):
        found = shop.get("/v1/conversions", limit=1, **cursor).json()
        seen += [each["id"] for each in found["data"]]
        assert found["has_more"] is bool(left)
        cursor = {"cursor": found["next_cursor"]}
    assert cursor == {"cursor": None}
    assert seen == several[::-1]


def test_filters(shop, several, program, affiliate):
    first, second, third, fourth = several
    shop.post(f"/v1/conversions/{first}/approve")
    for wanted, expected in [
        ({"program_id": program["id"]}, [third, second, first]),
        ({"affiliate_id": affiliate["id"]}, [third, second, first]),
        ({"status": "approved"}, [first]),
        ({"status": "pending", "type": "signup"}, [third]),
        ({"order_id": "A-2"}, [second]),
        ({"email": "customer@example.com"}, [fourth, third, first]),
        ({"email": " SECOND@example.COM "}, [second]),
        ({"email": "customer@example.com", "program_id": program["id"]}, [third, first]),
        ({"email": "nobody"}, []),
        ({"created_from": "2026-09-21T14:14:20Z", "created_to": "2026-09-21T14:16:20Z"}, [third, second]),
        ({"created_to": "2026-09-21T14:14:20Z"}, [first]),
        ({"created_from": "2026-09-21T16:16:20+02:00"}, [fourth]),
        ({"program_id": "prog_unknown"}, []),
    ]:
        assert ids(shop.get("/v1/conversions", **wanted)) == expected, wanted


def test_an_offset_written_plainly_in_a_query_is_understood(shop, several):
    found = shop("GET", "/v1/conversions?created_from=2026-09-21T16:16:20+02:00")
    assert ids(found) == several[3:]


def test_modes_are_apart(shop, testing, program, affiliate, conversion_id):
    assert ids(testing.get("/v1/conversions")) == []
    assert testing.get(f"/v1/conversions/{conversion_id}").status_code == 404
    assert testing.post(f"/v1/conversions/{conversion_id}/approve").status_code == 404
    tested = testing.conversion(program)
    assert testing.get(f"/v1/conversions/{tested}").json()["mode"] == "test"
    assert ids(testing.get("/v1/conversions")) == [tested]
    assert ids(shop.get("/v1/conversions")) == [conversion_id]
