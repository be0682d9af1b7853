"""An installation to measure: a migrated database with one merchant, one program and thousands of affiliates."""

import os
import shutil
import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select

from refledger.core.fingerprints import fingerprint
from refledger.core.ids import make_id
from refledger.core.programs import fold_code
from refledger.services import catalogue
from refledger.services.credentials import Tenant
from refledger.services.merchants import create_merchant
from refledger.settings import Settings, load
from refledger.store import merchants, migrate, schema
from refledger.store.engine import Database
from refledger.store.statements import Insert

AFFILIATES = 5_000
# Above what a run can reach, so that nothing is refused; low enough that a table of millions makes the look-up of
# the n-th conversion counted back do its work.
MOST_PER_AFFILIATE = 100
SLUG = "bench"


@dataclass(frozen=True)
class Installation:
    """Where it is, and what requests to it need."""

    folder: Path
    merchant_id: str
    fingerprint_key: str  # hex
    publishable_key: str
    secret_key: str
    program_id: str
    codes: tuple[str, ...]
    affiliate_ids: tuple[str, ...]
    address: str = ""  # of its database; none: SQLite's, in the folder

    @property
    def path(self) -> Path:
        return self.folder / "refledger.db"

    @property
    def url(self) -> str:
        return self.address or f"sqlite:///{self.path}"

    @property
    def environment(self) -> dict[str, str]:
        return {"REFLEDGER_DATABASE_URL": self.url, "REFLEDGER_DATA_DIR": str(self.folder)}

    @property
    def settings(self) -> Settings:
        return load(database_url=self.url, data_dir=self.folder)

    def copy(self, folder: Path) -> "Installation":
        """The same installation elsewhere; nothing may be writing to this one meanwhile."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def at(self, address: str) -> "Installation":
        """With the database there, which holds a copy."""
        return replace(self, address=address)


def make(folder: Path) -> Installation:
    folder.mkdir(parents=True, exist_ok=True)
    settings = load(database_url=f"sqlite:///{folder / 'refledger.db'}", data_dir=folder)
    database = Database(settings.database_url)
    migrate.upgrade(database)
    now_ms = time.time_ns() // 1_000_000
    keys = create_merchant(database, settings.secret_bytes(), "Bench", now_ms)
    with database.write() as connection:
        merchant = merchants.merchant(connection, keys["merchant_id"])
        key = merchant["fingerprint_key"]
        tenant = Tenant(keys["merchant_id"], "bench", "live", bytes.fromhex(key))
        program = catalogue.create_program(connection, tenant, _PROGRAM, now_ms, os.urandom)
        first = catalogue.create_affiliate(
            connection, tenant, program["id"], _affiliate(0), now_ms, os.urandom
        )
        rows = [first, *(_like(first, tenant, program["id"], n, now_ms) for n in range(1, AFFILIATES))]
        Insert(schema.affiliates).run(connection, rows[1:])
        found = connection.execute(select(schema.standings)).mappings().all()
        standings = [dict(row) | {"affiliate_id": each["id"]} for each in rows[1:] for row in found]
        Insert(schema.standings).run(connection, standings)
    database.close()
    _rest(folder / "refledger.db")
    return Installation(
        folder,
        keys["merchant_id"],
        key,
        keys["publishable_key"],
        keys["secret_key"],
        program["id"],
        tuple(row["ref_code"] for row in rows),
        tuple(row["id"] for row in rows),
    )


_PROGRAM = {
    "name": "Bench",
    "slug": SLUG,
    "site_url": "https://shop.example",
    "commission": {"purchase": {"type": "percentage", "value": "10"}},
    "limits": {"hourly": MOST_PER_AFFILIATE, "daily": MOST_PER_AFFILIATE},
}


def _affiliate(number: int) -> dict:
    return {
        "email": f"person{number}@affiliate.example",
        "name": f"Affiliate {number}",
        "ref_code": f"AFF{number:05d}",
    }


def _like(first: dict, tenant: Tenant, program_id: str, number: int, now_ms: int) -> dict:
    """One by one through the catalogue, thousands would take longer than what is measured."""
    given = _affiliate(number)
    code_key = fingerprint(tenant.fingerprint_key, "code", program_id, fold_code(given["ref_code"]))
    return first | given | {"id": make_id("aff", now_ms, os.urandom(10)), "code_key": code_key}


def _rest(path: Path) -> None:
    """Everything in the one file, so that it can be copied."""
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
