"""The door itself: who may come in, what a body may hold, and the one shape of every no."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from refledger.core.keys import make_key
from refledger.services import merchants
from refledger.web.api.door import MAX_BODY_BYTES

UNKNOWN = "00000000000000000000000000"


def refused(response, status, code):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["request_id"].startswith("req_")
    return body


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer garbage",
        "Basic dTpw",
        "Bearer refv_sk_live_0000000000000000000000000000aaaa",
        f"Bearer {make_key('secret', 'live', bytes(28))}",  # well formed, nobody's
        "Bearer {publishable_key}",
        "Basic {secret_key}",
        "{secret_key}",
        "Bearer {secret_key}x",
    ],
)
def test_only_a_secret_key_comes_in(http, merchant, header):
    headers = {"Authorization": header.format(**merchant)} if header is not None else {}
    for method, path in [("GET", "/v1/conversions"), ("POST", "/v1/programs"), ("GET", "/v1/programs/x")]:
        response = http.request(method, path, headers=headers, content=b"{not json")
        assert refused(response, 401, "secret_key_required")["error"] == "Secret key required"
        assert response.headers["www-authenticate"] == "Bearer"


def test_the_scheme_is_read_without_case(http, merchant):
    headers = {"Authorization": f"bearer {merchant['secret_key']}"}
    assert http.get("/v1/programs", headers=headers).status_code == 200


def test_a_revoked_key_is_out_at_once(shop, database, merchant, clock):
    assert shop.get("/v1/programs").status_code == 200
    keys = merchants.list_keys(database, merchant["merchant_id"])
    key_id = next(key["id"] for key in keys if (key["kind"], key["mode"]) == ("secret", "live"))
    merchants.revoke_key(database, key_id, clock.now_ms)
    refused(shop.get("/v1/programs"), 401, "secret_key_required")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": "a", "name": "b"}',
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\\u0000"}',
        b'{"\\u0000": 1}',
        b"[" * 100_000,
        b'{"a":' * 30 + b"1" + b"}" * 30,
        b'{"window_days": ' + b"1" * 5000 + b"}",
        b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}',
        b"'",
    ],
)
def test_unreadable_bodies_are_refused_in_words(shop, body):
    assert "body" in refused(shop("POST", "/v1/programs", content=body), 400, "invalid_body")["message"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b'"x"', b"1e999", b"{}", b"true"])
def test_bodies_of_another_kind_are_refused(shop, body):
    refused(shop("POST", "/v1/programs", content=body), 400, "invalid_request")


def test_long_strings_and_many_unknown_fields_are_refused_briefly(shop):
    response = shop.post("/v1/programs", {"name": "x" * 1_000_000})
    assert len(refused(response, 400, "invalid_request")["message"]) < 2100
    response = shop.post("/v1/programs", {f"field_{n}": n for n in range(10_000)})
    assert len(refused(response, 400, "invalid_request")["fields"]) == 100


def test_a_long_number_is_refused_in_plain_words(shop):
    body = b'{"window_days": ' + b"1" * 5000 + b"}"
    answer = refused(shop("POST", "/v1/programs", content=body), 400, "invalid_body")
    assert answer["message"] == "The body is not usable JSON: a number has more than 100 digits"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "x"])
def test_json_is_read_under_any_content_type(shop, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    response = shop("POST", "/v1/programs", content=json.dumps({"name": "Shop"}), headers=headers)
    assert response.status_code == 201


# ── paths and query strings ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    [
        "/v1/programs/%00",
        "/v1/programs/%ED%A0%80",
        "/v1/programs/%F0%9F%92%A9",
        "/v1/programs/prog_" + "x" * 5000,
        "/v1/programs/prog_%27%20OR%201=1",
        "/v1/conversions/conv_",
        "/v1/attempts/%20",
        "/v1/nothing",
        f"/v1/affiliates/aff_{UNKNOWN}/balance",
    ],
)
def test_odd_paths_are_not_found(shop, path):
    refused(shop("GET", path), 404, "not_found")


def test_other_methods_are_named(shop):
    response = shop("DELETE", "/v1/programs")
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=1e3", "limit"),
        ("limit=", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=Li4vLi4", "cursor"),
        ("cursor=" + "A" * 5000, "cursor"),
        ("created_from=yesterday", "created_from"),
        ("created_from=2026-01-01", "created_from"),
        ("created_to=2026-02-30T00:00:00Z", "created_to"),
        ("created_to=9999-12-31T23:59:59-23:59", "created_to"),
        ("status=lost", "status"),
        ("type=lead", "type"),
        ("email=%00", "email"),
        ("email=" + "x" * 321, "email"),
        ("program_id=" + "x" * 201, "program_id"),
        ("color=red", "color"),
        ("limit=5&limit=0", "limit"),
    ],
)
def test_bad_queries_name_their_field(shop, query, field):
    body = refused(shop("GET", f"/v1/conversions?{query}"), 400, "invalid_request")
    assert body["fields"] == [field] and body["errors"][field]


def test_the_longest_address_can_be_asked_for(shop):
    assert shop.get("/v1/conversions", email=f"{'x' * 64}@{'y' * 255}").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["conversions", "attempts", "clicks", "audit", "programs", "lists"],
)
def test_every_listing_is_empty_in_the_same_shape(stranger, path):
    found = stranger.get(f"/v1/{path}", limit=500, **({"action": "block"} if path == "lists" else {})).json()
    if path == "audit":
        assert [each["action"] for each in found.pop("data")] == ["merchant.created"]
    else:
        assert found.pop("data") == []
    found.pop("not_kept", None)
    assert found == {"has_more": False, "next_cursor": None}


# ── idempotency ──────────────────────────────────────────────────────────────────────────────────


def keyed(who, path, body, key="k1"):
    return who.post(path, body, headers={"Idempotency-Key": key})


def test_a_repeated_call_gets_the_first_answer(shop):
    first = keyed(shop, "/v1/programs", {"name": "Shop"})
    again = keyed(shop, "/v1/programs", {"name": "Shop"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(shop.get("/v1/programs").json()["data"]) == 1
    # Negative control: without the key, or with another, it is another call.
    assert shop.post("/v1/programs", {"name": "Shop"}).content != first.content
    assert keyed(shop, "/v1/programs", {"name": "Shop"}, "k2").content != first.content


def test_a_key_is_its_own_in_each_mode_endpoint_and_merchant(shop, testing, stranger):
    first = keyed(shop, "/v1/programs", {"name": "Shop"}).json()
    for who in (testing, stranger):
        response = keyed(who, "/v1/programs", {"name": "Shop"})
        assert "idempotent-replayed" not in response.headers
        assert response.json()["id"] != first["id"]
    path = f"/v1/programs/{first['id']}/affiliates"
    assert keyed(shop, path, {"email": "x@affiliate.example"}).status_code == 201


def test_another_body_under_the_key_is_refused(shop):
    keyed(shop, "/v1/programs", {"name": "Shop"})
    refused(keyed(shop, "/v1/programs", {"name": "Other"}), 422, "idempotency_mismatch")


def test_a_conflict_is_remembered_and_an_invalid_request_is_not(shop):
    shop.program(slug="taken")
    wanted = {"name": "Shop", "slug": "taken"}
    first = keyed(shop, "/v1/programs", wanted)
    refused(first, 409, "conflict")
    assert keyed(shop, "/v1/programs", wanted).content == first.content
    assert keyed(shop, "/v1/programs", wanted).headers["idempotent-replayed"] == "true"
    refused(keyed(shop, "/v1/programs", {"name": "", "slug": "taken"}, "k2"), 400, "invalid_request")
    assert keyed(shop, "/v1/programs", {"name": "Shop"}, "k2").status_code == 201


def test_a_key_is_forgotten_after_400_days(shop, clock):
    first = keyed(shop, "/v1/programs", {"name": "Shop"}).json()["id"]
    clock.advance_s(400 * 86400 - 1)
    assert keyed(shop, "/v1/programs", {"name": "Shop"}).json()["id"] == first
    clock.advance_s(1)
    assert keyed(shop, "/v1/programs", {"name": "Shop"}).json()["id"] != first


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
def test_a_bad_key_is_refused(shop, key):
    response = shop.post("/v1/programs", {"name": "Shop"}, headers={"Idempotency-Key": key.encode("latin-1")})
    assert refused(response, 400, "invalid_request")["fields"] == ["Idempotency-Key"]


def test_steps_are_repeatable(shop):
    program = shop.program()
    shop.affiliate(program)
    conversion_id = shop.conversion(program)
    path = f"/v1/conversions/{conversion_id}/approve"
    first = keyed(shop, path, None)
    assert keyed(shop, path, None).content == first.content
    refused(shop.post(path), 409, "illegal_status")
    bulk = {"action": "reject", "ids": [conversion_id]}
    first = keyed(shop, "/v1/conversions/bulk", bulk)
    assert keyed(shop, "/v1/conversions/bulk", bulk).content == first.content


def test_calls_at_the_same_time_make_one_thing(shop, http):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: keyed(shop, "/v1/programs", {"name": "Shop"}), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 15


# ── when the database cannot ─────────────────────────────────────────────────────────────────────


@pytest.mark.only_on("sqlite", "the file is kept from growing; PostgreSQL's faults stand with the journeys")
def test_a_full_disk_is_a_clean_503_and_leaves_nothing(shop, application):
    database = application.state.api_house.database
    wanted = {"name": "Shop", "allowed_hosts": [f"{'x' * 60}{n}.example" for n in range(100)]}
    with database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    response = shop.post("/v1/programs", wanted)
    refused(response, 503, "unavailable")
    assert response.headers["retry-after"] == "2"
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert shop.get("/v1/programs").json()["data"] == []
    assert shop.post("/v1/programs", wanted).status_code == 201


# ── tenants ──────────────────────────────────────────────────────────────────────────────────────


def test_tenants_never_meet(shop, stranger, application):
    """Every route with a foreign id answers as it does for an id that nobody has."""
    program = shop.program()
    john = shop.affiliate(program)
    foreign = {
        "program_id": program["id"],
        "affiliate_id": john["id"],
        "coupon_id": shop.coupon(program, john)["id"],
        "conversion_id": shop.conversion(program),
        "attempt_id": attempt_id(shop, program),
        "entry_id": shop.made("/v1/lists", {"action": "block", "kind": "domain", "value": "x.example"})["id"],
    }
    assert shop.post(f"/v1/conversions/{foreign['conversion_id']}/approve").status_code == 200
    foreign["payout_id"] = shop.made("/v1/payouts", {"program_id": program["id"]})["id"]
    bodies = {
        "/v1/programs/{program_id}/affiliates": {"email": "x@affiliate.example"},
        "/v1/programs/{program_id}/coupons": {"affiliate_id": john["id"], "code": "X"},
        "/v1/conversions/{conversion_id}/adjust": {"revenue_amount": "1.00"},
        "/v1/payouts/{payout_id}/items/{affiliate_id}/failed": {"reason": "account closed"},
    }
    tried = 0
    for path, item in application.openapi()["paths"].items():
        names = [name for name in foreign if f"{{{name}}}" in path]
        for method in item if names else ():
            unknown = {name: f"{foreign[name].partition('_')[0]}_{UNKNOWN}" for name in names}
            theirs, nobodys = (path.format(**ids, version=1) for ids in (foreign, unknown))
            body = bodies.get(path, {}) if method != "get" else None
            first, second = (stranger(method.upper(), each, body).json() for each in (theirs, nobodys))
            assert first["code"] == "not_found", (method, path)
            assert first | {"request_id": ""} == second | {"request_id": ""}, (method, path)
            tried += 1
    assert tried >= 20
    for path in ("programs", "conversions", "attempts", "clicks", "lists"):
        assert stranger.get(f"/v1/{path}").json()["data"] == []
    assert stranger.get("/v1/audit", subject_id=program["id"]).json()["data"] == []
    # Negative control: their owner sees every one of them.
    assert shop.get(f"/v1/conversions/{foreign['conversion_id']}").status_code == 200
    assert shop.get(f"/v1/attempts/{foreign['attempt_id']}").status_code == 200


def test_foreign_ids_in_bodies_are_unknown_ones(shop, stranger):
    mine, theirs = shop.program(), stranger.program()
    their_john = stranger.affiliate(theirs)
    path = f"/v1/programs/{mine['id']}/coupons"
    for affiliate_id in (their_john["id"], f"aff_{UNKNOWN}"):
        body = refused(shop.post(path, {"affiliate_id": affiliate_id, "code": "X"}), 400, "invalid_request")
        assert body["message"] == "affiliate_id is no affiliate of the program"
    entry = {"action": "block", "kind": "domain", "value": "x.example", "program_id": theirs["id"]}
    refused(shop.post("/v1/lists", entry), 400, "invalid_request")
    results = shop.post("/v1/conversions/bulk", {"action": "approve", "ids": [stranger.conversion(theirs)]})
    assert results.json()["data"][0]["error"]["code"] == "not_found"


def attempt_id(shop, program):
    assert shop.track(program, ref_code="NOBODY").status_code == 404
    return shop.get("/v1/attempts").json()["data"][0]["id"]


@pytest.mark.parametrize("path", ["/v1/track-conversion", "/v1/track-click", "/v1/programs"])
@pytest.mark.parametrize(("megabytes", "closes"), [(2, False), (5, True)])
def test_a_body_that_is_not_read_off_ends_the_connection(shop, path, megabytes, closes):
    """At every door: what is left of it would be taken for the next request, or be waited for."""
    response = shop("POST", path, content=b" " * megabytes * 1024 * 1024)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_body")
    assert (response.headers.get("connection") == "close") is closes
