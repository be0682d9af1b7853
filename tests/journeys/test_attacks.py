"""Hostile callers: what no well-meaning client sends, at the open sockets of the running service.

A holder of the public key, another merchant, somebody with a key that was taken away: none makes the service fail,
leads a visitor astray, passes for a new customer by another spelling, or leaves a customer's name in the log.
"""

import json
import socket
import time
import unicodedata

import httpx
import pytest
from starlette.testclient import TestClient

from refledger import app
from refledger.services import merchants
from refledger.store.engine import Database
from tests.builders import PURCHASE, SIGNUP, Shop, settings_for

UNLIMITED = {"hourly": 1_000_000, "daily": 1_000_000}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
KEYS = ("publishable_key", "secret_key", "test_publishable_key", "test_secret_key")


@pytest.fixture
def client(served):
    _, server = served
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as made:
        yield made


def track(client, shop, email, **fields):
    report = {"customer_email": email, **PURCHASE, **fields}
    return client.post("/v1/track-conversion", json=shop.report(**report))


# ── bytes that are hardly HTTP ────────────────────────────────────────────────────────────────────────────────

HOST = b"Host: localhost\r\n"
POST = b"POST /v1/track-conversion HTTP/1.1\r\n" + HOST
ODD = {
    "a path that is no text": b"GET /r/\xff\xfe/JOHN123 HTTP/1.1\r\n" + HOST + b"\r\n",
    "escapes that are no text": b"GET /r/program/%ff%fe%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an escaped surrogate": b"GET /r/program/JOHN123?sub_id=%ed%a0%80%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a query that is no text": b"GET /r/program/JOHN123?to=\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target": b"GET http://evil.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target without a path": b"GET http://evil.example HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "options of everything": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "two slashes": b"GET //evil.example/v1/programs HTTP/1.1\r\n" + HOST + b"\r\n",
    "a host that is none": b"GET /v1/programs/ HTTP/1.1\r\nHost: [::\xff\r\n\r\n",
    "a websocket": b"GET /v1/programs HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40 + b"\r\n\r\n",
    "a method nobody has": b"PROPFIND /r/program/JOHN123 HTTP/1.1\r\n" + HOST + b"\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n{}",
    "a length beyond all numbers": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "a length and chunks": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks that are none": POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    "a key that is no text": POST + b"Authorization: Bearer \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "an idempotency key that is no text": POST + b"Idempotency-Key: \xff\r\nContent-Length: 2\r\n\r\n{}",
    "the same header twice": POST
    + b"Authorization: Bearer a\r\nAuthorization: b\r\nContent-Length: 2\r\n\r\n{}",
    "a NUL in a header": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a long header": b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 6000 + b"\r\n",
    "a long path": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_hardly_http_is_no_fault(served, name):
    _, server = served
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(ODD[name])
        head = connection.recv(65536)
    assert head[:9] == b"HTTP/1.1 "
    assert head[9:10] in b"234", head


def test_the_service_lives_on(served, client):
    """After all of the above, and the negative control: a sound request on such a socket is served."""
    shop, server = served
    body = json.dumps(shop.report(ref_code="NOBODY", customer_email="a@b.example", **SIGNUP)).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
    assert client.get("/readyz").status_code == 200


# ── values nobody means ───────────────────────────────────────────────────────────────────────────────────────

VALUES = (
    None, "", 0, -1, 1.5, 1e308, True, [], {}, [[[[]]]], {"a": {"b": 1}}, "x" * 5000, "é" * 10, 2**63, -(2**63),
    10**400, "9" * 400, "1e5", "NaN", "٣", "-5", "0.0000000001", "\u202e", "a\nb", "\r\nSet-Cookie: a=b", "😀" * 70,
    "%00", "' OR 1=1",
)  # fmt: skip
FIELDS = (
    "program_id", "conversion_type", "ref_code", "coupon_code", "customer_email", "revenue_amount", "customer_ip",
    "customer_user_agent", "order_id", "click_id", "currency", "customer_id", "metadata", "dry_run", "publishable_key",
    "url", "referrer", "sub_id",
)  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/track-conversion", "/v1/track-click"])
def test_no_value_in_any_field_is_a_fault(served, client, path):
    shop, _ = served
    found = set()
    for field in FIELDS:
        for value in VALUES:
            report = shop.report(ref_code="JOHN123", customer_email="values@example.org", **PURCHASE)
            found.add(client.post(path, json=report | {field: value}).status_code)
    assert found <= {200, 202, 400, 401, 404, 409, 429}
    assert {400, 401, 404} <= found


# ── visitors led astray ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example", "https:evil.example", "https:/evil.example", "https:\\\\evil.example", "\thttps://evil.example",
        "https://shop.example@evil.example", "https://shop.example\\@evil.example", "https://shop.example\t.evil.example",
        "https://shop.example.evil.example", "https://shop.example%2eevil.example", "https://shop.example:8080/",
        "https://shop.example:99999/", "https://shop.example./", "https://shop。example/", "https://ｓhop.example/",
        "javascript:alert(1)", "https://[::1]/", "https://shop.example;evil.example", "https://shop.example/\r\nx: y",
        "https://shop.example/\u2028",
    ],
)  # fmt: skip
def test_no_target_leads_elsewhere(client, to):
    answer = client.get("/r/program/JOHN123", params={"to": to}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example?ref=JOHN123")
    assert len(answer.headers.get_list("set-cookie")) == 2


def test_a_target_on_the_shop_is_followed(client):
    """The negative control."""
    answer = client.get("/r/program/JOHN123", params={"to": "https://shop.example/a"}, follow_redirects=False)
    assert answer.headers["location"] == "https://shop.example/a?ref=JOHN123"


@pytest.mark.parametrize("path", ["/v1/programs/", "/healthz/", "/docs/", "/v1/track-conversion/"])
def test_no_slash_leads_to_a_host_of_the_callers_choice(client, path):
    """Nor, behind a proxy that ends TLS, to http with the key in the clear."""
    answer = client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_a_link_with_a_slash_behind_it_is_the_same_link(client):
    answer = client.get("/r/program/JOHN123/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example?ref=JOHN123")


# ── the same customer in another dress ────────────────────────────────────────────────────────────────────────

SPELLINGS = {
    "case": ("dress@case.example", "DRESS@Case.EXAMPLE"),
    "blanks": ("dress@blank.example", "\u00a0\tdress@blank.example\u3000\n"),
    "one letter as two": ("josé@nfc.example", unicodedata.normalize("NFD", "JOSÉ@nfc.example")),
    "a domain's letter as two": ("u@bücher.example", unicodedata.normalize("NFD", "u@bücher.example")),
    "the sign of kelvin": ("kim@kelvin.example", "\u212aim@\u212aelvin.example"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_of_one_address_is_one_customer(served, client, name):
    shop, _ = served
    shop.make_affiliate(f"DRESS{len(name)}", limits=UNLIMITED)
    first, second = SPELLINGS[name]
    found = [track(client, shop, each, ref_code=f"DRESS{len(name)}").status_code for each in (first, second)]
    assert found == [200, 409]


@pytest.mark.parametrize("hidden", ["\u200b", "\u00ad", "\ufeff", "\u2060"])
def test_no_letter_that_cannot_be_seen_makes_another_customer(served, client, hidden):
    shop, _ = served
    for email in (f"{hidden}unseen@hidden.example", f"un{hidden}seen@hidden.example"):
        answer = track(client, shop, email, ref_code="JOHN123")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_email")


@pytest.mark.parametrize(
    "pair", [("mail@wide.example", "mail@ｗide.example"), ("u@xn--kln-sna.example", "u@köln.example")]
)
def test_another_spelling_of_a_domain_goes_to_review(served, client, pair):
    """It is another address, as the contract compares them, but the same mailbox."""
    shop, _ = served
    code = f"DOMAIN{len(pair[0])}"
    shop.make_affiliate(code, limits=UNLIMITED)
    found = [track(client, shop, each, ref_code=code).json()["status"] for each in pair]
    assert found == ["pending", "pending_review"]


# ── what the public key cannot do ─────────────────────────────────────────────────────────────────────────────


def test_squatting_gains_nothing(served, client):
    """Customer, order, limit and idempotency key, all taken first with the public key: the shop's own report wins."""
    shop, _ = served
    affiliate_id = shop.make_affiliate("SQUAT", limits={"hourly": 2, "daily": 2})
    headers = {"Idempotency-Key": "order-77"}
    for number, order in enumerate(("77", "78")):
        squat = shop.report(
            ref_code="SQUAT", customer_email=f"victim{number}v@victim.example", order_id=order, **PURCHASE
        )
        assert client.post("/v1/track-conversion", json=squat, headers=headers).status_code in (200, 422)
    own = shop.report(
        ref_code="SQUAT", customer_email="victim0v@victim.example", order_id="77",
        conversion_type="purchase", revenue_amount=50,
    ) | {"publishable_key": shop.keys["secret_key"]}  # fmt: skip
    answer = client.post("/v1/track-conversion", json=own, headers=headers)
    assert answer.status_code == 200, answer.text
    assert "idempotent-replayed" not in answer.headers
    paid = shop.rows(
        "SELECT pending_minor FROM standings WHERE affiliate_id = ? AND mode = 'live'", affiliate_id
    )
    standing = shop.rows(
        "SELECT sum(commission_minor) AS sum FROM conversions WHERE affiliate_id = ? AND decision <> 'rejected'",
        affiliate_id,
    )
    assert paid[0]["pending_minor"] == standing[0]["sum"]


def test_too_fast_says_nothing_to_the_public(served, client):
    shop, _ = served
    shop.make_affiliate("HASTE", limits=UNLIMITED)
    click = client.post(
        "/v1/track-click",
        json=shop.report(ref_code="HASTE"),
        headers={"Origin": "https://shop.example", "User-Agent": BROWSER},
    ).json()["click_id"]
    answer = track(client, shop, "haste@haste.example", ref_code="HASTE", click_id=click)
    assert answer.status_code == 400
    body = answer.json()
    assert body.pop("request_id")
    assert body == {
        "error": "Conversion rejected",
        "message": "Conversion did not pass validation",
        "code": "conversion_rejected",
    }


def test_a_key_that_is_taken_away_is_out_at_once(served, client):
    """Revoked by another process while the service runs."""
    shop, _ = served
    keys = merchants.create_merchant(shop.database, shop.secret, "Gone", int(time.time() * 1000))
    report = {"program_id": "prog_x", "ref_code": "X", "customer_email": "x@x.example", **SIGNUP}

    def statuses():
        asked = [report | {"publishable_key": keys[name]} for name in KEYS]
        found = [client.post("/v1/track-conversion", json=each).status_code for each in asked]
        bearer = {"Authorization": f"Bearer {keys['secret_key']}"}
        return {*found, client.get("/v1/programs", headers=bearer).status_code}

    assert statuses() == {404, 200}
    other = Database(shop.settings.database_url)
    for key in merchants.list_keys(other, keys["merchant_id"]):
        merchants.revoke_key(other, key["id"], int(time.time() * 1000))
    other.close()
    assert statuses() == {401}


# ── wearing the service down ──────────────────────────────────────────────────────────────────────────────────


def test_what_strangers_send_makes_no_new_metric(client):
    def labels():
        lines = client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if line.startswith("refledger_")}

    client.get("/nothing-of-this-name")
    client.request("BREW", "/nothing-of-this-name")
    client.get("/r/nobody/nothing")
    labels()
    before = labels()
    for number in range(50):
        client.get(f"/nothing/{number}")
        client.request(f"BREW{number}", "/nothing")
        client.get(f"/r/nobody{number}/nothing")
    assert labels() == before
    client.delete("/v1/track-click")  # the negative control: what is counted apart does make one
    assert labels() > before


@pytest.mark.parametrize("path", ["/v1/track-conversion", "/v1/programs", "/nothing-of-this-name"])
def test_no_body_is_read_for_ever(served, path):
    """Nor by doors that need no body to say no; whoever stops in time is told why."""
    _, server = served
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n".encode()
    sent_bytes = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head + b"x" * 100_000)
        if path != "/v1/track-conversion":
            assert connection.recv(65536)[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 404")
        with pytest.raises(ConnectionError):
            while sent_bytes < 64 * 1024 * 1024:
                sent_bytes += connection.send(b"x" * 65536)
    assert sent_bytes < 32 * 1024 * 1024


def test_of_a_long_agent_only_the_beginning_is_searched(served, client):
    """To look through thirty kilobytes would hold every other request up for 40 ms."""
    shop, _ = served
    for agent, table in (
        (BROWSER + " x" * 1000 + " Googlebot", "clicks"),
        (BROWSER + " Googlebot" + " x" * 14_000, "automated_clicks"),
    ):
        sub_id = f"agent-{table}"
        answer = client.get(
            "/r/program/JOHN123", params={"sub_id": sub_id}, headers={"User-Agent": agent}, follow_redirects=False
        )  # fmt: skip
        assert answer.status_code == 302
        until = time.monotonic() + 3
        while not shop.rows(f"SELECT id FROM {table} WHERE sub_id = ?", sub_id):
            assert time.monotonic() < until, table
            time.sleep(0.02)


# ── what the log tells ────────────────────────────────────────────────────────────────────────────────────────


def test_no_customer_key_or_address_in_the_log(database_url, tmp_path, clock, capfd):
    """At its most talkative, over accepted and refused reports, clicks, and calls of the management API."""
    shop = Shop(settings_for(database_url, tmp_path, log_level="debug"), clock)
    told = {"email": "somebody@private.example", "address": "198.51.100.77", "order": "order-0815"}
    with TestClient(app.create(shop.settings, clock), client=("198.51.100.78", 1)) as client:
        for key in (*shop.keys.values(), "refv_live_garbage"):
            fields = {
                "publishable_key": key, "ref_code": "JOHN123", "customer_email": told["email"],
                "order_id": told["order"], "customer_ip": told["address"], **PURCHASE,
            }  # fmt: skip
            client.post("/v1/track-conversion", json=shop.report(**fields))
            client.post(f"/v1/track-click?key={key}", json=shop.report(**fields))
            client.get(
                "/v1/conversions", params={"email": told["email"]}, headers={"Authorization": f"Bearer {key}"}
            )
            client.get(f"/{key}/{told['email']}")
        client.get(
            "/r/program/JOHN123",
            params={"to": f"https://shop.example/?mail={told['email']}"},
            follow_redirects=False,
        )
    shop.close()
    logged = "".join(capfd.readouterr())
    assert logged.count('"request_id":"req_') > 10  # the negative control: it was written, and captured
    assert "198.51.100.0/24" in logged
    for secret in (*shop.keys.values(), *told.values(), "198.51.100.78", "somebody", "private.example"):
        if not secret.startswith("mer_"):
            assert secret not in logged, secret
