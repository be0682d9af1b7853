"""The doors of clicks, asked over HTTP: what they answer, and what is then stored."""

import json
import sqlite3
import time
from contextlib import closing, contextmanager

import psycopg
import pytest
from starlette.testclient import TestClient

from refledger.app import create
from tests.builders import Shop, settings_for

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36"
BROWSER = {"user-agent": CHROME}
PAGE = BROWSER | {"origin": "https://shop.example"}
VISITOR = "198.51.100.7"


@pytest.fixture
def shop(database_url, tmp_path, clock):
    made = Shop(
        settings_for(database_url, tmp_path, trusted_proxies="10.0.0.0/8", log_level="error"),
        clock,
        slug="demo",
        allowed_hosts=["blog.example"],
    )
    yield made
    made.close()


@pytest.fixture
def client(shop, clock):
    with TestClient(create(shop.settings, clock), client=(VISITOR, 50000), follow_redirects=False) as made:
        yield made


def stored(shop, table="clicks", at_least=1):
    """Rows, once there are so many: they are stored a moment after the answer."""
    until = time.monotonic() + 2
    while True:
        rows = shop.rows(f"SELECT * FROM {table} ORDER BY id")
        if len(rows) >= at_least or time.monotonic() > until:
            return rows
        time.sleep(0.005)


def report(shop, **fields):
    return {
        "publishable_key": shop.keys["publishable_key"],
        "program_id": shop.program_id,
        "ref_code": "JOHN123",
        **fields,
    }


# ── the link ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_leads_to_the_site_with_cookies_and_a_click(client, shop):
    answer = client.get(
        "/r/demo/john123?sub_id=mail-7", headers=BROWSER | {"referer": "https://blog.example/p"}
    )
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://shop.example?ref=JOHN123"
    assert answer.headers["cache-control"] == "no-store"
    cookies = answer.headers.get_list("set-cookie")
    tail = "; Max-Age=2592000; Path=/; SameSite=Lax"
    (row,) = stored(shop)
    assert cookies == [f"affiliate_ref=JOHN123{tail}", f"affiliate_click={row['id']}{tail}"]
    assert row["affiliate_id"] == shop.john_id and row["source"] == "link" and row["mode"] == "live"
    assert row["address"] == VISITOR and row["agent"] == CHROME
    assert row["sub_id"] == "mail-7" and row["referrer"] == "https://blog.example/p"


def test_no_personal_data_in_the_target(client):
    answer = client.get("/r/demo/JOHN123?email=a@b.example&sub_id=x", headers=BROWSER)
    assert answer.headers["location"] == "https://shop.example?ref=JOHN123"


def test_secure_cookies_where_the_visitor_spoke_https(shop, clock):
    app = create(shop.settings, clock)
    for peer, secure in (("10.1.2.3", True), (VISITOR, False)):
        with TestClient(app, client=(peer, 1), follow_redirects=False) as client:
            headers = BROWSER | {"x-forwarded-proto": "https"}
            cookies = client.get("/r/demo/JOHN123", headers=headers).headers.get_list("set-cookie")
            assert [cookie.endswith("; Secure") for cookie in cookies] == [secure, secure]
        app = create(shop.settings, clock)


@pytest.mark.parametrize(
    "to, location",
    [
        ("https://blog.example/a?b=1", "https://blog.example/a?b=1&ref=JOHN123"),
        ("https://shop.example/a#b", "https://shop.example/a?ref=JOHN123#b"),
        ("https://evil.example/", "https://shop.example?ref=JOHN123"),
        ("//evil.example", "https://shop.example?ref=JOHN123"),
        ("https://shop.example@evil.example", "https://shop.example?ref=JOHN123"),
        ("https://shop.example/\r\nx: y", "https://shop.example?ref=JOHN123"),
    ],
)
def test_never_an_open_redirect(client, to, location):
    answer = client.get("/r/demo/JOHN123", params={"to": to}, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (302, location)


def test_a_dead_code_loses_no_visitor_and_stores_no_click(client, shop):
    shop.change_affiliate(shop.mary_id, status="paused")
    for code in ("NOBODY", "MARY123", "%00", "a" * 5000):
        answer = client.get(f"/r/demo/{code}", headers=BROWSER)
        assert answer.status_code == 302, code
        assert answer.headers["location"] == "https://shop.example"
        assert "set-cookie" not in answer.headers
    assert stored(shop, at_least=0) == [] and stored(shop, "automated_clicks", at_least=0) == []


def test_an_unknown_slug_is_not_found(client):
    for slug in ("nobody", "%00", "a" * 3000, "ä"):
        answer = client.get(f"/r/{slug}/JOHN123", headers=BROWSER)
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "headers, method, why",
    [
        ({"user-agent": "Googlebot/2.1"}, "GET", "crawler"),
        ({"user-agent": "curl/8"}, "GET", "http_library"),
        ({"user-agent": ""}, "GET", "no_agent"),
        (BROWSER | {"sec-purpose": "prefetch;prerender"}, "GET", "prefetch"),
        (BROWSER | {"purpose": "prefetch"}, "GET", "prefetch"),
        (BROWSER | {"x-moz": "prefetch"}, "GET", "prefetch"),
        (BROWSER, "HEAD", "head"),
    ],
)
def test_what_no_person_did_is_stored_apart(client, shop, headers, method, why):
    answer = client.request(method, "/r/demo/JOHN123", headers=headers)
    assert answer.status_code == 302
    (row,) = stored(shop, "automated_clicks")
    assert row["why"] == why and row["affiliate_id"] == shop.john_id
    assert stored(shop, at_least=0) == []


def test_what_the_browser_wanted_it_for_is_kept(client, shop):
    client.get("/r/demo/JOHN123", headers=BROWSER | {"sec-fetch-dest": "image"})
    assert stored(shop)[0]["dest"] == "image"


def test_only_a_trusted_proxy_is_believed(shop, clock):
    headers = BROWSER | {"x-forwarded-for": "203.0.113.5, 192.0.2.8, 10.9.9.9"}
    for peer, address in ((VISITOR, VISITOR), ("10.1.2.3", "192.0.2.8")):
        with TestClient(create(shop.settings, clock), client=(peer, 1), follow_redirects=False) as client:
            client.get("/r/demo/JOHN123", headers=headers)
        assert stored(shop)[-1]["address"] == address
        shop.run("DELETE FROM clicks")


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_reports_a_click(client, shop):
    fields = {"url": "https://shop.example/x", "referrer": "https://blog.example/", "sub_id": "s"}
    answer = client.post("/v1/track-click", content=json.dumps(report(shop, **fields)), headers=PAGE)
    assert answer.status_code == 202
    (row,) = stored(shop)
    assert answer.json() == {"success": True, "click_id": row["id"]}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert {name: row[name] for name in fields} == fields
    assert (row["source"], row["mode"], row["address"], row["agent"]) == ("page", "live", VISITOR, CHROME)


def test_any_content_type_and_a_test_key(client, shop):
    body = report(shop, publishable_key=shop.keys["test_publishable_key"])
    for content_type in ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json"):
        headers = PAGE | {"content-type": content_type}
        assert client.post("/v1/track-click", content=json.dumps(body), headers=headers).status_code == 202
    assert {row["mode"] for row in stored(shop, at_least=3)} == {"test"}


def test_a_server_reports_for_its_visitor(client, shop):
    fields = {"customer_ip": "203.0.113.42", "customer_user_agent": CHROME}
    headers = {"authorization": f"Bearer {shop.keys['secret_key']}", "user-agent": "node"}
    body = report(shop, **fields)
    del body["publishable_key"]
    assert client.post("/v1/track-click", json=body, headers=headers).status_code == 202
    (row,) = stored(shop)
    assert (row["address"], row["agent"]) == ("203.0.113.42", CHROME)


def test_a_server_is_no_visitor(client, shop):
    assert (
        client.post("/v1/track-click", json=report(shop), headers={"user-agent": "node"}).status_code == 202
    )
    (row,) = stored(shop)
    assert (row["address"], row["agent"], row["address_key"]) == (None, None, row["id"])


def test_a_crawler_that_runs_the_page_is_stored_apart(client, shop):
    client.post("/v1/track-click", json=report(shop), headers=PAGE | {"user-agent": "Googlebot/2.1"})
    assert [row["why"] for row in stored(shop, "automated_clicks")] == ["crawler"]


@pytest.mark.parametrize(
    "change, status, error, fields",
    [
        ({"publishable_key": None}, 401, "Invalid Publishable key", None),
        ({"publishable_key": "refv_live_garbage"}, 401, "Invalid Publishable key", None),
        ({"publishable_key": 7, "program_id": None}, 401, "Invalid Publishable key", None),
        ({"program_id": None, "ref_code": 5}, 400, "Missing required fields", ["program_id"]),
        ({"program_id": "", "ref_code": None}, 400, "Missing required fields", ["program_id", "ref_code"]),
        ({"ref_code": ["x"]}, 400, "Invalid field", ["ref_code"]),
        ({"program_id": "prog_x", "ref_code": "NOBODY"}, 404, "Invalid or inactive program", None),
        ({"ref_code": "NOBODY"}, 404, "Invalid or inactive affiliate code", None),
    ],
)
def test_refusals_in_order(client, shop, change, status, error, fields):
    answer = client.post("/v1/track-click", json=report(shop, **change), headers=PAGE)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json().get("fields") == fields
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a": "\\u0000"}', b"\xff", b'{"a":1,"a":2}', b'{"a": "' + b"x" * 17_000 + b'"}'],
)
def test_bad_bodies(client, body):
    answer = client.post("/v1/track-click", content=body, headers=PAGE)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")


def test_preflight(client):
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    answer = client.options("/v1/track-click", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "content-type" in answer.headers["access-control-allow-headers"].lower()


def test_a_program_may_list_its_origins(client, shop):
    shop.change_program(allowed_origins=["https://shop.example"])
    listed = client.post("/v1/track-click", json=report(shop), headers=PAGE)
    assert listed.status_code == 202
    assert listed.headers["access-control-allow-origin"] == "https://shop.example"
    other = client.post(
        "/v1/track-click", json=report(shop), headers=PAGE | {"origin": "https://other.example"}
    )
    assert (other.status_code, other.json()["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in other.headers
    assert len(stored(shop)) == 1


def test_other_methods(client):
    for method, path in (
        ("POST", "/r/demo/JOHN123"),
        ("GET", "/v1/track-click"),
        ("DELETE", "/v1/track-click"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


# ── every click answered is a click stored ───────────────────────────────────────────────────────────────────────


def test_a_stop_stores_what_was_answered(shop, clock):
    with TestClient(create(shop.settings, clock), client=(VISITOR, 1), follow_redirects=False) as client:
        answered = [client.get("/r/demo/JOHN123", headers=BROWSER).status_code for _ in range(50)]
    assert answered == [302] * 50
    assert len(shop.rows("SELECT id FROM clicks")) == 50


@contextmanager
def locked(database_url):
    """Somebody else writes, for long: on PostgreSQL, to the clicks."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
    else:
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE clicks IN EXCLUSIVE MODE")
            yield


def test_a_locked_database_costs_no_click(database_url, shop, clock):
    settings = settings_for(
        database_url, shop.settings.data_dir, database_wait_s=0.05, max_clicks_waiting=3, log_level="error"
    )
    with TestClient(create(settings, clock), client=(VISITOR, 1), follow_redirects=False) as client:
        with locked(database_url):
            answers = [client.get("/r/demo/JOHN123", headers=BROWSER) for _ in range(5)]
            assert [answer.status_code for answer in answers] == [302, 302, 302, 503, 503]
            assert answers[-1].json()["code"] == "overloaded"
            assert answers[-1].headers["retry-after"] == "1"
            assert shop.rows("SELECT id FROM clicks") == []
        assert len(stored(shop, at_least=3)) == 3
        assert client.get("/r/demo/JOHN123", headers=BROWSER).status_code == 302
    assert len(shop.rows("SELECT id FROM clicks")) == 4


def test_a_change_through_the_api_holds_for_the_next_click(client, shop):
    away = f"/r/{slug_of(shop)}/JOHN123?to=https://other.example/page"
    assert client.get(away, follow_redirects=False).headers["location"].startswith("https://shop.example")
    changed = client.patch(
        f"/v1/programs/{shop.program_id}",
        json={"allowed_hosts": ["other.example"]},
        headers={"Authorization": f"Bearer {shop.keys['secret_key']}"},
    )
    assert changed.status_code == 200
    assert client.get(away, follow_redirects=False).headers["location"].startswith("https://other.example")


def slug_of(shop):
    return shop.one("SELECT slug FROM programs")["slug"]
