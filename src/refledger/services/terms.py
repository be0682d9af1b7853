"""Terms of programs and affiliates: judged in the program's currency and zone; every change is a new version."""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from refledger.core.ids import make_id
from refledger.core.money import to_minor, to_text
from refledger.core.terms import faults_in_recruiters, faults_in_terms, read_amount
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.store import policies as policy_store
from refledger.store import terms as store
from refledger.store.engine import Connection

Row = dict[str, Any]

# What of a program's row its terms are. An affiliate's own are their commission alone.
_OF_PROGRAM = (
    "currency",
    "commission",
    "repeat_purchases",
    "recruiter",
    "hold_days",
    "approve_days",
    "time_zone",
)
_AS_JSON = ("commission", "repeat_purchases", "recruiter")
_AMOUNTS = {"max_revenue": "max_revenue_minor", "payout_minimum": "payout_minimum_minor"}


def program_values(row: Row, wanted: Mapping[str, Any], currency: str) -> tuple[Row, dict[str, str]]:
    """The columns of money that `wanted` sets, and every field that the currency does not admit."""
    terms = orjson.loads(row["commission"]) | (wanted.get("commission") or {})
    values, errors = {}, faults_in_commission(terms, currency)
    if "commission" in wanted:
        values["commission"] = orjson.dumps(terms).decode()
    values |= {name: wanted[name] for name in ("hold_days", "approve_days") if name in wanted}
    if "time_zone" in wanted:
        values["time_zone"] = wanted["time_zone"]
        errors |= {} if zone(wanted["time_zone"]) else {"time_zone": "is no zone of the IANA database"}
    if "recruiter" in wanted:
        theirs = wanted["recruiter"]
        values["recruiter"] = orjson.dumps(theirs).decode() if theirs else None
        faults = faults_in_recruiters(theirs) if theirs else {}
        errors |= {f"recruiter.{path}": why for path, why in faults.items()}
    for name, column in _AMOUNTS.items():
        if name in wanted:
            try:
                values[column] = read_amount(wanted[name], currency)
            except ValueError as why:
                errors[name] = str(why)
        elif currency != row["currency"]:
            same = Decimal(to_text(row[column], row["currency"]))
            values[column] = to_minor(same, currency)[0]
    return values, errors


def faults_in_commission(commission: Mapping[str, Any], currency: str) -> dict[str, str]:
    """Path → what is wrong there, of terms by type of conversion."""
    return {
        f"commission.{kind}.{path}": why
        for kind, terms in commission.items()
        for path, why in faults_in_terms(terms, kind, currency).items()
    }


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo | None:
    """The zone of that name of the IANA database, if there is one."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def new_version(
    connection: Connection, tenant: Tenant, holder: Row, now_ms: int, entropy: Entropy
) -> str | None:
    """The id of the terms of this row of a program or an affiliate: of a new version, if they differ from those in
    force. None: an affiliate without terms of their own.
    """
    document = _document(holder)
    if document is None:
        return None
    current = (
        store.version_of(connection, tenant.merchant_id, holder["terms_id"]) if holder["terms_id"] else None
    )
    if current and orjson.loads(current["document"]) == document:
        return current["id"]
    program_id, affiliate_id = _place(holder)
    version = 1 + store.latest_version(connection, tenant.merchant_id, program_id, affiliate_id)
    row = {
        "merchant_id": tenant.merchant_id,
        "id": make_id("terms", now_ms, entropy(10)),
        "program_id": program_id,
        "affiliate_id": affiliate_id,
        "version": version,
        "document": orjson.dumps(document).decode(),
        "created_ms": now_ms,
    }
    store.add_version(connection, row)
    return row["id"]


def versions(
    connection: Connection, tenant: Tenant, holder: Row, limit: int, before_id: str | None
) -> tuple[list[Row], bool]:
    """A page, newest first: the rows with `actor` and `in_force`."""
    rows, more = store.versions(connection, tenant.merchant_id, *_place(holder), limit, before_id)
    times = {row["created_ms"] for row in rows}
    actors = policy_store.actors(connection, tenant.merchant_id, holder["id"], times) if rows else {}
    told = [
        row | {"actor": actors.get(row["created_ms"]), "in_force": row["id"] == holder["terms_id"]}
        for row in rows
    ]
    return told, more


def _document(holder: Row) -> Row | None:
    if "program_id" in holder:
        return {"commission": orjson.loads(holder["commission"])} if holder["commission"] else None
    return {
        name: orjson.loads(holder[name]) if name in _AS_JSON and holder[name] else holder[name]
        for name in _OF_PROGRAM
    }


def _place(holder: Row) -> tuple[str, str | None]:
    """Whose terms: program id and affiliate id, None for the program's own."""
    return (holder["program_id"], holder["id"]) if "program_id" in holder else (holder["id"], None)
