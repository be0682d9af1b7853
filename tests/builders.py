"""A shop to test with: a merchant, a program, two affiliates and a coupon, made the way merchants make them."""

import json
import os
import re
import sqlite3
from dataclasses import replace
from functools import cached_property

import psycopg
from psycopg.rows import dict_row

from refledger.core import addresses
from refledger.core.fingerprints import address_key, agent_key
from refledger.core.ids import make_id
from refledger.core.intake import Report, read_object, read_report
from refledger.core.keys import hash_key, read_key
from refledger.core.refusals import Refusal
from refledger.services import catalogue, lists, merchants
from refledger.services.claims import Claim
from refledger.services.credentials import Tenant
from refledger.services.desk import LATER
from refledger.services.tracking import Tracking
from refledger.settings import load
from refledger.store import merchants as merchant_store
from refledger.store.engine import EVERYONE, Database
from refledger.store.schema import clicks
from refledger.store.statements import Insert
from refledger.web.tracking import Words

# The reference's own sample values.
EMAIL, ADDRESS, AGENT = "customer@example.com", "203.0.113.42", "Mozilla/5.0..."
PURCHASE = {"conversion_type": "purchase", "revenue_amount": 99.99}
SIGNUP = {"conversion_type": "signup"}

_STORE_CLICKS = Insert(clicks).run


def settings_for(database_url, folder, **more):
    return load(
        database_url=database_url, data_dir=folder, secret="a secret for tests, for tests only", **more
    )


class Shop:
    """Program `program_id` in USD; John is JOHN123; Mary is MARY123 and has the coupon SAVE20."""

    def __init__(self, settings, clock, **program):
        self.settings, self.clock = settings, clock
        self.database = Database(settings.database_url, settings.database_wait_s)
        self.secret = settings.secret_bytes()
        self.keys = merchants.create_merchant(self.database, self.secret, "Shop", clock())
        self.merchant_id = self.keys["merchant_id"]
        with self.database.read(self.merchant_id) as connection:
            row = merchant_store.merchant(connection, self.merchant_id)
        self.fingerprint_key = bytes.fromhex(row["fingerprint_key"])
        self.tenant = Tenant(self.merchant_id, "cli", "live", self.fingerprint_key)
        self.program_id = self.make_program(**program)
        self.john_id, self.mary_id = self.make_affiliate("JOHN123"), self.make_affiliate("MARY123")
        self.coupon_id = self.make_coupon("SAVE20", self.mary_id)

    def tenant_in(self, mode):
        return replace(self.tenant, mode=mode)

    # ── what merchants set up ────────────────────────────────────────────────────────────────────────────────────

    def make_program(self, **wanted):
        wanted = {"name": "Program", "currency": "USD", "site_url": "https://shop.example", **wanted}
        return self._catalogue("create_program", wanted)["id"]

    def make_affiliate(self, ref_code, program_id=None, **wanted):
        wanted = {
            "name": ref_code,
            "email": f"{ref_code.lower()}@affiliate.example",
            "ref_code": ref_code,
            **wanted,
        }
        return self._catalogue("create_affiliate", program_id or self.program_id, wanted)["id"]

    def make_coupon(self, code, affiliate_id, **wanted):
        return self._catalogue(
            "create_coupon", self.program_id, {"code": code, "affiliate_id": affiliate_id, **wanted}
        )["id"]

    def change_program(self, **wanted):
        self._catalogue("update_program", self.program_id, wanted)

    def change_affiliate(self, affiliate_id, **wanted):
        self._catalogue("update_affiliate", affiliate_id, wanted)

    def change_coupon(self, coupon_id, **wanted):
        self._catalogue("update_coupon", coupon_id, wanted)

    def list_entry(self, action, kind, value):
        wanted = {"action": action, "kind": kind, "value": value}
        with self.database.write(self.merchant_id) as connection:
            return lists.add_entry(connection, self.tenant, wanted, self.clock(), os.urandom)["id"]

    def _catalogue(self, name, *arguments):
        with self.database.write(self.merchant_id) as connection:
            return getattr(catalogue, name)(connection, self.tenant, *arguments, self.clock(), os.urandom)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def report(self, **fields):
        """The body of a report with the publishable key; fields that are None stay None."""
        return {"program_id": self.program_id, "publishable_key": self.keys["publishable_key"], **fields}

    def click(self, affiliate_id=None, at_ms=None, address=ADDRESS, agent=AGENT, mode="live"):
        """Stores a click as the click doors do; answers its id."""
        affiliate_id, at_ms = affiliate_id or self.john_id, self.clock() if at_ms is None else at_ms
        click_id = make_id("click", at_ms, os.urandom(10))
        parsed = addresses.parse(address) if address else None
        row = dict.fromkeys(map(str, clicks.columns.keys())) | {
            "merchant_id": self.merchant_id,
            "id": click_id,
            "program_id": self.program_id,
            "affiliate_id": affiliate_id,
            "mode": mode,
            "source": "link",
            "address_key": address_key(self.fingerprint_key, affiliate_id, mode, parsed.unit)
            if parsed
            else click_id,
            "agent_key": agent_key(self.fingerprint_key, agent),
            "address": address,
            "agent": agent,
            "at_ms": at_ms,
        }
        with self.database.write(self.merchant_id) as connection:
            _STORE_CLICKS(connection, [row])
        return click_id

    def decide(self, conversion_id, decision):
        """The merchant's decision as it is stored; the money of it is not what these tests are about."""
        released = ", identity = NULL, order_key = NULL" if decision == "rejected" else ""
        self.run(
            f"UPDATE conversions SET decision = ?, status = ?{released} WHERE id = ?",
            decision,
            decision,
            conversion_id,
        )

    # ── what is stored ───────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, sql, *parameters):
        return rows(self.settings.database_url, sql, *parameters)

    def one(self, sql, *parameters):
        (found,) = self.rows(sql, *parameters)
        return found

    def run(self, sql, *parameters):
        with self.database.write(EVERYONE) as connection:
            spoken = sql if self.database.is_sqlite else _postgresql(sql)
            connection.connection.driver_connection.execute(spoken, parameters)

    def close(self):
        self.database.close()


def rows(database_url, sql, *parameters):
    """Rows as dicts, read apart from the service."""
    if not database_url.startswith("sqlite"):
        with psycopg.connect(database_url, row_factory=dict_row) as connection:
            return connection.execute(_postgresql(sql), parameters).fetchall()
    connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=10)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(sql, parameters)]
    finally:
        connection.close()


def _postgresql(sql):
    """As SQLite is asked, `rowid` for the order of insertion included."""
    return sql.replace("%", "%%").replace("?", "%s").replace("rowid", "ctid")


class Reply:
    """An answer as the door gives it."""

    def __init__(self, answer):
        self.answer, self.status, self.code, self.bytes = answer, answer.status, answer.code, answer.body

    @cached_property
    def body(self):
        return json.loads(self.bytes)

    @property
    def id(self):
        return self.body["conversion_id"]

    def __repr__(self):
        return f"<{self.status} {self.bytes.decode()}>"


class Counter:
    """The services without their doors: reports are read as the door reads them, and settled at once."""

    def __init__(self, shop, origins=None):
        self.shop = shop
        self.tracking = Tracking(shop.database, Words(), shop.clock, origins=origins)

    def claim(self, idempotency_key=None, secret=False, key=None, request_id="req_1", **fields):
        """A claim of these fields. `secret`: signed with the secret key."""
        key = key or self.shop.keys["secret_key" if secret else "publishable_key"]
        body = json.dumps(self.shop.report(publishable_key=key) | fields).encode()
        given = read_object(body)
        assert not isinstance(given, Refusal), given
        is_secret = read_key(key).kind == "secret"
        report = read_report(given, is_secret)
        address = addresses.parse(report.address) if isinstance(report, Report) and report.address else None
        return Claim(
            request_id, hash_key(key, self.shop.secret), is_secret, given, report, address, idempotency_key,
            body.hex() if idempotency_key else "",
        )  # fmt: skip

    def settle(self, *claims):
        """One reply for each, in order; those that must wait are settled with the next group."""
        replies, waiting = {}, list(claims)
        for _ in range(10 + len(claims)):
            outcomes = self.tracking.settle(waiting)
            pairs = list(zip(waiting, outcomes, strict=True))
            replies |= {id(claim): Reply(outcome) for claim, outcome in pairs if outcome is not LATER}
            waiting = [claim for claim, outcome in pairs if outcome is LATER]
            if not waiting:
                break
        return [replies[id(claim)] for claim in claims]

    def report(self, **fields):
        return self.settle(self.claim(**fields))[0]

    def purchase(self, email=EMAIL, **fields):
        return self.report(**{"ref_code": "JOHN123", "customer_email": email, **PURCHASE, **fields})

    def signup(self, email=EMAIL, **fields):
        return self.report(**{"ref_code": "JOHN123", "customer_email": email, **SIGNUP, **fields})

    def coupon_sale(self, **fields):
        return self.report(**{"coupon_code": "SAVE20", **PURCHASE, **fields})


def forget_numbers(shop):
    """The table of acceptances without a key: a number may be given twice."""
    if not shop.database.is_sqlite:
        return shop.run("ALTER TABLE acceptances DROP CONSTRAINT pk_acceptances")
    (sql,) = (row["sql"] for row in shop.rows("SELECT sql FROM sqlite_schema WHERE name = 'acceptances'"))
    without = re.sub(r",\s*CONSTRAINT \w+ PRIMARY KEY \([^)]*\)", "", sql).replace("WITHOUT ROWID,", "")
    assert "PRIMARY KEY" in sql and "PRIMARY KEY" not in without
    shop.run("DROP TABLE acceptances")
    shop.run(without)


def unguard(shop):
    """Without the triggers that keep rows from being changed or removed."""
    for table in ("entries", "events"):
        if not shop.database.is_sqlite:
            shop.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            continue
        for deed in ("update", "delete"):
            shop.run(f"DROP TRIGGER {table}_no_{deed}")


def again(claim):
    """The same claim, as a retry brings it: nothing learned from the first time."""
    return replace(claim, also_held=set())
