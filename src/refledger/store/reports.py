"""What listings and single views read: conversions, attempts, clicks, the audit. Changes nothing."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, func, or_, select
from sqlalchemy.sql.expression import ColumnElement

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.queue import HELD
from refledger.store.schema import (
    attempt_hours,
    attempts,
    audit,
    automated_clicks,
    clicks,
    conversions,
    decisions,
    entries,
    events,
)
from refledger.store.statements import few

HOUR_MS = 3_600_000
Page = tuple[list[rows.Row], bool]


def conversion(connection: Connection, merchant_id: str, mode: str, conversion_id: str) -> rows.Row | None:
    return _of_mode(rows.get(connection, conversions, merchant_id, conversion_id), mode)


def attempt(connection: Connection, merchant_id: str, mode: str, attempt_id: str) -> rows.Row | None:
    return _of_mode(rows.get(connection, attempts, merchant_id, attempt_id), mode)


def decision_record(connection: Connection, merchant_id: str, conversion_id: str) -> str | None:
    return connection.execute(
        select(decisions.c.record).where(
            decisions.c.merchant_id == merchant_id, decisions.c.conversion_id == conversion_id
        )
    ).scalar()


def entries_of(connection: Connection, merchant_id: str, conversion_id: str) -> list[rows.Row]:
    """Oldest first."""
    found = connection.execute(
        select(entries)
        .where(entries.c.merchant_id == merchant_id, few(entries.c.conversion_id == conversion_id))
        .order_by(entries.c.at_ms, entries.c.cause, entries.c.line)
    )
    return [dict(row) for row in found.mappings()]


def events_of(
    connection: Connection, merchant_id: str, subject_id: str, from_id: str, before_id: str
) -> list[rows.Row]:
    """Oldest first, of the ids from `from_id` on and before `before_id`: the range spares an index on the subject."""
    found = connection.execute(
        select(events)
        .where(
            events.c.merchant_id == merchant_id,
            events.c.id >= from_id,
            events.c.id < before_id,
            events.c.subject_id == subject_id,
        )
        .order_by(events.c.at_ms, events.c.id)
    )
    return [dict(row) for row in found.mappings()]


def list_conversions(
    connection: Connection,
    merchant_id: str,
    mode: str,
    filters: Mapping[str, Any],
    limit: int,
    before_id: str | None,
) -> Page:
    """`filters`: column → value or list of values; created_from and created_to in ms."""
    conditions = [conversions.c.mode == mode, *_conditions(conversions, filters)]
    if filters.get("status") == "pending_review":
        conditions.append(HELD)  # which that status implies, and which has an index of its own
    return rows.page(connection, conversions, merchant_id, conditions, limit, before_id)


def list_attempts(
    connection: Connection,
    merchant_id: str,
    mode: str,
    filters: Mapping[str, Any],
    hidden_code: str | None,
    limit: int,
    before_id: str | None,
) -> Page:
    """`hidden_code`: attempts refused for this reason are left out."""
    conditions = [attempts.c.mode == mode, *_conditions(attempts, filters)]
    if hidden_code:
        conditions.append(attempts.c.code != hidden_code)
    return rows.page(connection, attempts, merchant_id, conditions, limit, before_id)


def attempts_not_kept(connection: Connection, merchant_id: str, mode: str, filters: Mapping[str, Any]) -> int:
    """How many attempts of those hours were only counted."""
    hours = attempt_hours.c
    conditions = [hours.merchant_id == merchant_id, hours.mode == mode]
    if filters.get("program_id"):
        conditions.append(hours.program_id == filters["program_id"])
    if filters.get("created_from") is not None:
        conditions.append(hours.hour_ms > filters["created_from"] - HOUR_MS)
    if filters.get("created_to") is not None:
        conditions.append(hours.hour_ms < filters["created_to"])
    found = connection.execute(select(func.coalesce(func.sum(hours.counted), 0)).where(*conditions))
    return int(found.scalar_one())


def list_clicks(
    connection: Connection,
    merchant_id: str,
    mode: str,
    filters: Mapping[str, Any],
    automated: bool,
    limit: int,
    before_id: str | None,
) -> Page:
    """`automated`: those of crawlers and prefetches, which attribute nothing, instead of people's."""
    table = automated_clicks if automated else clicks
    conditions = [table.c.mode == mode, *_conditions(table, filters)]
    return rows.page(connection, table, merchant_id, conditions, limit, before_id)


def list_audit(
    connection: Connection,
    merchant_id: str,
    mode: str,
    filters: Mapping[str, Any],
    limit: int,
    before_id: str | None,
) -> Page:
    """What was done in the mode, and every change of what both modes share."""
    of_one_mode = or_(
        *(audit.c.action.startswith(f"{noun}.") for noun in ("conversion", "attempt", "payout"))
    )
    conditions = [or_(audit.c.mode == mode, ~of_one_mode), *_conditions(audit, filters)]
    return rows.page(connection, audit, merchant_id, conditions, limit, before_id)


def _conditions(table: Table, filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found = []
    for name, value in filters.items():
        if value is None:
            continue
        if name == "created_from":
            found.append(table.c.at_ms >= value)
        elif name == "created_to":
            found.append(table.c.at_ms < value)
        elif isinstance(value, list):
            found.append(table.c[name].in_(value))
        else:
            found.append(table.c[name] == value)
    return found


def _of_mode(row: rows.Row | None, mode: str) -> rows.Row | None:
    return row if row is not None and row["mode"] == mode else None
