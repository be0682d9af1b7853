"""A merchant begins, and their keys come and go. A key is shown once, here: what is stored is a hash."""

import os
import unicodedata

from refledger.core.ids import make_id, make_short_id
from refledger.core.keys import ENTROPY_BYTES, hash_key, hint, make_key
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy, note
from refledger.store import merchants as store
from refledger.store.engine import EVERYONE, Database

FIRST_KEYS = (
    ("publishable_key", "publishable", "live"),
    ("secret_key", "secret", "live"),
    ("test_publishable_key", "publishable", "test"),
    ("test_secret_key", "secret", "test"),
)
ACTOR = "cli"
NAME_LENGTH = 200


class UnknownMerchant(Exception):
    """No merchant of that id, or more than one to choose from."""


class UnusableName(Exception):
    """A name that nobody could read; the message says why."""


class UnknownKey(Exception):
    """No key of that id in force."""


def usable_name(given: str) -> str:
    """A merchant's name as it is stored, without space around it. Raises `UnusableName`."""
    name = given.strip()
    if not name:
        raise UnusableName("a merchant needs a name: --name is empty")
    if len(name) > NAME_LENGTH:
        raise UnusableName(f"--name has {len(name)} characters, a merchant's name has {NAME_LENGTH} at most")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in name):
        raise UnusableName("--name has line breaks or other characters that are no text")
    return name


def create_merchant(
    database: Database, secret: bytes, name: str, now_ms: int, entropy: Entropy = os.urandom
) -> dict[str, str]:
    """`merchant_id` and the four keys by name, the only time they are seen."""
    merchant_id = make_short_id("mer", entropy(7))
    made, rows = {"merchant_id": merchant_id}, []
    for label, kind, mode in FIRST_KEYS:
        made[label], row = _make(secret, merchant_id, kind, mode, "", now_ms, entropy)
        rows.append(row)
    with database.write(merchant_id) as connection:
        store.add_merchant(
            connection,
            {
                "merchant_id": merchant_id,
                "name": name,
                "fingerprint_key": entropy(32).hex(),
                "setup_version": 0,
                "sealed_ms": 0,
                "lists_version": 0,
                "created_ms": now_ms,
            },
        )
        store.add_keys(connection, rows)
        note(
            connection,
            _cli(merchant_id, "live"),
            "merchant.created",
            merchant_id,
            {"name": [None, name]},
            now_ms,
            entropy,
        )
    return made


def create_key(
    database: Database,
    secret: bytes,
    merchant_id: str,
    kind: str,
    mode: str,
    now_ms: int,
    label: str = "",
    entropy: Entropy = os.urandom,
) -> dict[str, str]:
    """`id` and `key`, the only time the key is seen."""
    key, row = _make(secret, merchant_id, kind, mode, label, now_ms, entropy)
    changes = {name: [None, row[name]] for name in ("kind", "hint", "label")}
    with database.write(merchant_id) as connection:
        if store.merchant(connection, merchant_id) is None:
            raise UnknownMerchant(merchant_id)
        store.add_keys(connection, [row])
        note(connection, _cli(merchant_id, mode), "key.created", row["id"], changes, now_ms, entropy)
    return {"id": row["id"], "key": key}


def list_keys(database: Database, merchant_id: str) -> list[dict]:
    """Without their hashes; revoked ones too."""
    with database.read(merchant_id) as connection:
        rows = store.keys_of(connection, merchant_id)
    return [{name: value for name, value in row.items() if name != "key_hash"} for row in rows]


def revoke_key(database: Database, key_id: str, now_ms: int, entropy: Entropy = os.urandom) -> dict:
    """From the commit on the key is unknown. Raises `UnknownKey`."""
    with database.write(EVERYONE) as connection:
        row = next(iter(store.find_keys(connection, key_id)), None)
        if row is None or not store.revoke_key(connection, row["merchant_id"], key_id, now_ms):
            raise UnknownKey(key_id)
        changes = {"revoked_ms": [None, now_ms]}
        note(
            connection, _cli(row["merchant_id"], row["mode"]), "key.revoked", key_id, changes, now_ms, entropy
        )
    return {"id": key_id, "merchant_id": row["merchant_id"], "hint": row["hint"]}


def choose(database: Database, merchant_id: str | None) -> dict:
    """The merchant of that id, or the only one there is. Raises `UnknownMerchant` with words."""
    with database.read(EVERYONE) as connection:
        found = store.all_merchants(connection)
    if merchant_id is not None:
        found = [row for row in found if row["merchant_id"] == merchant_id]
        if not found:
            raise UnknownMerchant(f"there is no merchant {merchant_id}")
    if not found:
        raise UnknownMerchant("there is no merchant yet: make one with `refledger init --name NAME`")
    if len(found) > 1:
        ids = ", ".join(f"{row['merchant_id']} ({row['name']})" for row in found)
        raise UnknownMerchant(f"say which merchant is meant with --merchant: {ids}")
    return found[0]


def _make(
    secret: bytes, merchant_id: str, kind: str, mode: str, label: str, now_ms: int, entropy: Entropy
) -> tuple[str, dict]:
    key = make_key(kind, mode, entropy(ENTROPY_BYTES))
    return key, {
        "merchant_id": merchant_id,
        "id": make_id("key", now_ms, entropy(10)),
        "kind": kind,
        "mode": mode,
        "hint": hint(key),
        "key_hash": hash_key(key, secret),
        "label": label,
        "created_ms": now_ms,
        "revoked_ms": None,
    }


def _cli(merchant_id: str, mode: str) -> Tenant:
    """Who acts, for the audit: nobody with a key."""
    return Tenant(merchant_id, ACTOR, mode, b"")
