"""Tenants never meet: every route of the OpenAPI document, with every foreign id, answers as for an id nobody has.

The routes are taken from the document, so that a new one is tried without a word here; only a new kind of id, or a
body that a new call needs, must be told.
"""

import re

import pytest
from starlette.testclient import TestClient

from refledger import app
from refledger.services import merchants
from tests.builders import PURCHASE, SIGNUP, settings_for
from tests.web.api.conftest import Merchant

UNKNOWN = "01m81js296fcsa49x6fa97gygx"
# What a merchant's key is not needed for: doors with keys of their own, and what says nothing of merchants.
OPEN = {"/v1/track-conversion", "/v1/track-click", "/r/{slug}/{ref_code}", "/healthz", "/readyz", "/metrics"}
# A body that would do, had the caller the id: otherwise the field would be refused before the id is looked at.
BODIES = {
    ("post", "/v1/programs"): {"name": "Shop"},
    ("post", "/v1/programs/{program_id}/affiliates"): {"email": "x@affiliate.example"},
    ("post", "/v1/programs/{program_id}/coupons"): {"affiliate_id": f"aff_{UNKNOWN}", "code": "CODE"},
    ("post", "/v1/conversions/bulk"): {"action": "approve", "ids": [f"conv_{UNKNOWN}"]},
    ("post", "/v1/lists"): {"action": "block", "kind": "domain", "value": "x.example"},
    ("post", "/v1/conversions/{conversion_id}/adjust"): {"revenue_amount": "1.00"},
    ("post", "/v1/payouts/{payout_id}/items/{affiliate_id}/failed"): {"reason": "account closed"},
}
NUMBERS = {"version": "1"}  # in paths behind an id: the owner has what is counted so
MODAL = {
    "conversion_id",
    "attempt_id",
    "payout_id",
    "dispute",
}  # the rest is shared by a merchant's live and test keys


class World:
    """One application; its owner has one of everything, the stranger nothing."""

    def __init__(self, http, application, made):
        self.http, self.document = http, application.openapi()
        self.owner, self.stranger = Merchant(http, made()), Merchant(http, made())
        self.tester = Merchant(http, self.owner.keys, "test")
        self.program = self.owner.program(slug="owner", limits={"hourly": 10})
        john = self.owner.affiliate(self.program)
        self.owner("PUT", f"/v1/programs/{self.program['id']}/policy", {"review_at": 50})
        assert self.owner.track(self.program, ref_code="NOBODY").status_code == 404
        block = {"action": "block", "kind": "domain", "value": "blocked.example"}
        self.ids = {
            "program_id": self.program["id"],
            "affiliate_id": john["id"],
            "coupon_id": self.owner.coupon(self.program, john)["id"],
            "conversion_id": self.owner.conversion(self.program),
            "attempt_id": self.owner.get("/v1/attempts").json()["data"][0]["id"],
            "entry_id": self.owner.made("/v1/lists", block)["id"],
            "payout_id": self._payout(),
            "dispute": self._dispute(),
        }

    def _payout(self):
        paid = self.owner.conversion(self.program, customer_email="paid@example.com")
        assert self.owner.post(f"/v1/conversions/{paid}/approve").status_code == 200
        return self.owner.made("/v1/payouts", {"program_id": self.program["id"]})["id"]

    def _dispute(self):
        disputed = self.owner.conversion(
            self.program, coupon_code="SAVE20", customer_email="sorry@example.com"
        )
        return self.owner.made("/v1/disputes", {"dispute_id": "dp_1", "conversion_id": disputed})["id"]

    def calls(self):
        """(method, path template, names of the ids in it) of all calls that need a secret key."""
        for path, methods in self.document["paths"].items():
            if path not in OPEN:
                for method in methods:
                    yield method, path, re.findall(r"{(\w+)}", path)

    def try_(self, caller, method, path, ids):
        body = None if method in ("get", "delete") else BODIES.get((method, path), {})
        return told(caller(method.upper(), path.format(**ids, **NUMBERS), body))


def told(response):
    """All that an answer tells, without what differs between any two."""
    headers = {
        name: value for name, value in response.headers.items() if name not in ("x-request-id", "date")
    }
    is_json = response.headers.get("content-type", "").startswith("application/json")
    body = response.json() if is_json else response.text
    if isinstance(body, dict):
        body.pop("request_id", None)
    return response.status_code, headers, body


def nobodys(ids):
    return {name: f"{value.partition('_')[0]}_{UNKNOWN}" for name, value in ids.items()}


@pytest.fixture
def world(database_url, tmp_path, database, clock):
    settings = settings_for(database_url, tmp_path, log_level="error")
    application = app.create(settings, clock)

    def made():
        return merchants.create_merchant(database, settings.secret_bytes(), "Shop", clock())

    with TestClient(application, follow_redirects=False) as http:
        yield World(http, application, made)


def test_a_foreign_id_is_an_unknown_id_on_every_route(world):
    tried = 0
    for method, path, names in world.calls():
        if not names:
            continue
        intruders = [world.stranger] + [world.tester] * bool(MODAL & set(names))
        for intruder in intruders:
            foreign = world.try_(intruder, method, path, world.ids)
            assert foreign == world.try_(intruder, method, path, nobodys(world.ids)), (method, path)
            assert (foreign[0], foreign[2]["code"]) == (404, "not_found"), (method, path, foreign)
            tried += 1
    assert tried >= 20


def test_their_owner_finds_them(world):
    """The negative control: the same ids are known to the key they belong to."""
    for method, path, names in world.calls():
        if method == "get" and names:
            status, _, body = world.try_(world.owner, method, path, world.ids)
            assert status == 200, (path, body)


def test_a_foreign_id_narrows_a_listing_as_an_unknown_one(world):
    tried = 0
    for method, path, names in world.calls():
        parameters = world.document["paths"][path][method].get("parameters", [])
        asked = [each["name"] for each in parameters if each["in"] == "query" and each["name"] in world.ids]
        if method != "get" or names:
            continue
        everything = world.stranger.get(path, limit=500).text
        assert not [each for each in world.ids.values() if each in everything], path
        for name in asked:
            answers = [
                told(world.stranger.get(path, **{name: ids[name]})) for ids in (world.ids, nobodys(world.ids))
            ]
            assert answers[0] == answers[1], (path, name)
            tried += 1
    assert tried >= 4


def test_a_foreign_id_in_a_body_is_an_unknown_one(world):
    mine = world.stranger.program()
    bodies = [
        (
            f"/v1/programs/{mine['id']}/coupons",
            lambda ids: {"affiliate_id": ids["affiliate_id"], "code": "C"},
        ),
        ("/v1/lists", lambda ids: BODIES["post", "/v1/lists"] | {"program_id": ids["program_id"]}),
        ("/v1/conversions/bulk", lambda ids: {"action": "reject", "ids": [ids["conversion_id"]]}),
    ]
    for path, body in bodies:
        pair = [told(world.stranger.post(path, body(ids))) for ids in (world.ids, nobodys(world.ids))]
        texts = [str(each).replace(ids["conversion_id"], "ID") for each, ids in
                 zip(pair, (world.ids, nobodys(world.ids)), strict=True)]  # fmt: skip
        assert texts[0] == texts[1], path
    assert world.owner.get(f"/v1/conversions/{world.ids['conversion_id']}").json()["status"] != "rejected"


def test_the_doors_know_no_program_of_others(world):
    report = {"ref_code": "JOHN123", "customer_email": "x@example.org", **SIGNUP}
    for path in ("/v1/track-conversion", "/v1/track-click"):
        for kind in ("publishable_key", "secret_key", "test_publishable_key", "test_secret_key"):
            pair = []
            for ids in (world.ids, nobodys(world.ids)):
                body = report | {
                    "publishable_key": world.stranger.keys[kind],
                    "program_id": ids["program_id"],
                }
                pair.append(told(world.http.post(path, json=body)))
            assert pair[0] == pair[1], (path, kind)
            assert (pair[0][0], pair[0][2]["code"]) == (404, "invalid_program")


def test_codes_orders_and_customers_of_others_are_free(world):
    """Two merchants with the same codes, customers, orders and idempotency keys do not notice each other."""
    program = world.stranger.program(slug="stranger")
    world.stranger.affiliate(program)
    for merchant, of in ((world.owner, world.program), (world.stranger, program)):
        for mode in ("secret_key", "test_secret_key"):
            body = {
                "program_id": of["id"], "publishable_key": merchant.keys[mode], "ref_code": "JOHN123",
                "customer_email": "both@example.net", "order_id": "4711", **PURCHASE,
            }  # fmt: skip
            answer = world.http.post("/v1/track-conversion", json=body, headers={"Idempotency-Key": "one"})
            assert answer.status_code == 200, answer.text
            assert "idempotent-replayed" not in answer.headers


def test_a_publishable_key_reads_nothing(world):
    """On every route it is answered like garbage, with the owner's own ids; a secret key is let in there."""
    garbage = Merchant(world.http, {"secret_key": "refv_sk_live_" + "x" * 32})
    tried = 0
    for method, path, _ in world.calls():
        asked = [
            world.try_(caller, method, path, world.ids)
            for caller in (
                Merchant(world.http, {"secret_key": world.owner.keys["publishable_key"]}),
                Merchant(world.http, {"secret_key": world.owner.keys["test_publishable_key"]}),
                garbage,
            )
        ]
        assert asked[0] == asked[1] == asked[2], (method, path)
        assert (asked[0][0], asked[0][2]["code"]) == (401, "secret_key_required"), (method, path)
        tried += 1
    for method, path, _ in world.calls():
        assert world.try_(world.owner, method, path, world.ids)[0] != 401
    assert tried >= 25


def test_what_the_doors_tell_a_publishable_key_names_nothing(world):
    """Neither ids of others' conversions, nor why one was refused, nor what would become of one."""
    report = {
        "program_id": world.program["id"], "publishable_key": world.owner.keys["publishable_key"],
        "ref_code": "JOHN123", "customer_email": "customer@example.com", **PURCHASE,
    }  # fmt: skip
    block = {"action": "block", "kind": "domain", "value": "refused.example"}
    assert world.owner.post("/v1/lists", block).status_code == 201
    tries = {
        "duplicate": {},
        "conversion_rejected": {"customer_email": "a@refused.example"},
        "invalid_field": {"customer_email": "new@example.org", "dry_run": True},
        "invalid_affiliate": {"ref_code": "NOBODY"},
    }
    for code, fields in tries.items():
        body = world.http.post("/v1/track-conversion", json=report | fields).json()
        assert body["code"] == code, body
        assert set(body) <= {"error", "message", "code", "request_id", "fields"}
    secret = report | {"publishable_key": world.owner.keys["secret_key"]}
    assert "conversion_id" in world.http.post("/v1/track-conversion", json=secret).json()
