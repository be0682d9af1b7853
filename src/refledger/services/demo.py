"""The demo merchant: what a newcomer's first calls are made with.

The keys are kept in `demo.json`, so that every start shows the same ones. That is for trying things out only:
no other merchant's keys are kept anywhere.
"""

import os
import tempfile
from pathlib import Path

import orjson

from refledger.core.fingerprints import fingerprint
from refledger.core.ids import make_id
from refledger.core.programs import DEFAULT_COMMISSION, DEFAULT_LIMITS, DEFAULT_WINDOW_DAYS, fold_code
from refledger.services.merchants import Entropy, create_merchant
from refledger.store import merchants as store
from refledger.store.demo import add_demo, slug_is_taken, standing_demo
from refledger.store.engine import Database
from refledger.store.schema import ACCOUNTS

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
    with database.read() as connection:
        known = kept is not None and store.merchant(connection, kept["merchant_id"]) is not None
    if not known:
        kept = create_merchant(database, secret, MERCHANT, now_ms, entropy)
        _write(path, kept)
    program_id, slug = _ensure_program(database, kept["merchant_id"], now_ms, entropy)
    return kept | {"program_id": program_id, "slug": slug, "ref_code": REF_CODE, "coupon_code": COUPON}


def _ensure_program(database: Database, merchant_id: str, now_ms: int, entropy: Entropy) -> tuple[str, str]:
    with database.write() as connection:
        found = standing_demo(connection, merchant_id)
        if found is not None:
            return found
        key = bytes.fromhex(store.merchant(connection, merchant_id)["fingerprint_key"])
        slug = f"demo-{entropy(3).hex()}" if slug_is_taken(connection, "demo") else "demo"
        program = _program(merchant_id, slug, now_ms, entropy)
        john = _affiliate(program, key, "John", "john@affiliate.example", REF_CODE, now_ms, entropy)
        mary = _affiliate(program, key, "Mary", "mary@affiliate.example", "MARY123", now_ms, entropy)
        coupon = _coupon(mary, key, now_ms, entropy)
        standings = [_standing(program, who, mode) for who in (john, mary) for mode in ("live", "test")]
        add_demo(connection, program, [john, mary], [coupon], standings)
    return program["id"], slug


def _program(merchant_id: str, slug: str, now_ms: int, entropy: Entropy) -> dict:
    return {
        "merchant_id": merchant_id,
        "id": make_id("prog", now_ms, entropy(10)),
        "name": "Demo program",
        "slug": slug,
        "currency": "USD",
        "site_url": "https://shop.example",
        "allowed_hosts": "[]",
        "allowed_origins": "[]",
        "window_days": DEFAULT_WINDOW_DAYS,
        "commission": orjson.dumps(DEFAULT_COMMISSION).decode(),
        "repeat_purchases": '"first"',
        "limit_hourly": DEFAULT_LIMITS["hourly"],
        "limit_daily": DEFAULT_LIMITS["daily"],
        "attribution": "last",
        "max_revenue_minor": 1_000_000_000,
        "policy_id": None,
        "status": "active",
        "created_ms": now_ms,
    }


def _affiliate(
    program: dict, key: bytes, name: str, email: str, ref_code: str, now_ms: int, entropy: Entropy
) -> dict:
    return {
        "merchant_id": program["merchant_id"],
        "id": make_id("aff", now_ms, entropy(10)),
        "program_id": program["id"],
        "email": email,
        "name": name,
        "ref_code": ref_code,
        "code_key": fingerprint(key, "code", program["id"], fold_code(ref_code)),
        "status": "active",
        "limit_hourly": None,
        "limit_daily": None,
        "commission": None,
        "known_addresses": "[]",
        "policy_id": None,
        "created_ms": now_ms,
    }


def _coupon(affiliate: dict, key: bytes, now_ms: int, entropy: Entropy) -> dict:
    return {
        "merchant_id": affiliate["merchant_id"],
        "id": make_id("coup", now_ms, entropy(10)),
        "program_id": affiliate["program_id"],
        "affiliate_id": affiliate["id"],
        "code": COUPON,
        "code_key": fingerprint(key, "code", affiliate["program_id"], fold_code(COUPON)),
        "starts_ms": None,
        "ends_ms": None,
        "active": True,
        "created_ms": now_ms,
    }


def _standing(program: dict, affiliate: dict, mode: str) -> dict:
    return {
        "merchant_id": program["merchant_id"],
        "affiliate_id": affiliate["id"],
        "mode": mode,
        "program_id": program["id"],
        "currency": program["currency"],
        "accepted_count": 0,
        "verified_count": 0,
        "last_accepted_ms": 0,
    } | {f"{account}_minor": 0 for account in ACCOUNTS}


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
