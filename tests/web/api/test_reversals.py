"""Refunds, disputes and adjustments through the API, in every state of the conversion."""

import pytest


@pytest.fixture
def program(shop):
    return shop.program(limits={"hourly": 1000, "daily": 1000})


@pytest.fixture
def affiliate(shop, program):
    return shop.affiliate(program)


@pytest.fixture
def conversion_id(shop, program, affiliate):
    return shop.conversion(program, order_id="A-1", revenue_amount=100)


def refund(shop, status=201, **fields):
    response = shop.post("/v1/refunds", {"refund_id": "re_1"} | fields)
    assert response.status_code == status, response.text
    return response.json()


def dispute(shop, path="", status=None, **fields):
    response = shop.post(f"/v1/disputes{path}", fields or None)
    assert response.status_code == (status or (200 if path else 201)), response.text
    return response.json()


def conversion(shop, conversion_id):
    return shop.get(f"/v1/conversions/{conversion_id}").json()


def held(shop, affiliate):
    accounts = shop.get(f"/v1/affiliates/{affiliate['id']}/balance").json()["accounts"]
    return {name: each["amount_minor"] for name, each in accounts.items() if each["amount_minor"]}


STATES = {
    "pending": ([], "pending"),
    "approved": (["approve"], "payable"),
    "rejected": (["reject"], None),
    "reopened": (["reject", "reopen"], "pending"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("amounts", "due_minor"), [(["30.00"], 700), (["30.00", None], 0), ([None], 0)])
def test_a_refund_is_recorded_in_every_state(shop, affiliate, conversion_id, state, amounts, due_minor):
    steps, account = STATES[state]
    for step in steps:
        shop.post(f"/v1/conversions/{conversion_id}/{step}")
    for number, amount in enumerate(amounts):
        refund(shop, refund_id=f"re_{number}", conversion_id=conversion_id, amount=amount)
    due = due_minor if account else 0
    assert held(shop, affiliate) == ({account: due, "expense": -due} if due else {})
    found = conversion(shop, conversion_id)
    assert found["refunded"]["amount_minor"] == (10_000 if None in amounts else 3000)
    if None in amounts:
        assert found["status"] == "refunded"


def test_a_rejected_one_that_is_reopened_starts_from_the_truth(shop, affiliate, conversion_id):
    shop.post(f"/v1/conversions/{conversion_id}/reject")
    refund(shop, conversion_id=conversion_id, amount="25.00")
    shop.post(f"/v1/conversions/{conversion_id}/reopen")
    assert held(shop, affiliate) == {"pending": 750, "expense": -750}


def test_a_refund_is_answered_the_same_again_and_noted_once(shop, conversion_id):
    first = refund(shop, conversion_id=conversion_id, amount="30.00", reason="broken")
    assert (first["object"], first["id"], first["whole"], first["reason"]) == (
        "refund",
        "re_1",
        False,
        "broken",
    )
    assert first["amount"] == {"amount_minor": 3000, "amount": "30.00", "currency": "USD"}
    assert refund(shop, order_id="A-1", amount="30") == first
    events = conversion(shop, conversion_id)["events"]
    assert [each["type"] for each in events][1:] == ["conversion.partly_refunded"]
    assert events[1]["data"]["refund_id"] == "re_1"
    assert events[1]["data"]["refunded_minor"] == 3000
    (note,) = shop.get("/v1/audit", action="conversion.partly_refunded").json()["data"]
    assert note["changes"]["refunded_minor"] == [0, 3000]
    assert shop.get("/v1/refunds", conversion_id=conversion_id).json()["data"] == [first]


@pytest.mark.parametrize(
    "other", [{"amount": "31.00"}, {"amount": None}, {"conversion_id": None, "order_id": "B"}]
)
def test_other_facts_under_the_same_id_are_a_conflict(shop, conversion_id, other):
    fields = {"conversion_id": conversion_id, "amount": "30.00"}
    refund(shop, **fields)
    assert refund(shop, 409, **fields | other)["code"] == "conflict"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"amount": "70.01"}, {"amount": ["must be at most 70.00 USD, which is left of the sale"]}),
        ({"amount": "0.00"}, {"amount": ["must be more than 0; leave it out for everything that is left"]}),
        ({"amount": "1.001"}, {"amount": ["must have at most 2 decimals, as USD has"]}),
        ({"amount": 30}, {"amount": ["must be a string"]}),
        ({"refund_id": "a/b"}, None),
        ({"conversion_id": None}, None),
        ({"order_id": "A-1"}, None),
    ],
)
def test_a_refund_that_cannot_be_is_refused_in_words(shop, conversion_id, fields, wrong):
    refund(shop, conversion_id=conversion_id, amount="30.00")
    given = {"refund_id": "re_2", "conversion_id": conversion_id} | fields
    answer = refund(shop, 400, **given)
    assert answer["code"] == "invalid_request"
    assert wrong in (None, answer["errors"])


def test_a_signup_is_refunded_as_a_whole(shop, program, affiliate):
    path = f"/v1/programs/{program['id']}"
    shop.patch(path, {"commission": {"signup": {"type": "fixed", "value": "5.00"}}})
    signup = shop.conversion(program, conversion_type="signup")
    assert "as a whole" in refund(shop, 400, conversion_id=signup, amount="1.00")["message"]
    assert held(shop, affiliate) == {"pending": 500, "expense": -500}
    assert refund(shop, conversion_id=signup)["whole"] is True
    assert held(shop, affiliate) == {}
    adjusted = shop.post(f"/v1/conversions/{signup}/adjust", {"revenue_amount": "5.00"})
    assert adjusted.status_code == 400


def test_what_comes_in_by_name_after_a_whole_refund_is_a_part_of_it(shop, affiliate, conversion_id):
    """A person clicks on "refund", and the payment provider tells of the same money later."""
    shop.post(f"/v1/conversions/{conversion_id}/refund")
    refund(shop, conversion_id=conversion_id, amount="100.00")
    amounts = [each["amount"]["amount"] for each in shop.get("/v1/refunds").json()["data"]]
    assert sorted(amounts) == ["0.00", "100.00"]
    assert conversion(shop, conversion_id)["refunded"]["amount"] == "100.00"
    assert held(shop, affiliate) == {}


# ── by the order ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_found_where_a_rejection_released_it(shop, conversion_id):
    shop.post(f"/v1/conversions/{conversion_id}/reject")
    assert refund(shop, order_id="A-1")["conversion_id"] == conversion_id


def test_of_several_the_standing_one_is_meant(shop, program, conversion_id):
    shop.post(f"/v1/conversions/{conversion_id}/reject")
    second = shop.conversion(program, order_id="A-1")
    assert refund(shop, order_id="A-1", amount="1.00")["conversion_id"] == second
    # What was recorded stays where it was recorded, whoever stands for the order by now.
    shop.post(f"/v1/conversions/{second}/reject")
    shop.post(f"/v1/conversions/{conversion_id}/reopen")
    assert refund(shop, order_id="A-1", amount="1.00")["conversion_id"] == second
    assert refund(shop, refund_id="re_2", order_id="A-1")["conversion_id"] == conversion_id


def test_where_several_programs_have_an_order_the_program_is_named(shop, conversion_id):
    other = shop.program(name="Other")
    shop.affiliate(other)
    second = shop.conversion(other, order_id="A-1")
    assert "program_id" in refund(shop, 400, order_id="A-1")["errors"]
    assert refund(shop, order_id="A-1", program_id=other["id"])["conversion_id"] == second
    refund(shop, 404, refund_id="re_2", order_id="A-1", program_id="prog_unknown")
    refund(shop, 404, refund_id="re_2", conversion_id=conversion_id, program_id=other["id"])


def test_modes_and_merchants_are_apart(shop, testing, stranger, program, conversion_id):
    for other in (testing, stranger):
        for named in ({"conversion_id": conversion_id}, {"order_id": "A-1"}):
            refund(other, 404, **named)
            dispute(other, dispute_id="d", status=404, **named)
    refund(shop, conversion_id=conversion_id)
    assert testing.get("/v1/refunds").json()["data"] == stranger.get("/v1/refunds").json()["data"] == []
    tested = testing.conversion(program, order_id="A-1")
    assert refund(testing, order_id="A-1")["conversion_id"] == tested


# ── disputes ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_in_every_state(shop, affiliate, conversion_id, state, outcome):
    steps, account = STATES[state]
    for step in steps:
        shop.post(f"/v1/conversions/{conversion_id}/{step}")
    before = held(shop, affiliate)
    opened = dispute(shop, dispute_id="du_1", order_id="A-1", reason="fraudulent")
    assert (opened["object"], opened["id"], opened["status"]) == ("dispute", "du_1", "open")
    assert held(shop, affiliate) == ({"dispute_reserve": 1000, "expense": -1000} if account else {})
    assert conversion(shop, conversion_id)["status"] == "chargeback"
    assert dispute(shop, f"/du_1/{outcome}")["status"] == outcome
    assert dispute(shop, f"/du_1/{outcome}")["status"] == outcome
    assert held(shop, affiliate) == (before if outcome == "won" else {})
    found = conversion(shop, conversion_id)
    assert found["dispute"] == outcome
    assert found["events"][-1]["type"] == f"conversion.dispute_{outcome}"
    assert found["explanation_for_affiliate"][-1] != found["explanation"][-1]


def test_webhooks_come_in_any_order(shop, affiliate, conversion_id):
    dispute(shop, "/PP-D-1234/lost", status=404)
    lost = dispute(shop, "/PP-D-1234/lost", conversion_id=conversion_id)
    assert lost["status"] == "lost" and held(shop, affiliate) == {}
    assert dispute(shop, dispute_id="PP-D-1234", order_id="A-1") == lost
    assert dispute(shop, "/PP-D-1234/won", status=409)["code"] == "illegal_status"
    dispute(shop, dispute_id="PP-D-1234", order_id="other", status=409)
    assert len(shop.get("/v1/disputes").json()["data"]) == 1


def test_of_several_disputes_the_worst_counts(shop, affiliate, conversion_id):
    for dispute_id, outcome, expected in (("a", "won", "won"), ("b", None, "open"), ("b", "lost", "lost")):
        path = f"/{dispute_id}/{outcome}" if outcome else ""
        dispute(shop, path, conversion_id=conversion_id, **({} if path else {"dispute_id": dispute_id}))
        assert conversion(shop, conversion_id)["dispute"] == expected
    dispute(shop, dispute_id="c", conversion_id=conversion_id)
    assert conversion(shop, conversion_id)["dispute"] == "lost" and held(shop, affiliate) == {}


def test_the_short_forms_make_rows_too(shop, conversion_id):
    shop.post(f"/v1/conversions/{conversion_id}/chargeback", {"reason": "stolen card"})
    shop.post(f"/v1/conversions/{conversion_id}/chargeback")
    (row,) = shop.get("/v1/disputes", conversion_id=conversion_id).json()["data"]
    assert (row["status"], row["reason"]) == ("open", "stolen card")
    assert dispute(shop, f"/{row['id']}/won")["status"] == "won"
    shop.post(f"/v1/conversions/{conversion_id}/refund")
    (row,) = shop.get("/v1/refunds", conversion_id=conversion_id).json()["data"]
    assert (row["whole"], row["amount"]["amount"]) == (True, "100.00")


# ── adjustments ──────────────────────────────────────────────────────────────────────────────────────────────────


def adjust(shop, conversion_id, amount, status=200, **fields):
    path = f"/v1/conversions/{conversion_id}/adjust"
    response = shop.post(path, {"revenue_amount": amount} | fields)
    assert response.status_code == status, response.text
    return response.json()


@pytest.mark.parametrize("state", STATES)
def test_an_order_edited_later_earns_by_its_own_terms(shop, program, affiliate, conversion_id, state):
    steps, account = STATES[state]
    for step in steps:
        shop.post(f"/v1/conversions/{conversion_id}/{step}")
    commission = {"purchase": {"type": "percentage", "value": "50"}}
    shop.patch(f"/v1/programs/{program['id']}", {"commission": commission})
    refund(shop, conversion_id=conversion_id, amount="20.00")
    found = adjust(shop, conversion_id, "150.00", reason="another shirt")
    assert (found["revenue"]["amount"], found["commission"]["amount"]) == ("150.00", "15.00")
    assert held(shop, affiliate) == ({account: 1300, "expense": -1300} if account else {})
    whole = conversion(shop, conversion_id)
    told = whole["events"][-1]
    assert told["type"] == "conversion.adjusted"
    assert (told["data"]["old_revenue_minor"], told["data"]["revenue_minor"]) == (10_000, 15_000)
    assert (told["data"]["old_commission_minor"], told["data"]["commission_minor"]) == (1000, 1500)
    assert whole["decision_record"]["commission"]["revenue_minor"] == 10_000
    assert "10 % of 150.00 USD" in " ".join(whole["explanation"])
    (note,) = shop.get("/v1/audit", action="conversion.adjusted").json()["data"]
    assert note["changes"]["revenue_minor"] == [10_000, 15_000]
    assert note["changes"]["reason"] == [None, "another shirt"]
    assert adjust(shop, conversion_id, "150") == found
    assert len(shop.get("/v1/audit", action="conversion.adjusted").json()["data"]) == 1


def test_never_below_what_was_refunded(shop, affiliate, conversion_id):
    refund(shop, conversion_id=conversion_id, amount="40.00")
    assert "at least 40.00 USD" in adjust(shop, conversion_id, "39.99", 400)["message"]
    assert adjust(shop, conversion_id, "40.00")["status"] == "refunded"
    assert held(shop, affiliate) == {}
    assert adjust(shop, conversion_id, "50.00")["status"] == "pending"
    assert held(shop, affiliate) == {"pending": 100, "expense": -100}


# ── listings ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["refunds", "disputes"])
def test_newest_first_and_paged(shop, conversion_id, clock, kind):
    for number in (2, 3, 1):
        if kind == "refunds":
            refund(shop, refund_id=f"x{number}", conversion_id=conversion_id, amount="1.00")
        else:
            dispute(shop, dispute_id=f"x{number}", conversion_id=conversion_id)
        clock.advance_s(60 if number == 2 else 0)
    seen, cursor = [], {}
    for left in (2, 1, 0):
        found = shop.get(f"/v1/{kind}", limit=1, **cursor).json()
        seen += [each["id"] for each in found["data"]]
        assert found["has_more"] is bool(left)
        cursor = {"cursor": found["next_cursor"]}
    assert seen == ["x3", "x1", "x2"]
    assert shop.get(f"/v1/{kind}", conversion_id="conv_unknown").json()["data"] == []
