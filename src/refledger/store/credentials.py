"""From the hash of a key to its merchant."""

from sqlalchemy import select

from refledger.store.engine import Connection, see
from refledger.store.merchants import Row
from refledger.store.schema import api_key_routes, api_keys, merchants


def key_in_force(connection: Connection, key_hash: str) -> Row | None:
    """`merchant_id`, `key_id`, `kind`, `mode` and `fingerprint_key`; None where the key is unknown or revoked."""
    route = connection.execute(
        select(api_key_routes.c.merchant_id, api_key_routes.c.key_id).where(
            api_key_routes.c.key_hash == key_hash
        )
    ).first()
    if route is None:
        return None
    see(connection, [route.merchant_id])
    found = connection.execute(
        select(
            api_keys.c.merchant_id,
            api_keys.c.id.label("key_id"),
            api_keys.c.kind,
            api_keys.c.mode,
            merchants.c.fingerprint_key,
        )
        .join(merchants, merchants.c.merchant_id == api_keys.c.merchant_id)
        .where(
            api_keys.c.merchant_id == route.merchant_id,
            api_keys.c.id == route.key_id,
            api_keys.c.key_hash == key_hash,
            api_keys.c.revoked_ms.is_(None),
        )
    )
    row = found.mappings().first()
    return row and dict(row)
