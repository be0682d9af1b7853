"""The OpenAPI document and the page made of it: complete, self-contained, and true."""

import os
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from refledger.core.refusals import Reason
from refledger.web.api import ROUTERS
from refledger.web.api.openapi import READING

EXAMPLES = int(os.environ.get("REFLEDGER_TEST_EXAMPLES", "6"))

MANAGED = [
    "",
    "GET /v1/affiliates/{affiliate_id}",
    "GET /v1/affiliates/{affiliate_id}/balance",
    "GET /v1/affiliates/{affiliate_id}/ledger",
    "GET /v1/affiliates/{affiliate_id}/statement",
    "GET /v1/attempts",
    "GET /v1/attempts/{attempt_id}",
    "GET /v1/audit",
    "GET /v1/clicks",
    "GET /v1/conversions",
    "GET /v1/conversions/{conversion_id}",
    "GET /v1/disputes",
    "GET /v1/lists",
    "GET /v1/payouts",
    "GET /v1/payouts/{payout_id}",
    "GET /v1/payouts/{payout_id}/csv",
    "GET /v1/policy-presets",
    "GET /v1/programs",
    "GET /v1/programs/{program_id}",
    "GET /v1/programs/{program_id}/affiliates",
    "GET /v1/programs/{program_id}/coupons",
    "GET /v1/programs/{program_id}/policy",
    "GET /v1/programs/{program_id}/policy/diff",
    "GET /v1/programs/{program_id}/policy/shadow",
    "GET /v1/programs/{program_id}/policy/versions",
    "GET /v1/programs/{program_id}/policy/versions/{version}",
    "GET /v1/programs/{program_id}/terms/versions",
    "GET /v1/refunds",
    "GET /v1/review",
    "GET /v1/signals",
    "POST /v1/attempts/{attempt_id}/accept",
    "POST /v1/conversions/bulk",
    "POST /v1/conversions/{conversion_id}/adjust",
    "POST /v1/conversions/{conversion_id}/approve",
    "POST /v1/conversions/{conversion_id}/chargeback",
    "POST /v1/conversions/{conversion_id}/refund",
    "POST /v1/conversions/{conversion_id}/reject",
    "POST /v1/conversions/{conversion_id}/reopen",
    "POST /v1/customers/forget",
    "POST /v1/disputes",
    "POST /v1/disputes/{dispute}/lost",
    "POST /v1/disputes/{dispute}/won",
    "POST /v1/lists",
    "POST /v1/payouts",
    "POST /v1/payouts/{payout_id}/cancel",
    "POST /v1/payouts/{payout_id}/items/{affiliate_id}/failed",
    "POST /v1/payouts/{payout_id}/items/{affiliate_id}/paid",
    "POST /v1/payouts/{payout_id}/paid",
    "POST /v1/programs",
    "POST /v1/programs/{program_id}/affiliates",
    "POST /v1/programs/{program_id}/coupons",
    "POST /v1/programs/{program_id}/policy/backtest",
    "POST /v1/refunds",
    "PATCH /v1/affiliates/{affiliate_id}",
    "PATCH /v1/coupons/{coupon_id}",
    "PATCH /v1/programs/{program_id}",
    "PUT /v1/programs/{program_id}/policy",
    "DELETE /v1/lists/{entry_id}",
    "",
][1:-1]
REFUSING = {"signals": {"email.role": {"action": "refuse"}}}
PLAIN = {
    "POST /v1/track-conversion",
    "POST /v1/track-click",
    "GET /r/{slug}/{ref_code}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}


@pytest.fixture
def document(http):
    response = http.get("/openapi.json")
    assert response.status_code == 200
    return response.json()


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_every_operation_is_in_the_document(document):
    assert document["openapi"] == "3.1.0"
    assert set(operations(document)) == {*MANAGED, *PLAIN}
    routed = {
        f"{method} {route.path}" for router in ROUTERS for route in router.routes for method in route.methods
    }
    assert routed == set(MANAGED)


def test_every_operation_names_its_errors_and_every_reference_leads_somewhere(document):
    for name, operation in operations(document).items():
        assert operation["tags"] and operation["summary"], name
        if name in MANAGED:
            assert operation["security"] == [{"secret_key": []}]
            assert {"400", "401", "503"} <= set(operation["responses"]), name
            named = "{" in name or name.split()[1] in ("/v1/refunds", "/v1/disputes")
            assert ("404" in operation["responses"]) == named, name
            keys = [each["name"] for each in operation.get("parameters", ())]
            method, _, path = name.partition(" ")
            assert ("Idempotency-Key" in keys) == (method == "POST" and path not in READING), name
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/([\w-]+)", text)):
        assert name in document["components"]["schemas"], name
    assert document["components"]["schemas"]["Error"]["properties"]["code"]["enum"] == [
        r.value for r in Reason
    ]


def check(document, operation, response):
    """That a real answer is one the document names."""
    named = operations(document)[operation]["responses"][str(response.status_code)]
    schema = named["content"]["application/json"]["schema"]
    whole = {
        **schema,
        "components": document["components"],
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    }
    errors = [error.message for error in validator_for(whole).iter_errors(response.json())]
    assert errors == [], (operation, response.text)
    return response


def test_real_answers_are_the_documented_ones(shop, document):
    def seen(operation, response):
        return check(document, operation, response).json()

    base = "/v1/programs"
    program = seen("POST /v1/programs", shop.post(base, {"name": "Shop", "policy": {"review_at": 50}}))
    path = f"{base}/{program['id']}"
    wanted = {"email": "j@affiliate.example", "ref_code": "JOHN123", "limits": {"hourly": 2}}
    john = seen("POST /v1/programs/{program_id}/affiliates", shop.post(f"{path}/affiliates", wanted))
    coupon = {"affiliate_id": john["id"], "code": "SAVE20", "ends_at": "2030-01-01T00:00:00Z"}
    seen("POST /v1/programs/{program_id}/coupons", shop.post(f"{path}/coupons", coupon))
    seen("POST /v1/programs/{program_id}/coupons", shop.post(f"{path}/coupons", coupon))
    entry = {"action": "block", "kind": "domain", "value": "bad.example"}
    entry = seen("POST /v1/lists", shop.post("/v1/lists", entry))
    tracked = seen("POST /v1/track-conversion", shop.track(program, metadata={"plan": "pro"}))
    seen("POST /v1/track-conversion", shop.track(program))
    seen("POST /v1/track-conversion", shop.track(program, customer_email="info@example.com"))
    seen("POST /v1/track-conversion", shop.track(program, ref_code="TYPO"))
    seen("POST /v1/track-conversion", shop.track(program, revenue_amount=None))
    one = f"/v1/conversions/{tracked['conversion_id']}"
    whole = "/v1/conversions/{conversion_id}"
    seen(f"GET {whole}", shop.get(one))
    seen(f"POST {whole}/approve", shop.post(f"{one}/approve"))
    seen(f"POST {whole}/approve", shop.post(f"{one}/approve"))
    seen(
        "POST /v1/conversions/bulk",
        shop.post("/v1/conversions/bulk", {"action": "refund", "ids": ["x", one[16:]]}),
    )
    reverse(seen, shop, tracked["conversion_id"])
    attempts = seen("GET /v1/attempts", shop.get("/v1/attempts"))["data"]
    for attempt in attempts:
        seen("GET /v1/attempts/{attempt_id}", shop.get(f"/v1/attempts/{attempt['id']}"))
    accept = f"/v1/attempts/{attempts[0]['id']}/accept"
    seen("POST /v1/attempts/{attempt_id}/accept", shop.post(accept, {"affiliate_id": "x"}))
    policy = "/v1/programs/{program_id}/policy"
    seen(f"GET {policy}", shop.get(f"{path}/policy"))
    seen(f"GET {policy}/versions", shop.get(f"{path}/policy/versions"))
    seen(f"GET {policy}/versions/{{version}}", shop.get(f"{path}/policy/versions/1"))
    seen(f"GET {policy}/versions/{{version}}", shop.get(f"{path}/policy/versions/x"))
    backtest = seen(f"POST {policy}/backtest", shop.post(f"{path}/policy/backtest", {"policy": REFUSING}))
    assert backtest["flips"]
    seen(f"POST {policy}/backtest", shop.post(f"{path}/policy/backtest", {"policy": {"preset": 1}}))
    seen(f"GET {policy}/shadow", shop.get(f"{path}/policy/shadow"))
    seen(f"GET {policy}/diff", shop.get(f"{path}/policy/diff", to="strict"))
    seen("GET /v1/policy-presets", shop.get("/v1/policy-presets"))
    seen("GET /v1/affiliates/{affiliate_id}/balance", shop.get(f"/v1/affiliates/{john['id']}/balance"))
    for name in ("programs", "conversions", "payouts", "review", "signals", "clicks", "audit", "lists"):
        seen(f"GET /v1/{name}", shop.get(f"/v1/{name}"))
        seen(f"GET /v1/{name}", shop.get(f"/v1/{name}", limit=0))
    for name in ("affiliates", "coupons"):
        seen(f"GET /v1/programs/{{program_id}}/{name}", shop.get(f"{path}/{name}"))
    seen("DELETE /v1/lists/{entry_id}", shop("DELETE", f"/v1/lists/{entry['id']}"))
    with pytest.raises(AssertionError):  # the check itself sees what is not documented
        check(document, "GET /v1/clicks", shop.get("/v1/programs"))


def test_real_answers_about_payouts_are_the_documented_ones(shop, document):
    def seen(operation, response):
        return check(document, operation, response).json()

    program = shop.program()
    john = shop.affiliate(program)
    shop.post(f"/v1/conversions/{shop.conversion(program)}/approve")
    wanted = {"program_id": program["id"]}
    seen("POST /v1/payouts", shop.post("/v1/payouts", wanted | {"preview": True}))
    payout = seen("POST /v1/payouts", shop.post("/v1/payouts", wanted))
    seen("POST /v1/payouts", shop.post("/v1/payouts", wanted))
    path, one = "/v1/payouts/{payout_id}", f"/v1/payouts/{payout['id']}"
    seen(f"GET {path}", shop.get(one))
    item = f"{path}/items/{{affiliate_id}}"
    for step, body in (("paid", {"reference": "PP-1"}), ("failed", {"reason": "closed"})):
        seen(f"POST {item}/{step}", shop.post(f"{one}/items/{john['id']}/{step}", body))
    for step in ("paid", "cancel"):
        seen(f"POST {path}/{step}", shop.post(f"{one}/{step}"))
    for name in ("ledger", "statement"):
        of_affiliate = f"GET /v1/affiliates/{{affiliate_id}}/{name}"
        for params in ({}, {"limit": 0}):
            seen(of_affiliate, shop.get(f"/v1/affiliates/{john['id']}/{name}", **params))


def reverse(seen, shop, whole):
    """Refunds, disputes and an adjustment, right and wrong ones; everything of the conversion `whole` is refunded."""
    program = shop.program(name="Reversed")
    shop.affiliate(program)
    sold = shop.conversion(program, customer_email="second@example.com", order_id="A-7")
    adjust = "POST /v1/conversions/{conversion_id}/adjust"
    for amount in ("80.00", "0.001"):
        seen(adjust, shop.post(f"/v1/conversions/{sold}/adjust", {"revenue_amount": amount}))
    for refund_id, amount in (("re_1", "30.00"), ("re_1", "30.00"), ("re_1", "31.00"), ("re_2", "99.00")):
        refund = {"refund_id": refund_id, "order_id": "A-7", "amount": amount}
        seen("POST /v1/refunds", shop.post("/v1/refunds", refund))
    seen("POST /v1/refunds", shop.post("/v1/refunds", {"refund_id": "re_3", "order_id": "unknown"}))
    dispute = {"dispute_id": "du_1", "conversion_id": whole}
    seen("POST /v1/disputes", shop.post("/v1/disputes", dispute))
    for name, dispute_id in (("won", "du_1"), ("lost", "du_1"), ("won", "du_1"), ("won", "du_2")):
        operation = f"POST /v1/disputes/{{dispute}}/{name}"
        seen(operation, shop.post(f"/v1/disputes/{dispute_id}/{name}"))
    for name in ("refunds", "disputes"):
        listed = seen(f"GET /v1/{name}", shop.get(f"/v1/{name}", limit=1))
        assert listed["has_more"] is (name == "refunds")
        seen(f"GET /v1/{name}", shop.get(f"/v1/{name}", cursor="x"))


def test_real_answers_of_the_plain_doors_are_the_documented_ones(shop, http, document):
    program = shop.program(slug="shop")
    shop.affiliate(program)
    click = {"program_id": program["id"], "ref_code": "JOHN123"}
    for more, status in (
        ({}, 202),
        ({"ref_code": "TYPO"}, 404),
        ({"program_id": "x"}, 404),
        ({"ref_code": 1}, 400),
    ):
        response = check(document, "POST /v1/track-click", shop.post("/v1/track-click", click | more))
        assert response.status_code == status
    assert (
        check(document, "POST /v1/track-click", http.post("/v1/track-click", json=click)).status_code == 401
    )
    link = "GET /r/{slug}/{ref_code}"
    followed = http.get("/r/shop/JOHN123")
    assert followed.status_code == 302 and "302" in operations(document)[link]["responses"]
    assert followed.headers["location"].startswith("https://shop.example")
    assert check(document, link, http.get("/r/nowhere/JOHN123")).status_code == 404
    for name in ("healthz", "readyz"):
        assert check(document, f"GET /{name}", http.get(f"/{name}")).status_code == 200
    assert http.get("/metrics").headers["content-type"].startswith("text/plain")


def test_a_program_without_a_site_has_no_links(shop, http):
    program = shop.made("/v1/programs", {"name": "Bare"})
    shop.affiliate(program)
    assert http.get("/r/bare/JOHN123").status_code == 404


def test_whatever_is_sent_the_answer_is_a_documented_one(shop, application):
    """Bodies, paths and queries made from the document, right and wrong ones; known ids where there are any."""
    program = shop.program(limits={"hourly": 9, "daily": 9})
    ids = {
        "program_id": program["id"],
        "affiliate_id": shop.affiliate(program)["id"],
        "conversion_id": shop.conversion(program),
    }
    schema = schemathesis.openapi.from_dict(application.openapi())
    for result in schema.get_all_operations():
        operation = result.ok()
        asks_nothing = operation.path in ("/healthz", "/readyz", "/metrics")
        assert fuzz(shop, operation, ids) >= (1 if asks_nothing else EXAMPLES)


def fuzz(shop, operation, ids):
    """Tries the operation; answers how many answers were seen, and fails on one that is not documented."""
    key = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    documented = {*operation.definition.raw["responses"], "404", "405"}  # a path may turn into another one
    seen = []
    cases = (operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*cases))
    def attempt(case):
        for name in set(ids) & set(case.path_parameters or {}):
            case.path_parameters[name] = ids[name]
        if isinstance(case.body, dict) and isinstance(case.body.get("program_id"), str):
            case.body["program_id"] = ids["program_id"]
        request = case.as_transport_kwargs(base_url="http://testserver", headers=key)
        request.pop("cookies", None)
        response = shop.http.request(**request)
        seen.append(response.status_code)
        assert str(response.status_code) in documented, (request, response.text)
        assert response.status_code != 405 or "allow" in response.headers

    attempt()
    return len(seen)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────


def test_the_page_names_every_operation_and_asks_nobody_else(http, document):
    response = http.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    for path in document["paths"]:
        assert f"<code>{path}</code>" in response.text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in response.text
    assert not re.search(r"<script|<img|<link|src=|@import|url\(", response.text)
    anchors = re.findall(r' id="([^"]+)"| id=(\w+)', response.text)
    known = {quoted or plain for quoted, plain in anchors}
    assert set(re.findall(r'href="#([^"]+)"', response.text)) <= known
    assert len(anchors) == len(known)


def test_the_page_says_which_key_each_call_needs(http):
    sections = dict(re.findall(r'<section id="([^"]+)">(.*?)</p>', http.get("/docs").text, re.DOTALL))
    for call, words in [
        ("post-v1-track-conversion", "Publishable key in the body, or a secret key."),
        ("post-v1-track-click", "Publishable key in the body, or a secret key."),
        ("get-r-slug-ref_code", "No key."),
        ("get-v1-conversions", "Secret key."),
    ]:
        assert f">{words}<" in sections[call], call


def test_only_the_click_door_turns_an_origin_away(document):
    """A conversion is recorded whatever page reports it: only the header that lets the page read the answer lacks."""
    named = {name for name, each in operations(document).items() if "403" in each["responses"]}
    assert named == {"POST /v1/track-click"}
