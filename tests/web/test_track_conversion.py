"""The door: every body of the reference, byte for byte; every sample of it, unchanged; and whatever else arrives."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from refledger.app import create
from refledger.core.keys import make_key
from refledger.services.merchants import revoke_key
from tests.builders import EMAIL, PURCHASE, SIGNUP, Shop

URL = "/v1/track-conversion"

# ── the reference's bodies, as it prints them ────────────────────────────────────────────────────────────────────

SUCCESS = """{
"success": true,
"conversion_id": "conv_xyz789",
"commission": 9.99,
"status": "pending",
"message": "Conversion tracked successfully"
}"""
REVIEW = """{
"success": true,
"conversion_id": "conv_xyz789",
"commission": 9.99,
"status": "pending_review",
"message": "Conversion tracked but pending fraud review"
}"""
INVALID_KEY = """{
"error": "Invalid Publishable key"
}"""
MISSING_FIELDS = """{
"error": "Missing required fields",
"message": "Need program_id, conversion_type, and either ref_code or coupon_code"
}"""
INVALID_EMAIL = """{
"error": "Invalid email address",
"message": "Email format validation failed"
}"""
DISPOSABLE_EMAIL = """{
"error": "Disposable email not allowed",
"message": "Please use a permanent email address"
}"""
INVALID_AFFILIATE = """{
"error": "Invalid or inactive affiliate code"
}"""
INVALID_COUPON = """{
"error": "Invalid coupon code or inactive affiliate"
}"""
RATE_LIMITED = """{
"error": "Conversion rate limit exceeded",
"message": "Daily conversion limit exceeded",
"retry_after": 3600
}"""
DUPLICATE = """{
"error": "Duplicate conversion detected",
"message": "This email has already been tracked for this program"
}"""

ADDED = ("code", "request_id", "fields")


def as_printed(text):
    """Whitespace outside of strings taken out, ids alike; the order of keys stays."""
    flat = re.sub(r'"(?:[^"\\]|\\.)*"|\s+', lambda each: each[0] if each[0].startswith('"') else "", text)
    return re.sub(r'"conv_\w+"', '"conv_…"', flat)


def without_added(text):
    """The body without what we add to the reference's; by text, so that no number is written anew."""
    for name in ADDED:
        text = re.sub(rf',"{name}":(?:"[^"]*"|\[[^\]]*\])', "", text)
    return text


def assert_body(response, status, expected):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert as_printed(without_added(as_printed(response.text))) == as_printed(expected)
    if status != 200:
        body = response.json()
        assert set(body) - set(json.loads(expected)) <= set(ADDED)
        assert body["code"] and body["request_id"]
        assert response.headers["x-request-id"] == body["request_id"]


@pytest.fixture
def post(client, shop):
    """Posts a report: `post(**fields)` with the publishable key."""

    def send(headers=None, **fields):
        return client.post(URL, json=shop.report(**fields), headers=headers)

    return send


def purchase(post, email=EMAIL, **fields):
    return post(**{"ref_code": "JOHN123", "customer_email": email, **PURCHASE, **fields})


def bearer(shop, name="secret_key"):
    return {"Authorization": f"Bearer {shop.keys[name]}"}


# ── the bodies ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_success(post):
    assert_body(purchase(post), 200, SUCCESS)


def test_flagged_for_review(post):
    assert_body(purchase(post, "test123@example.com"), 200, REVIEW)


@pytest.mark.parametrize("key", [None, "", "pk_live_...", "refv_live_abc", 7, ["x"], {}])
def test_invalid_key(post, key):
    assert_body(purchase(post, publishable_key=key), 401, INVALID_KEY)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"program_id": None}, ["program_id"]),
        ({"conversion_type": None}, ["conversion_type"]),
        ({"ref_code": None}, ["ref_code", "coupon_code"]),
        ({"ref_code": "", "coupon_code": ""}, ["ref_code", "coupon_code"]),
        ({"customer_email": None}, ["customer_email"]),
        ({"revenue_amount": None}, ["revenue_amount"]),
        ({"coupon_code": "NOTHING", "customer_email": None}, ["customer_email"]),
    ],
)
def test_missing_fields(post, fields, named):
    response = purchase(post, **fields)
    assert_body(response, 400, MISSING_FIELDS)
    assert response.json()["fields"] == named


def test_invalid_email(post):
    assert_body(purchase(post, "customer.example.com"), 400, INVALID_EMAIL)


@pytest.mark.parametrize("email", ["a@tempmail.com", "a@mailinator.com", "a@sub.mailinator.com"])
def test_disposable_email(post, email):
    assert_body(purchase(post, email), 400, DISPOSABLE_EMAIL)


@pytest.mark.parametrize("code", ["NOBODY", "JOHN123_", "JOHN 123", "JOHN12"])
def test_invalid_affiliate(post, code):
    assert_body(purchase(post, ref_code=code), 404, INVALID_AFFILIATE)


def test_inactive_affiliate(post, shop):
    shop.change_affiliate(shop.john_id, status="paused")
    assert_body(purchase(post), 404, INVALID_AFFILIATE)


def test_invalid_coupon(post, shop):
    assert_body(post(coupon_code="NOTHING", **PURCHASE), 404, INVALID_COUPON)
    shop.change_affiliate(shop.mary_id, status="banned")
    assert_body(post(coupon_code="SAVE20", **PURCHASE), 404, INVALID_COUPON)


def test_rate_limited(post, shop, clock):
    shop.change_affiliate(shop.john_id, limits={"hourly": 10, "daily": 1})
    purchase(post)
    clock.advance_s(86_400 - 3600)
    response = purchase(post, "b@example.com")
    assert_body(response, 429, RATE_LIMITED)
    assert response.headers["retry-after"] == "3600"


def test_rate_limited_by_the_hour(post):
    for name in "ab":
        purchase(post, f"{name}@example.com")
    response = purchase(post, "c@example.com")
    assert_body(response, 429, RATE_LIMITED.replace("Daily", "Hourly"))


def test_duplicate(post, shop):
    purchase(post)
    assert_body(purchase(post), 409, DUPLICATE)
    secret = purchase(post, publishable_key=None, headers=bearer(shop))
    assert secret.status_code == 200
    told = purchase(post, publishable_key=None, headers=bearer(shop))
    assert told.json()["conversion_id"] == secret.json()["conversion_id"]


def test_rejected_says_why_to_a_secret_key_only(post, shop):
    shop.list_entry("block", "mailbox", EMAIL)
    body = '{"error": "Conversion rejected", "message": "Conversion did not pass validation"}'
    response = purchase(post)
    assert_body(response, 400, body)
    assert response.json()["code"] == "conversion_rejected"
    told = purchase(post, publishable_key=shop.keys["secret_key"]).json()
    assert told["code"] == "blocked" and told["reason"]


@pytest.mark.parametrize("status", ["paused", "archived"])
def test_one_answer_for_a_program_that_is_not_to_be_had(post, shop, settings, clock, status):
    other = Shop(settings, clock)
    unknown = purchase(post, program_id="prog_nothing")
    foreign = purchase(post, program_id=other.program_id)
    shop.change_program(status=status)
    inactive = purchase(post)
    other.close()
    for response in (unknown, foreign, inactive):
        assert_body(response, 404, '{"error": "Invalid or inactive program"}')


@pytest.mark.parametrize(
    ("commission", "text"), [("10", "9.99"), ("0", "0.00"), ("50.05", "50.04"), ("100", "99.99")]
)
def test_the_commission_is_a_number_with_the_currencys_decimals(post, shop, commission, text):
    shop.change_program(commission={"purchase": {"type": "percentage", "value": commission}})
    assert f'"commission": {text},' in purchase(post).text


# ── the reference's samples ──────────────────────────────────────────────────────────────────────────────────────

CURL_SIGNUP = """{
"program_id": "prog_abc123",
"ref_code": "JOHN123",
"customer_email": "customer@example.com",
"publishable_key": "pk_live_...",
"conversion_type": "signup"
}"""
CURL_PURCHASE = """{
"program_id": "prog_abc123",
"ref_code": "JOHN123",
"customer_email": "customer@example.com",
"publishable_key": "pk_live_...",
"conversion_type": "purchase",
"revenue_amount": 99.99,
"customer_ip": "203.0.113.42",
"customer_user_agent": "Mozilla/5.0..."
}"""
CURL_COUPON = """{
"program_id": "prog_abc123",
"coupon_code": "SAVE20",
"publishable_key": "pk_live_...",
"conversion_type": "purchase",
"revenue_amount": 80.00
}"""
JSON = {"content-type": "application/json"}
# What curl makes of the third sample's misplaced quote, and what else arrives.
CONTENT_TYPES = [
    JSON,
    {"content-type": 'application/json"'},
    {"content-type": "text/plain;charset=UTF-8"},  # the reference's browser sample; sendBeacon
    {"content-type": "application/x-www-form-urlencoded"},
    {"content-type": "nonsense"},
    {},
]


def sample(shop, text):
    return text.replace("prog_abc123", shop.program_id).replace("pk_live_...", shop.keys["publishable_key"])


@pytest.mark.parametrize(
    "headers", CONTENT_TYPES, ids=[each.get("content-type", "none") for each in CONTENT_TYPES]
)
def test_the_three_curl_samples_in_order(client, shop, headers):
    expected = [(CURL_SIGNUP, "0.00"), (CURL_PURCHASE, "9.99"), (CURL_COUPON, "8.00")]
    for text, commission in expected:
        response = client.post(URL, content=sample(shop, text).encode(), headers=headers)
        assert_body(response, 200, SUCCESS.replace("9.99", commission))
    assert [row["score"] for row in shop.rows("SELECT score FROM conversions")] == [0, 0, 0]


def test_the_node_sample_with_and_without_a_cookie(post):
    """JSON.stringify leaves undefined out; the browser's sample names no content type."""
    agent = {"customer_ip": "::ffff:203.0.113.42", "customer_user_agent": "Mozilla/5.0..."}
    assert post(ref_code="JOHN123", customer_email=EMAIL, **PURCHASE, **agent).status_code == 200
    assert_body(post(customer_email="b@example.com", **PURCHASE, **agent), 400, MISSING_FIELDS)
    assert post(coupon_code="SAVE20", **PURCHASE, **agent).status_code == 200


def test_the_flask_sample_with_and_without_a_cookie(post):
    """request.cookies.get() and request.headers.get() give None, which is null."""
    rest = {"customer_ip": "127.0.0.1", "customer_user_agent": None}
    assert post(ref_code="JOHN123", customer_email=EMAIL, **PURCHASE, **rest).status_code == 200
    absent = post(ref_code=None, customer_email=EMAIL, **PURCHASE, **rest)
    assert_body(absent, 400, MISSING_FIELDS)
    assert absent.json()["code"] == "no_referral"


def test_the_address_sample_takes_the_first_of_a_list(post, shop):
    purchase(post, customer_ip=" 203.0.113.42 , 10.0.0.1")
    assert shop.one("SELECT address FROM conversions")["address"] == "203.0.113.42"


# ── hostile bodies ───────────────────────────────────────────────────────────────────────────────────────────────


def deep(levels):
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


RAW = {
    "empty": b"",
    "blank": b" \n",
    "text": b"hello",
    "form": b"program_id=1&ref_code=2",
    "array": b"[1,2]",
    "null": b"null",
    "number": b"12",
    "string": b'"x"',
    "deep": deep(10),
    "very deep": deep(8000),
    "open": b"[" * 16_000,
    "NUL": b'{"customer_email":"a\\u0000@b.example"}',
    "raw NUL": b'{"customer_email":"a\x00"}',
    "NULs": b"\x00" * 100,
    "lone surrogate": b'{"customer_email":"\\ud800@b.example"}',
    "lone surrogate name": b'{"\\udc00":1}',
    "duplicate keys": b'{"program_id":"a","program_id":"b"}',
    "broken UTF-8": b'{"customer_email":"\xff\xfe"}',
    "latin-1": '{"customer_email":"jürgen@b.example"}'.encode("latin-1"),
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"revenue_amount":NaN}',
    "Infinity": b'{"revenue_amount":Infinity}',
    "huge exponent": b'{"revenue_amount":1e999999999999999999999}',
    "17 kB": b'{"a":"' + b"x" * 17_000 + b'"}',
    "2 MB": b'{"a":"' + b"x" * 2_000_000 + b'"}',
    "5 MB": b"x" * 5_000_000,
}


@pytest.mark.parametrize("body", RAW.values(), ids=RAW.keys())
def test_what_is_no_object_is_told_so(client, body):
    response = client.post(URL, content=body)
    assert response.status_code == 400
    found = response.json()
    assert found["error"] == "Invalid request body" and found["message"]
    assert found["code"] == "invalid_body" and found["request_id"]


FIELDS = ["program_id", "publishable_key", "conversion_type", "ref_code", "coupon_code", "customer_email",
          "revenue_amount", "customer_ip", "customer_user_agent", "order_id", "click_id", "currency",
          "customer_id", "metadata", "dry_run"]  # fmt: skip
VALUES = {
    "number": "7",
    "negative": "-1",
    "fraction": "1.5",
    "1e308": "1e308",
    "1e-308": "1e-308",
    "-1e308": "-1e308",
    "1e9999999": "1e9999999",
    "1e-9999999": "1e-9999999",
    "0e9999999": "0e9999999",
    "long integer": "9" * 5000,
    "long fraction": "0." + "1" * 5000,
    "true": "true",
    "array": "[]",
    "array of text": '["x"]',
    "object": "{}",
    "nested": '{"a":{"b":["c"]}}',
    "long text": '"' + "x" * 10_000 + '"',
    "wide text": '"' + "ﷺ" * 1000 + '"',
    "blank": '"   "',
    "control": '"\\u0001\\u001f\\u007f"',
    "bidi": '"\\u202e\\u2066x"',
    "SQL": '"\'; DROP TABLE conversions; --"',
    "JSON in text": '"{\\"$ne\\": null}"',
    "percent": '"%s%n{0}"',
    "not a character": '"\\uffff\\ufffe"',
    "emoji": '"😀@😀.example"',
}


@pytest.mark.parametrize("key", ["publishable_key", "secret_key"])
@pytest.mark.parametrize("field", FIELDS)
def test_no_value_in_any_field_is_a_fault(client, shop, field, key):
    """Each is answered: refused in our shape, or dropped with a warning and accepted."""
    shop.change_affiliate(shop.john_id, limits={"hourly": 1000, "daily": 1000})
    fine = shop.report(ref_code="JOHN123", **PURCHASE, publishable_key=shop.keys[key])
    for number, (name, value) in enumerate(VALUES.items()):
        fields = fine | {"customer_email": f"{name.replace(' ', '')[:20]}.{number}@example.com"}
        fields.pop(field, None)
        body = json.dumps(fields)[:-1] + f', "{field}": {value}}}'
        response = client.post(URL, content=body.encode())
        assert response.status_code in (200, 400, 401, 404, 409), (name, response.text)
        if response.status_code != 200:
            found = response.json()
            assert {"error", "code", "request_id"} <= set(found), name
    assert shop.rows("SELECT * FROM conversions WHERE revenue_minor > 1000000000") == []


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(FIELDS[2:]) | st.text(max_size=8), JSON_VALUES, max_size=6))
def test_no_fields_whatever_are_a_fault(client, shop, fields):
    shop.change_affiliate(shop.john_id, limits={"hourly": 10_000, "daily": 10_000})
    known = {"ref_code": "JOHN123", "customer_email": EMAIL, **PURCHASE}
    for body in (shop.report(**fields), {**shop.report(**known), **fields}):
        response = client.post(URL, content=json.dumps(body).encode())
        assert response.status_code in (200, 400, 401, 404, 409), response.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods(client, method):
    response = client.request(method, URL)
    assert response.status_code == 405
    assert {"error", "code", "request_id"} <= set(response.json())


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_keys_unknown_revoked_and_garbage_are_answered_alike(post, shop, clock):
    stranger = make_key("publishable", "live", b"s" * 28)
    for key in (stranger, "refv_live_" + "x" * 32, "garbage"):
        assert_body(purchase(post, publishable_key=key), 401, INVALID_KEY)
    key_id = shop.one("SELECT id FROM api_keys WHERE kind = 'publishable' AND mode = 'live'")["id"]
    revoke_key(shop.database, key_id, clock())
    assert_body(purchase(post), 401, INVALID_KEY)
    assert purchase(post, publishable_key=shop.keys["secret_key"]).status_code == 200
    assert shop.rows("SELECT * FROM attempts") == []


def test_a_bad_key_is_told_before_bad_fields_but_after_a_bad_body(client, post):
    assert_body(post(publishable_key="garbage"), 401, INVALID_KEY)
    assert client.post(URL, content=b'{"publishable_key": "garbage", "a": 1, "a": 2}').status_code == 400


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_secret_key_as_bearer(post, shop, scheme):
    headers = {"Authorization": f"{scheme} {shop.keys['secret_key']}"}
    assert purchase(post, publishable_key=None, headers=headers).status_code == 200
    assert shop.one("SELECT verified FROM conversions")["verified"] == 1


def test_a_secret_key_in_the_bodys_key_field(post, shop):
    assert purchase(post, publishable_key=shop.keys["secret_key"]).status_code == 200
    assert shop.one("SELECT verified FROM conversions")["verified"] == 1


def test_the_bearer_comes_before_the_body(post, shop):
    assert purchase(post, headers=bearer(shop)).status_code == 200
    assert shop.one("SELECT verified FROM conversions")["verified"] == 1
    assert_body(purchase(post, headers={"Authorization": "Bearer garbage"}), 401, INVALID_KEY)


def test_another_scheme_is_not_ours(post):
    assert purchase(post, headers={"Authorization": "Basic dXNlcjpwYXNz"}).status_code == 200


def test_test_keys_are_kept_apart(post, shop):
    test = {"publishable_key": shop.keys["test_publishable_key"]}
    assert purchase(post, order_id="1").status_code == 200
    assert purchase(post, order_id="1", **test).status_code == 200
    assert purchase(post, order_id="1", **test).status_code == 409
    assert [purchase(post, f"{n}@example.com", **test).status_code for n in "ab"] == [200, 429]
    assert purchase(post, "b@example.com").status_code == 200
    held = shop.rows("SELECT mode, pending_minor FROM standings WHERE affiliate_id = ?", shop.john_id)
    assert {row["mode"]: row["pending_minor"] for row in held} == {"live": 1998, "test": 1998}


# ── the visitor ──────────────────────────────────────────────────────────────────────────────────────────────────

BROWSER = {"Origin": "https://shop.example", "User-Agent": "Firefox/1"}


@pytest.mark.parametrize(
    ("headers", "key", "fields", "address", "agent"),
    [
        (BROWSER, "publishable_key", {}, "198.51.100.9", "Firefox/1"),
        (BROWSER, "publishable_key", {"customer_ip": "203.0.113.42"}, "203.0.113.42", "Firefox/1"),
        (BROWSER, "publishable_key", {"customer_user_agent": "Own"}, "198.51.100.9", "Own"),
        (BROWSER, "secret_key", {}, None, None),
        ({"User-Agent": "requests/2"}, "publishable_key", {}, None, None),
        (BROWSER, "publishable_key", {"customer_ip": "nonsense"}, "198.51.100.9", "Firefox/1"),
    ],
)
def test_only_the_customers_own_browser_speaks_for_the_customer(
    shop, settings, clock, headers, key, fields, address, agent
):
    app = create(settings, clock=clock)
    with TestClient(app, client=("198.51.100.9", 4711)) as client:
        report = shop.report(ref_code="JOHN123", customer_email=EMAIL, **SIGNUP, **fields)
        response = client.post(URL, json=report | {"publishable_key": shop.keys[key]}, headers=headers)
    assert response.status_code == 200
    row = shop.one("SELECT address, agent FROM conversions")
    assert (row["address"], row["agent"]) == (address, agent)


# ── CORS ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_preflight(client):
    response = client.options(
        URL, headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    )
    assert response.status_code in (200, 204) and response.content == b""
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("content-type", "authorization", "idempotency-key"))
    assert "access-control-allow-credentials" not in response.headers


def test_any_page_may_read_the_answers(post, client):
    for response in (
        purchase(post, headers={"Origin": "https://shop.example"}),
        purchase(post, headers={"Origin": "https://shop.example"}),
        client.post(URL, content=b"", headers={"Origin": "null"}),
        post(publishable_key="garbage", headers={"Origin": "https://shop.example"}),
    ):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
    assert "access-control-allow-origin" not in purchase(post).headers


def test_or_those_the_program_lists(post, shop):
    shop.change_program(allowed_origins=["https://shop.example"])
    listed = purchase(post, headers={"Origin": "https://shop.example"})
    assert listed.headers["access-control-allow-origin"] == "https://shop.example"
    other = purchase(post, "b@example.com", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert listed.headers["vary"] == other.headers["vary"] == "Origin"


# ── retries ──────────────────────────────────────────────────────────────────────────────────────────────────────

RETRY = {"Idempotency-Key": "order-1001"}


def test_the_first_answer_again_byte_for_byte_across_a_restart(shop, settings, clock):
    def once(**fields):
        with TestClient(create(settings, clock=clock)) as client:
            report = shop.report(ref_code="JOHN123", customer_email=EMAIL, **PURCHASE, **fields)
            return client.post(URL, json=report, headers=RETRY)

    first, second, other = once(), once(), once(order_id="2")
    assert "idempotent-replayed" not in first.headers
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_remembered_refusal_keeps_its_request_id(post):
    purchase(post)
    first, second = (purchase(post, headers=RETRY) for _ in range(2))
    assert first.status_code == second.status_code == 409
    assert first.content == second.content


@pytest.mark.parametrize("key", ["", "x" * 256, "ümlaut", "tab\there"])
def test_an_unusable_idempotency_key_is_told(client, shop, key):
    report = shop.report(ref_code="JOHN123", customer_email=EMAIL, **PURCHASE)
    response = client.post(URL, json=report, headers=[(b"idempotency-key", key.encode("latin-1"))])
    assert response.status_code == 400
    assert response.json()["fields"] == ["Idempotency-Key"]


def test_a_dry_run_answers_as_it_would(post, shop):
    told = purchase(post, publishable_key=None, headers=bearer(shop), dry_run=True)
    body = told.json()
    assert told.status_code == 200 and body["dry_run"] is True
    assert (body["commission"], body["status"]) == (9.99, "pending")
    assert shop.rows("SELECT * FROM conversions") == shop.rows("SELECT * FROM attempts") == []
    refused = purchase(post, dry_run=True)
    assert (refused.status_code, refused.json()["fields"]) == (400, ["dry_run"])


def test_warnings_are_told_to_a_secret_key_only(post, shop):
    assert "warnings" not in purchase(post, revenue_amount=14.989999999999998).json()
    told = purchase(post, "b@example.com", revenue_amount=14.989999999999998, headers=bearer(shop)).json()
    assert told["warnings"] == ["revenue_amount rounded to 14.99 USD"]
