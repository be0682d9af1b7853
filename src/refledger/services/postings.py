"""Turns what happened to a conversion into rows of the ledger, of events and of standings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from refledger.core.events import EventType
from refledger.core.ledger import Move, moves

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def post(
    rows: Rows,
    conversion: Mapping[str, Any],
    posted: Mapping[tuple[str, str], Mapping[str, int]],
    wanted: Mapping[str, Mapping[str, int]],
    cause: str,
    kind: EventType,
    at_ms: int,
    counters: Mapping[str, Any] | None = None,
) -> None:
    """Adds the entries from what is posted to what is wanted, and what they change in each affiliate's standing.

    `posted`: (conversion id, affiliate id) → account → amount. `wanted`: affiliate id → account → amount. `counters`:
    of the conversion's own affiliate.
    """
    line = 0
    for affiliate_id, accounts in wanted.items():
        own = affiliate_id == conversion["affiliate_id"]
        standing: Row = {
            "merchant_id": conversion["merchant_id"],
            "affiliate_id": affiliate_id,
            "mode": conversion["mode"],
            "currency": conversion["currency"],
            **((counters or {}) if own else {}),
        }
        for move in moves(posted.get((conversion["id"], affiliate_id), {}), accounts):
            rows["entries"].append(_entry(conversion, affiliate_id, move, cause, kind, line, at_ms))
            line += 1
            for account, sign in ((move.debit, -1), (move.credit, 1)):
                name = f"{account}_minor"
                standing[name] = standing.get(name, 0) + sign * move.amount_minor
        rows["moves"].append(standing)


def _entry(
    conversion: Mapping[str, Any],
    affiliate_id: str,
    move: Move,
    cause: str,
    kind: EventType,
    line: int,
    at_ms: int,
) -> Row:
    return {
        "merchant_id": conversion["merchant_id"],
        "cause": cause,
        "kind": kind.value,
        "line": line,
        "program_id": conversion["program_id"],
        "affiliate_id": affiliate_id,
        "mode": conversion["mode"],
        "currency": conversion["currency"],
        "conversion_id": conversion["id"],
        "debit": move.debit,
        "credit": move.credit,
        "amount_minor": move.amount_minor,
        "at_ms": at_ms,
        "payout_id": None,
    }


def event(conversion: Mapping[str, Any], event_id: str, kind: EventType, at_ms: int, **more: Any) -> Row:
    """The row of an event: what whoever listens needs to know, without personal data."""
    data = {
        "conversion_id": conversion["id"],
        "program_id": conversion["program_id"],
        "affiliate_id": conversion["affiliate_id"],
        "type": conversion["type"],
        "status": conversion["status"],
        "verified": bool(conversion["verified"]),
        "order_id": conversion["order_id"],
        "revenue_minor": conversion["revenue_minor"],
        "commission_minor": conversion["commission_minor"],
        "currency": conversion["currency"],
        **more,
    }
    return {
        "merchant_id": conversion["merchant_id"],
        "id": event_id,
        "type": kind.value,
        "mode": conversion["mode"],
        "subject_id": conversion["id"],
        "data": orjson.dumps(data).decode(),
        "at_ms": at_ms,
    }


def next_ms(conversion: Mapping[str, Any], now_ms: int) -> int:
    """The time of what happens to a conversion now: later than what happened before and than what is sealed, whatever a
    clock does, for events are told apart by their times.
    """
    return max(now_ms, conversion["updated_ms"] + 1, conversion["sealed_ms"] + 1)


def by_standing(changes: Iterable[Row]) -> list[Row]:
    """One row for each affiliate and mode: the sum of its changes."""
    summed: dict[tuple[str, str, str], Row] = {}
    for change in changes:
        place = (change["merchant_id"], change["affiliate_id"], change["mode"])
        standing = summed.setdefault(place, {})
        for name, value in change.items():
            if name in ("merchant_id", "affiliate_id", "mode", "currency", "last_accepted_ms"):
                standing[name] = value
            else:
                standing[name] = standing.get(name, 0) + value
    return list(summed.values())


def new_rows() -> Rows:
    return defaultdict(list)
