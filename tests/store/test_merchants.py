import pytest

from refledger.core.keys import hash_key, read_key
from refledger.services import merchants


def rows(database, statement):
    with database.read() as connection:
        return connection.exec_driver_sql(statement).fetchall()


def test_a_merchant_begins_with_four_keys_that_lead_to_them(database, merchant, secret):
    shapes = {name: read_key(merchant[name]) for name, _, _ in merchants.FIRST_KEYS}
    assert {name: (shape.kind, shape.mode) for name, shape in shapes.items()} == {
        name: (kind, mode) for name, kind, mode in merchants.FIRST_KEYS
    }
    routes = dict(rows(database, "SELECT key_hash, merchant_id FROM api_key_routes"))
    assert routes == {hash_key(merchant[name], secret): merchant["merchant_id"] for name in shapes}


def test_no_key_is_stored(database, merchant):
    with database.read() as connection:
        dump = str(
            [
                connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall()
                for name in ("api_keys", "api_key_routes", "audit")
            ]
        )
    for name, _, _ in merchants.FIRST_KEYS:
        assert merchant[name] not in dump and merchant[name][-4:] in dump


def test_two_merchants_share_nothing(database, clock, secret, merchant):
    other = merchants.create_merchant(database, secret, "Other", clock.now_ms)
    assert not set(other.values()) & set(merchant.values())
    keys = rows(database, "SELECT fingerprint_key FROM merchants")
    assert len(set(keys)) == 2 and all(len(key) == 64 for (key,) in keys)


def test_a_key_comes_and_goes(database, clock, secret, merchant):
    made = merchants.create_key(
        database, secret, merchant["merchant_id"], "secret", "test", clock.now_ms, "till"
    )
    assert read_key(made["key"]).kind == "secret"
    assert merchants.revoke_key(database, made["id"], clock.advance_s(1))["id"] == made["id"]
    listed = {row["id"]: row for row in merchants.list_keys(database, merchant["merchant_id"])}
    assert listed[made["id"]]["revoked_ms"] == clock.now_ms and len(listed) == 5
    assert all("key_hash" not in row for row in listed.values())
    assert rows(database, "SELECT count(*) FROM api_key_routes") == [(4,)]
    actions = [action for (action,) in rows(database, "SELECT action FROM audit ORDER BY at_ms, action")]
    assert actions == ["key.created", "merchant.created", "key.revoked"]


def test_a_key_is_revoked_once(database, clock, secret, merchant):
    key_id = merchants.list_keys(database, merchant["merchant_id"])[0]["id"]
    merchants.revoke_key(database, key_id, clock.now_ms)
    for unknown in (key_id, "key_nobody"):
        with pytest.raises(merchants.UnknownKey):
            merchants.revoke_key(database, unknown, clock.now_ms)


def test_a_key_needs_its_merchant(database, clock, secret):
    with pytest.raises(merchants.UnknownMerchant):
        merchants.create_key(database, secret, "mer_nobody", "secret", "live", clock.now_ms)


def test_the_only_merchant_need_not_be_named(database, clock, secret):
    with pytest.raises(merchants.UnknownMerchant, match="refledger init"):
        merchants.choose(database, None)
    one = merchants.create_merchant(database, secret, "One", clock.now_ms)["merchant_id"]
    assert merchants.choose(database, None)["merchant_id"] == one
    two = merchants.create_merchant(database, secret, "Two", clock.now_ms)["merchant_id"]
    with pytest.raises(merchants.UnknownMerchant, match="--merchant"):
        merchants.choose(database, None)
    assert merchants.choose(database, two)["name"] == "Two"
