"""Who is calling: from the key of a request to the merchant it belongs to. Nothing is remembered between calls."""

from dataclasses import dataclass

from refledger.core.keys import hash_key, read_key
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.store import credentials as store
from refledger.store.engine import Database


@dataclass(frozen=True, slots=True)
class Tenant:
    """The merchant on whose behalf a call is made, and the key it is made with."""

    merchant_id: str
    key_id: str
    mode: str  # live | test
    fingerprint_key: bytes
    kind: str = "secret"  # publishable | secret


def secret_key_tenant(database: Database, secret: bytes, authorization: str | None) -> Tenant:
    """The caller behind `Authorization: Bearer refv_sk_…`; anything else raises `Refused`, in the same words."""
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    shape = read_key(key) if scheme.lower() == "bearer" else None
    if shape is None or shape.kind != "secret":
        raise Refused(Refusal(Reason.SECRET_KEY_REQUIRED))
    with database.read() as connection:
        found = store.key_in_force(connection, hash_key(key, secret))
    if found is None or found["kind"] != "secret":
        raise Refused(Refusal(Reason.SECRET_KEY_REQUIRED))
    return Tenant(
        found["merchant_id"],
        found["key_id"],
        found["mode"],
        bytes.fromhex(found["fingerprint_key"]),
        found["kind"],
    )
