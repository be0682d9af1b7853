"""The whole application over HTTP semantics, on a database of its own, and merchants who call it."""

import os
from dataclasses import dataclass

import pytest
from starlette.testclient import TestClient

from refledger import app
from refledger.services import merchants
from tests.builders import settings_for


@pytest.fixture
def settings(database_url, tmp_path):
    return settings_for(database_url, tmp_path, log_level="error")


@pytest.fixture
def secret(settings):
    return settings.secret_bytes()


@pytest.fixture
def application(settings, clock):
    return app.create(settings, clock, os.urandom)


@pytest.fixture
def http(application):
    """A fault is an exception here, so no test takes one for an answer."""
    with TestClient(application, follow_redirects=False) as client:
        yield client


@dataclass
class Merchant:
    """A merchant at the door, with either key; `program` and the rest make what a test needs around it."""

    http: TestClient
    keys: dict
    mode: str = "live"

    def __call__(self, method, path, json=None, **options):
        key = self.keys["secret_key" if self.mode == "live" else "test_secret_key"]
        headers = {"Authorization": f"Bearer {key}"} | options.pop("headers", {})
        return self.http.request(method, path, json=json, headers=headers, **options)

    def get(self, path, **params):
        return self("GET", path, params=params)

    def post(self, path, json=None, **options):
        return self("POST", path, json, **options)

    def patch(self, path, json):
        return self("PATCH", path, json)

    def made(self, path, json):
        response = self.post(path, json)
        assert response.status_code == 201, response.text
        return response.json()

    def program(self, **more):
        return self.made(
            "/v1/programs", {"name": "Shop", "currency": "USD", "site": "https://shop.example"} | more
        )

    def affiliate(self, program, **more):
        path = f"/v1/programs/{program['id']}/affiliates"
        return self.made(path, {"email": "john@affiliate.example", "ref_code": "JOHN123"} | more)

    def coupon(self, program, affiliate, **more):
        path = f"/v1/programs/{program['id']}/coupons"
        return self.made(path, {"affiliate_id": affiliate["id"], "code": "SAVE20"} | more)

    def track(self, program, **more):
        """A purchase of 99.99 by the code JOHN123, unless `more` says otherwise; the raw answer."""
        report = {
            "program_id": program["id"],
            "conversion_type": "purchase",
            "ref_code": "JOHN123",
            "customer_email": "customer@example.com",
            "revenue_amount": 99.99,
        }
        return self.post("/v1/track-conversion", report | more)

    def conversion(self, program, **more):
        response = self.track(program, **more)
        assert response.status_code == 200, response.text
        return response.json()["conversion_id"]


@pytest.fixture
def shop(http, merchant):
    return Merchant(http, merchant)


@pytest.fixture
def testing(http, merchant):
    """The same merchant with the test key."""
    return Merchant(http, merchant, "test")


@pytest.fixture
def stranger(http, database, clock, secret):
    """Another merchant."""
    return Merchant(http, merchants.create_merchant(database, secret, "Other shop", clock.now_ms))
