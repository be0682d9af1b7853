"""The merchant's allow and block lists."""

from collections.abc import Mapping
from typing import Any

from refledger.core import lists as rules
from refledger.core.fingerprints import lock_number
from refledger.core.ids import make_id
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy, invalid, not_found, note, taken
from refledger.store import affiliates, programs
from refledger.store import lists as store
from refledger.store.engine import Connection, hold

Row = dict[str, Any]


def add_entry(
    connection: Connection, tenant: Tenant, wanted: Mapping[str, Any], now_ms: int, entropy: Entropy
) -> Row:
    """`wanted`: action, kind, value, and where given program_id, note, expires_ms."""
    errors = {}
    value = ""
    try:
        value = rules.normalise(wanted["kind"], wanted["value"])
    except ValueError as why:
        errors["value"] = str(why)
    if wanted["kind"] == "affiliate" and affiliates.affiliate(connection, tenant.merchant_id, value) is None:
        errors["value"] = "is no affiliate"
    program_id, expires_ms = wanted.get("program_id"), wanted.get("expires_ms")
    if program_id is not None and programs.program(connection, tenant.merchant_id, program_id) is None:
        errors["program_id"] = "is no program"
    if expires_ms is not None and expires_ms <= now_ms:
        errors["expires_at"] = "must be in the future"
    if errors:
        raise invalid(errors)
    equal = {"action": wanted["action"], "kind": wanted["kind"], "value": value, "program_id": program_id}
    hold(connection, [lock_number(f"{tenant.merchant_id}:lists")])
    if there_is := store.equal_entry(connection, tenant.merchant_id, equal, now_ms):
        raise taken("value", f"There is such an entry already: {there_is}")
    row = {
        "merchant_id": tenant.merchant_id,
        "id": make_id("list", now_ms, entropy(10)),
        **equal,
        "note": wanted.get("note") or "",
        "expires_ms": expires_ms,
        "created_ms": now_ms,
    }
    store.add_entry(connection, row)
    note(connection, tenant, "list_entry.created", row["id"], _told(row, created=True), now_ms, entropy)
    return row


def remove_entry(
    connection: Connection, tenant: Tenant, entry_id: str, now_ms: int, entropy: Entropy
) -> None:
    row = store.entry(connection, tenant.merchant_id, entry_id)
    if row is None:
        raise not_found()
    store.remove_entry(connection, tenant.merchant_id, entry_id)
    note(connection, tenant, "list_entry.removed", entry_id, _told(row, created=False), now_ms, entropy)


def _told(row: Row, created: bool) -> dict[str, list]:
    """Without the value of a mailbox or an address, which name a person; the entry's id leads to it."""
    names = ["action", "kind", "program_id", "expires_ms"]
    if row["kind"] in ("domain", "affiliate"):
        names.append("value")
    return {
        name: [None, row[name]] if created else [row[name], None] for name in names if row[name] is not None
    }
