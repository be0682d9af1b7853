"""Policy overrides of programs and affiliates: every change is a new version, none is ever altered."""

from collections.abc import Sequence
from typing import Any

import orjson

from refledger.core.fraud import policy as rules
from refledger.core.ids import make_id
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy, invalid
from refledger.store import policies as store
from refledger.store.engine import Connection

Row = dict[str, Any]


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
