"""Whole lives through the doors: a merchant's, and that of someone who holds nothing but the public key."""

import pytest
from starlette.testclient import TestClient

from refledger.app import create
from refledger.services import ledger_check
from tests.builders import EMAIL, PURCHASE, SIGNUP, Shop, settings_for
from tests.journeys.checks import faults

URL = "/v1/track-conversion"


@pytest.fixture
def shop(database_url, tmp_path, clock):
    made = Shop(settings_for(database_url, tmp_path, log_level="error"), clock)
    yield made
    made.close()


@pytest.fixture
def client(shop, clock):
    with TestClient(create(shop.settings, clock=clock)) as opened:
        yield opened


@pytest.fixture
def merchant(client, shop):
    """`merchant(method, path, **json)` with the secret key; answers the body, after a 2xx."""

    def call(method, path, **fields):
        headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
        response = client.request(method, path, json=fields or None, headers=headers)
        assert response.is_success, response.text
        return response.json()

    return call


def track(client, shop, **fields):
    return client.post(URL, json=shop.report(**{"ref_code": "JOHN123", "customer_email": EMAIL, **fields}))


def test_from_the_report_to_the_balance(client, shop, merchant):
    signup = track(client, shop, **SIGNUP).json()
    sale = track(client, shop, order_id="1001", **PURCHASE).json()
    shown = merchant("GET", f"/v1/conversions/{sale['conversion_id']}")
    assert (shown["status"], shown["order_id"], shown["mode"]) == ("pending", "1001", "live")
    assert merchant("POST", f"/v1/conversions/{sale['conversion_id']}/approve")["status"] == "approved"
    assert (
        merchant("POST", f"/v1/conversions/{signup['conversion_id']}/reject", reason="test")["status"]
        == "rejected"
    )
    held = shop.one("SELECT * FROM standings WHERE affiliate_id = ? AND mode = 'live'", shop.john_id)
    assert (held["payable_minor"], held["pending_minor"]) == (999, 0)
    assert merchant("POST", f"/v1/conversions/{sale['conversion_id']}/refund")["status"] == "refunded"
    held = shop.one("SELECT * FROM standings WHERE affiliate_id = ? AND mode = 'live'", shop.john_id)
    assert held["payable_minor"] == 0
    assert faults(shop.settings.database_url) == []


def test_a_released_identity_can_be_taken_and_then_not_reopened(client, shop, merchant):
    first = track(client, shop, order_id="1001", **PURCHASE).json()["conversion_id"]
    merchant("POST", f"/v1/conversions/{first}/reject", reason="mistake")
    second = track(client, shop, order_id="1001", **PURCHASE)
    assert second.status_code == 200
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    reopened = client.post(f"/v1/conversions/{first}/reopen", headers=headers)
    assert reopened.status_code == 409
    merchant("POST", f"/v1/conversions/{second.json()['conversion_id']}/reject", reason="mistake")
    assert merchant("POST", f"/v1/conversions/{first}/reopen")["status"] == "pending"
    assert faults(shop.settings.database_url) == []


def test_a_superseded_squatter_cannot_be_reopened_onto_the_verified_one(client, shop):
    squat = track(client, shop, ref_code="MARY123", **PURCHASE).json()["conversion_id"]
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    report = shop.report(ref_code="JOHN123", customer_email=EMAIL, **PURCHASE)
    assert client.post(URL, json=report, headers=headers).status_code == 200
    assert client.post(f"/v1/conversions/{squat}/reopen", headers=headers).status_code == 409
    assert faults(shop.settings.database_url) == []


def test_a_rate_limited_attempt_accepted_once(client, shop, merchant):
    for name in "ab":
        track(client, shop, customer_email=f"{name}@example.com", **PURCHASE)
    assert track(client, shop, **PURCHASE).status_code == 429
    (attempt,) = [each for each in merchant("GET", "/v1/attempts")["data"] if each["code"] == "rate_limited"]
    merchant("POST", f"/v1/attempts/{attempt['id']}/accept")
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    assert client.post(f"/v1/attempts/{attempt['id']}/accept", headers=headers).status_code == 409
    assert track(client, shop, **PURCHASE).status_code == 409
    assert len(shop.rows("SELECT id FROM conversions WHERE email = ?", EMAIL)) == 1
    assert faults(shop.settings.database_url) == []


def test_a_retried_and_then_accepted_attempt_pays_once(client, shop, merchant, clock):
    for name in "ab":
        track(client, shop, customer_email=f"{name}@example.com", **PURCHASE)
    assert track(client, shop, **PURCHASE).status_code == 429
    clock.advance_s(3600)
    assert track(client, shop, **PURCHASE).status_code == 200
    attempt = shop.one("SELECT id FROM attempts")["id"]
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    assert client.post(f"/v1/attempts/{attempt}/accept", headers=headers).status_code == 409
    assert faults(shop.settings.database_url) == []


# ── nothing but the public key ───────────────────────────────────────────────────────────────────────────────────


def reads(client):
    """Every GET of the management API, by its own description; path parameters filled with something."""
    paths = client.get("/openapi.json").json()["paths"]
    return sorted(
        (method, path) for path, methods in paths.items() for method in methods if path.startswith("/v1/")
    )


def test_a_publishable_key_reads_and_changes_nothing(client, shop):
    sale = track(client, shop, **PURCHASE).json()["conversion_id"]
    headers = {"Authorization": f"Bearer {shop.keys['publishable_key']}"}
    refused = 0
    for method, path in reads(client):
        if path in (URL, "/v1/track-click"):
            continue
        address = path.replace("{conversion_id}", sale)
        for name in ("program_id", "affiliate_id", "coupon_id"):
            address = address.replace(f"{{{name}}}", getattr(shop, name, shop.john_id))
        response = client.request(method.upper(), address, headers=headers, json={})
        assert response.status_code == 401, (method, path, response.text)
        assert sale not in response.text
        refused += 1
    assert refused > 15
    assert shop.one("SELECT decision FROM conversions")["decision"] == "pending"


def test_it_creates_unverified_pending_things_only(client, shop):
    attempts = [
        {"status": "approved"},
        {"verified": True},
        {"decision": "approved"},
        {"merchant_id": "mer_1"},
        {"mode": "live"},
        {"commission": 1_000_000},
        {"at_ms": 1},
    ]
    shop.change_affiliate(shop.john_id, limits={"hourly": 100, "daily": 100})
    for number, more in enumerate(attempts):
        response = track(client, shop, customer_email=f"{'abcdefg'[number]}@example.com", **PURCHASE, **more)
        assert response.status_code == 200
    rows = shop.rows("SELECT * FROM conversions")
    assert {(row["verified"], row["decision"], row["commission_minor"]) for row in rows} == {
        (0, "pending", 999)
    }
    assert {row["at_ms"] for row in rows} == {shop.clock()}


def test_a_duplicate_tells_the_public_key_nothing_of_whose_it_is(client, shop):
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    report = shop.report(ref_code="MARY123", customer_email=EMAIL, **PURCHASE)
    known = client.post(URL, json=report, headers=headers).json()["conversion_id"]
    response = track(client, shop, **PURCHASE)
    assert response.status_code == 409
    assert known not in response.text and shop.mary_id not in response.text


def test_the_services_own_proof_of_the_ledger_agrees(client, shop):
    track(client, shop, **PURCHASE)
    assert list(ledger_check.verify(shop.database)) == []
    shop.run("UPDATE standings SET pending_minor = 0, expense_minor = 0")
    assert list(ledger_check.verify(shop.database))
    assert faults(shop.settings.database_url)
