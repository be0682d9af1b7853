"""The schema spread by merchant: PostgreSQL takes every table but the routing ones in pieces, and shops live on it.

The migrations run as they are; each CREATE TABLE is given `PARTITION BY HASH (merchant_id)` on its way. Whether every
key and unique index has the merchant in it is then PostgreSQL's own word: it takes no other on such a table.
"""

import os
import re

import pytest
from sqlalchemy import Column, MetaData, Table, Text, event
from sqlalchemy.exc import NotSupportedError
from starlette.testclient import TestClient

from refledger.app import create
from refledger.services import ledger_check
from refledger.services.housekeeping import KEPT_MS, Housekeeping
from refledger.store import migrate, schema
from refledger.store.engine import Database, now_ms
from tests.builders import AGENT, EMAIL, PURCHASE, SIGNUP, Shop, settings_for
from tests.journeys.checks import faults

pytestmark = pytest.mark.only_on("postgresql", "SQLite has one file")

PIECES = 3
WHOLE = {table.name for table in schema.ROUTING} | {"alembic_version"}
CREATE = re.compile(r"\s*CREATE TABLE (\w+) ")
PARTITIONED = """
SELECT relname AS name, pg_get_partkeydef(oid) AS by,
  (SELECT count(*) FROM pg_inherits WHERE inhparent = pg_class.oid) AS pieces
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'p'"""
INDEXES = """
SELECT indexrelid::regclass AS name, attname AS first FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace"""


def in_pieces(connection, cursor, statement, parameters, context, executemany):
    """A listener: whatever makes a table makes it in pieces, by merchant."""
    made = CREATE.match(statement)
    if made and made[1] not in WHOLE:
        pieces = [
            f"CREATE TABLE {made[1]}_{n} PARTITION OF {made[1]} FOR VALUES WITH (MODULUS {PIECES}, REMAINDER {n})"
            for n in range(PIECES)
        ]
        statement = "; ".join([f"{statement.rstrip()} PARTITION BY HASH (merchant_id)", *pieces])
    return statement, parameters


@pytest.fixture
def spread(empty_url):
    """The address of a database that the migrations have made in pieces."""
    database = Database(empty_url)
    event.listen(database.writer, "before_cursor_execute", in_pieces, retval=True)
    assert migrate.upgrade(database)
    database.close()
    return empty_url


@pytest.fixture
def shops(spread, tmp_path):
    """Several, so that more than one piece has rows."""
    made = [Shop(settings_for(spread, tmp_path, log_level="error"), now_ms) for _ in range(6)]
    yield made
    for each in made:
        each.close()


def test_every_table_but_the_routing_ones_is_in_pieces(shops):
    found = shops[0].rows(PARTITIONED)
    assert {row["name"] for row in found} == set(schema.metadata.tables) - WHOLE
    assert {(row["by"], row["pieces"]) for row in found} == {("HASH (merchant_id)", PIECES)}
    indexes = shops[0].rows(INDEXES)
    assert len(indexes) > len(found)
    assert [row["name"] for row in indexes if row["first"] != "merchant_id"] == []


WITHOUT_THE_MERCHANT = {
    "primary": Table("stray", MetaData(), Column("merchant_id", Text), Column("id", Text, primary_key=True)),
    "unique": Table(
        "stray", MetaData(), Column("merchant_id", Text, primary_key=True), Column("code", Text, unique=True)
    ),
}


@pytest.mark.parametrize("key", WITHOUT_THE_MERCHANT)
def test_a_key_without_the_merchant_is_refused(spread, key):
    """The negative control."""
    database = Database(spread)
    event.listen(database.writer, "before_cursor_execute", in_pieces, retval=True)
    with pytest.raises(NotSupportedError, match="must include all partitioning columns"):
        WITHOUT_THE_MERCHANT[key].create(database.writer)
    database.close()


def test_shops_live_on_it(shops):
    with TestClient(create(shops[0].settings), follow_redirects=False) as client:
        for shop in shops:
            live(shop, client)
    url = shops[0].settings.database_url
    assert list(ledger_check.verify(shops[0].database)) == []
    assert faults(url) == []
    for table in ("conversions", "entries", "standings", "attempts", "events", "clicks"):
        (found,) = shops[0].rows(f"SELECT count(DISTINCT tableoid) AS pieces FROM {table}")
        assert found["pieces"] > 1, table


def live(shop, client):
    """A click, a signup, a sale that displaces, one by coupon, a refused one; approved, refunded, taken back."""

    def track(status, keys="publishable_key", **fields):
        report = shop.report(**{"ref_code": "JOHN123", **fields}) | {"publishable_key": shop.keys[keys]}
        answer = client.post(
            "/v1/track-conversion", json=report, headers={"Idempotency-Key": os.urandom(8).hex()}
        )
        assert answer.status_code == status, answer.text
        return answer.json().get("conversion_id")

    def step(name, conversion_id, **fields):
        answer = client.post(f"/v1/conversions/{conversion_id}/{name}", json=fields, headers=secret)
        assert answer.status_code == 200, answer.text

    secret = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    page = {"Origin": "https://shop.example", "User-Agent": AGENT}
    assert (
        client.post("/v1/track-click", json=shop.report(ref_code="JOHN123"), headers=page).status_code == 202
    )
    assert (
        client.post(
            "/v1/lists", json={"action": "block", "kind": "domain", "value": "bad.example"}, headers=secret
        ).status_code
        == 201
    )
    shop.change_program(limits={"hourly": 100, "daily": 100})
    track(200, customer_email=EMAIL, **SIGNUP)
    track(200, ref_code="MARY123", customer_email="b@example.org", order_id="1", **PURCHASE)
    displacing = track(200, "secret_key", customer_email="b@example.org", order_id="1", **PURCHASE)
    bought = track(
        200, "secret_key", ref_code=None, coupon_code="SAVE20", customer_email="c@example.org", **PURCHASE
    )
    track(400, customer_email="x@bad.example", **PURCHASE)
    track(409, customer_email=EMAIL, **SIGNUP)
    step("approve", displacing)
    step("refund", displacing)
    step("reject", bought, reason="fraud")
    step("reopen", bought)
    step("chargeback", bought)
    (attempt, *_) = client.get("/v1/attempts", headers=secret).json()["data"]
    assert client.get(f"/v1/attempts/{attempt['id']}", headers=secret).status_code == 200
    assert client.get(f"/v1/conversions/{displacing}", headers=secret).json()["status"] == "refunded"


def test_what_is_old_is_forgotten_piece_by_piece(shops, monkeypatch):
    with TestClient(create(shops[0].settings)) as client:
        for shop in shops:
            live(shop, client)
    before = shops[0].rows("SELECT * FROM sightings")
    monkeypatch.setitem(KEPT_MS, "sightings", 0)
    Housekeeping(shops[0].database, now_ms).forget()
    assert before and shops[0].rows("SELECT * FROM sightings") == []
    assert list(ledger_check.verify(shops[0].database)) == []
