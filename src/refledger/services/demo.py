"""The demo merchant: what a newcomer's first calls are made with.

The keys are kept in `demo.json`, so that every start shows the same ones. That is for trying things out only:
no other merchant's keys are kept anywhere.
"""

import os
import tempfile
from pathlib import Path

import orjson

from refledger.core.fingerprints import code_key
from refledger.services import catalogue
from refledger.services.credentials import Tenant
from refledger.services.merchants import ACTOR, create_merchant
from refledger.services.notes import Entropy
from refledger.store import merchants as store
from refledger.store import programs as program_store
from refledger.store.affiliates import holder_of_code
from refledger.store.engine import EVERYONE, Connection, Database

FILE = "demo.json"
MERCHANT = "Demo shop"
REF_CODE = "JOHN123"
COUPON = "SAVE20"


def ensure_demo(
    database: Database, secret: bytes, data_dir: Path, now_ms: int, entropy: Entropy = os.urandom
) -> dict[str, str]:
    """The demo merchant's ids and keys; made where the database holds none of them yet."""
    path = data_dir / FILE
    kept = _read(path)
    with database.read(EVERYONE) as connection:
        known = kept is not None and store.merchant(connection, kept["merchant_id"]) is not None
    if not known:
        kept = create_merchant(database, secret, MERCHANT, now_ms, entropy)
        _write(path, kept)
    with database.write(kept["merchant_id"]) as connection:
        merchant = store.merchant(connection, kept["merchant_id"])
        found, _ = program_store.list_programs(connection, kept["merchant_id"], None, 500, None)
        program = (
            _first_with_john(connection, merchant, found)
            if found
            else _make_program(connection, merchant, now_ms, entropy)
        )
    return kept | {
        "program_id": program["id"],
        "slug": program["slug"],
        "ref_code": REF_CODE,
        "coupon_code": COUPON,
    }


def _first_with_john(connection: Connection, merchant: dict, found: list[dict]) -> dict:
    """Of the merchant's programs, newest first: what was made up besides is dated before it."""
    key = bytes.fromhex(merchant["fingerprint_key"])
    for row in reversed(found):
        if holder_of_code(connection, merchant["merchant_id"], code_key(key, row["id"], REF_CODE)):
            return row
    return found[-1]


def _make_program(connection: Connection, merchant: dict, now_ms: int, entropy: Entropy) -> dict:
    """All of it or nothing, in the caller's transaction."""
    tenant = Tenant(merchant["merchant_id"], ACTOR, "live", bytes.fromhex(merchant["fingerprint_key"]))
    slug = None if program_store.slug_is_taken(connection, "demo") else "demo"
    wanted = {"name": "Demo program", "slug": slug, "currency": "USD", "site_url": "https://shop.example"}
    program = catalogue.create_program(connection, tenant, wanted, now_ms, entropy)

    def affiliate(name: str, ref_code: str) -> dict:
        wanted = {"name": name, "email": f"{name.lower()}@affiliate.example", "ref_code": ref_code}
        return catalogue.create_affiliate(connection, tenant, program["id"], wanted, now_ms, entropy)

    affiliate("John", REF_CODE)
    coupon = {"code": COUPON, "affiliate_id": affiliate("Mary", "MARY123")["id"]}
    catalogue.create_coupon(connection, tenant, program["id"], coupon, now_ms, entropy)
    return program


def _read(path: Path) -> dict | None:
    try:
        kept = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return kept if isinstance(kept, dict) and "merchant_id" in kept else None


def _write(path: Path, kept: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".demo-", dir=path.parent)  # mkstemp gives 0600
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    os.replace(draft, path)
