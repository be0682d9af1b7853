"""The catalogue below the doors: what it stores beside the row it answers."""

import os

import pytest
from sqlalchemy import select

from refledger.core.fingerprints import fingerprint
from refledger.core.refusals import Refused
from refledger.services import catalogue
from refledger.services.credentials import secret_key_tenant
from refledger.store.schema import ACCOUNTS, audit, merchants, slug_routes, standings


@pytest.fixture
def tenant(database, secret, merchant):
    return secret_key_tenant(database, secret, f"Bearer {merchant['secret_key']}")


@pytest.fixture
def program(database, tenant, clock):
    with database.write() as connection:
        return catalogue.create_program(connection, tenant, {"name": "Shop"}, clock.now_ms, os.urandom)


def add_affiliate(database, tenant, program, clock, **wanted):
    wanted = {"email": "john@affiliate.example"} | wanted
    with database.write() as connection:
        return catalogue.create_affiliate(connection, tenant, program["id"], wanted, clock.now_ms, os.urandom)


def rows(database, statement):
    with database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def test_a_tenant_is_known_by_their_secret_key_alone(database, secret, merchant, tenant):
    assert (tenant.merchant_id, tenant.mode, tenant.kind) == (merchant["merchant_id"], "live", "secret")
    stored = rows(database, select(merchants.c.fingerprint_key))
    assert tenant.fingerprint_key.hex() == stored[0]["fingerprint_key"]
    for header in (None, "Bearer x", f"Bearer {merchant['publishable_key']}"):
        with pytest.raises(Refused):
            secret_key_tenant(database, secret, header)
    with pytest.raises(Refused):  # the same key under another installation's secret
        secret_key_tenant(database, b"another", f"Bearer {merchant['secret_key']}")


def test_a_program_is_led_to_by_its_slug(database, tenant, program, clock):
    route = {"slug": "shop", "merchant_id": tenant.merchant_id, "program_id": program["id"]}
    assert rows(database, select(slug_routes)) == [route]
    with database.write() as connection:
        catalogue.update_program(
            connection, tenant, program["id"], {"slug": "moved"}, clock.now_ms, os.urandom
        )
    assert rows(database, select(slug_routes)) == [route | {"slug": "moved"}]


def test_an_affiliate_begins_with_a_standing_of_zeros_in_each_mode(database, tenant, program, clock):
    john = add_affiliate(database, tenant, program, clock)
    found = rows(database, select(standings))
    assert sorted(row["mode"] for row in found) == ["live", "test"]
    for row in found:
        assert (row["affiliate_id"], row["program_id"]) == (john["id"], program["id"])
        assert row["currency"] == "USD"
        assert {row[f"{account}_minor"] for account in ACCOUNTS} == {0}


def test_codes_are_found_by_their_fingerprint_without_case(database, tenant, program, clock):
    john = add_affiliate(database, tenant, program, clock, ref_code="John.123")
    key = fingerprint(tenant.fingerprint_key, "code", program["id"], "john.123")
    assert (john["ref_code"], john["code_key"]) == ("John.123", key)


def test_what_is_refused_leaves_no_trace(database, tenant, program, clock):
    add_affiliate(database, tenant, program, clock, ref_code="JOHN123")
    before = len(rows(database, select(audit)))
    with pytest.raises(Refused):
        add_affiliate(database, tenant, program, clock, ref_code="john123")
    assert len(rows(database, select(audit))) == before
    assert len(rows(database, select(standings))) == 2


def test_each_change_is_noted_with_its_key_and_its_fields(database, tenant, program, clock):
    with database.write() as connection:
        wanted = {"status": "paused", "window_days": 30}
        catalogue.update_program(connection, tenant, program["id"], wanted, clock.now_ms, os.urandom)
    note = rows(database, select(audit).where(audit.c.action == "program.updated"))[0]
    assert (note["actor"], note["subject_id"]) == (tenant.key_id, program["id"])
    assert note["changes"] == '{"status":["active","paused"]}'
