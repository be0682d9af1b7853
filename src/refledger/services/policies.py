"""Policy overrides of programs and affiliates: every change is a new version, none is ever altered."""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from refledger.core.fraud import policy as rules
from refledger.core.fraud.presets import NEWEST, PRESETS
from refledger.core.ids import make_id
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy, invalid, not_found
from refledger.store import affiliates as affiliate_store
from refledger.store import policies as store
from refledger.store import programs as program_store
from refledger.store.engine import Connection

Row = dict[str, Any]

_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")


def new_version(
    connection: Connection,
    tenant: Tenant,
    holder: Row,
    overrides: Any,
    now_ms: int,
    entropy: Entropy,
    path: str = "policy",
) -> tuple[str | None, list | None]:
    """The id of the overrides now in force, and [old, new] version for the audit, None where nothing changed.

    `holder`: the row of the program or affiliate they belong to. Overrides None: none of their own any more.
    """
    faults = [] if overrides is None else rules.validate(overrides)
    if faults:
        raise invalid({".".join(part for part in (path, where) if part): why for where, why in faults})
    overrides = overrides and rules.pinned(overrides)
    current = policy_of(connection, tenant, holder)
    if (current and orjson.loads(current["document"])) == overrides:
        return holder["policy_id"], None
    old = current["version"] if current else None
    if overrides is None:
        return None, [old, None]
    program_id, affiliate_id = holder.get("program_id") or holder["id"], None
    if "program_id" in holder:
        affiliate_id = holder["id"]
    row = {
        "merchant_id": tenant.merchant_id,
        "id": make_id("pol", now_ms, entropy(10)),
        "program_id": program_id,
        "affiliate_id": affiliate_id,
        "version": 1 + store.latest_version(connection, tenant.merchant_id, program_id, affiliate_id),
        "document": orjson.dumps(overrides).decode(),
        "created_ms": now_ms,
    }
    store.add_policy(connection, row)
    return row["id"], [old, row["version"]]


def policy_of(connection: Connection, tenant: Tenant, holder: Row) -> Row | None:
    """The overrides in force of a program's or an affiliate's row."""
    if holder["policy_id"] is None:
        return None
    return store.policy(connection, tenant.merchant_id, holder["policy_id"])


def with_policies(connection: Connection, tenant: Tenant, holders: Sequence[Row]) -> list[Row]:
    """The rows, each with its overrides in force (or None) under `policy`."""
    ids = {row["policy_id"] for row in holders if row["policy_id"]}
    found = store.policies_by_id(connection, tenant.merchant_id, ids) if ids else {}
    return [row | {"policy": found.get(row["policy_id"])} for row in holders]


def effective(*overrides: Row | None) -> dict[str, Any]:
    """The document that judges: the default with the overrides of these rows laid over it, in order."""
    return rules.merge(
        rules.DEFAULT, *(orjson.loads(row["document"]) if row else None for row in overrides)
    ).document


# ── versions, presets, and what differs between them ─────────────────────────────────────────────────────────────


def holder(connection: Connection, tenant: Tenant, program_id: str, affiliate_id: str | None = None) -> Row:
    """The row of the program, or of an affiliate of it."""
    row = program_store.program(connection, tenant.merchant_id, program_id)
    if row is not None and affiliate_id is not None:
        row = affiliate_store.affiliate(connection, tenant.merchant_id, affiliate_id)
    if row is None or row.get("program_id", program_id) != program_id:
        raise not_found()
    return row


def versions(
    connection: Connection, tenant: Tenant, holder: Row, limit: int, before_id: str | None
) -> tuple[list[Row], bool]:
    """A page, newest first: the rows with `actor` and `in_force`."""
    place = (connection, tenant.merchant_id, *_place(holder))
    rows, more = store.versions(*place, limit, before_id)
    return _told(connection, tenant, holder, rows), more


def version(connection: Connection, tenant: Tenant, holder: Row, number: str) -> Row:
    """By its number as it is written: `01` is no version."""
    row = None
    if _NUMBER.match(number):
        row = store.version(connection, tenant.merchant_id, *_place(holder), int(number))
    if row is None:
        raise not_found()
    return _told(connection, tenant, holder, [row])[0]


def presets() -> list[tuple[str, str, dict, dict]]:
    """(name, version, overrides, whole document) of each preset in its newest version."""
    return [
        (name, pinned, PRESETS[pinned], rules.merge(rules.DEFAULT, {"preset": pinned}).document)
        for name, pinned in NEWEST.items()
    ]


def named(
    connection: Connection, tenant: Tenant, program_id: str, old: str, new: str | None
) -> list[tuple[str, dict]]:
    """(name, whole document) of two of a program's policies: a version's number, 0, or a preset; None: in force."""
    program = holder(connection, tenant, program_id)
    in_force = policy_of(connection, tenant, program)
    found = []
    for name in (old, new or str(in_force["version"] if in_force else 0)):
        if name in NEWEST or name in PRESETS:
            found.append((name, rules.merge(rules.DEFAULT, {"preset": name}).document))
        else:
            row = None if name == "0" else version(connection, tenant, program, name)
            found.append((name, effective(row)))
    return found


def _place(holder: Row) -> tuple[str, str | None]:
    """Whose overrides: program id and affiliate id, None for the program's own."""
    return (holder["program_id"], holder["id"]) if "program_id" in holder else (holder["id"], None)


def _told(connection: Connection, tenant: Tenant, holder: Row, rows: Sequence[Row]) -> list[Row]:
    times = {row["created_ms"] for row in rows}
    actors = store.actors(connection, tenant.merchant_id, holder["id"], times) if rows else {}
    return [
        row | {"actor": actors.get(row["created_ms"]), "in_force": row["id"] == holder["policy_id"]}
        for row in rows
    ]
