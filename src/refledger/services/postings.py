"""Turns what happened to a conversion into rows of the ledger, of events and of standings."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from refledger.core.conversions import shown_status
from refledger.core.events import EventType
from refledger.core.ids import make_id
from refledger.core.ledger import moves, target
from refledger.services.claims import Work
from refledger.store import ledger, record
from refledger.store.engine import Connection

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def post(
    rows: Rows,
    conversion: Mapping[str, Any],
    posted: Mapping[str, int],
    wanted: Mapping[str, int],
    cause: str,
    kind: EventType,
    at_ms: int,
    counters: Mapping[str, Any] | None = None,
) -> None:
    """Adds the entries from what is posted to what is wanted, and what they change in the affiliate's standing."""
    standing: Row = {
        "merchant_id": conversion["merchant_id"],
        "affiliate_id": conversion["affiliate_id"],
        "mode": conversion["mode"],
        "currency": conversion["currency"],
        **(counters or {}),
    }
    for line, move in enumerate(moves(posted, wanted)):
        rows["entries"].append(
            {
                "merchant_id": conversion["merchant_id"],
                "cause": cause,
                "kind": kind.value,
                "line": line,
                "program_id": conversion["program_id"],
                "affiliate_id": conversion["affiliate_id"],
                "mode": conversion["mode"],
                "currency": conversion["currency"],
                "conversion_id": conversion["id"],
                "debit": move.debit,
                "credit": move.credit,
                "amount_minor": move.amount_minor,
                "at_ms": at_ms,
            }
        )
        for account, sign in ((move.debit, -1), (move.credit, 1)):
            name = f"{account}_minor"
            standing[name] = standing.get(name, 0) + sign * move.amount_minor
    rows["moves"].append(standing)


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
    """The time of what happens to a conversion now: later than what happened before, whatever a clock does, for
    events are told apart by their times.
    """
    return max(now_ms, conversion["updated_ms"] + 1)


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


def supersede(
    connection: Connection, rows: Rows, accepted: Sequence[Work], now_ms: int, entropy: Callable[[int], bytes]
) -> None:
    """Rejects the unverified conversions that verified ones displace, and reverses their entries."""
    successors = {
        (work.merchant_id, past.id): work.conversion_id
        for work in accepted
        for past in work.outcome.displaces
    }
    if not successors:
        return
    found = ledger.conversions_of(connection, list(successors))
    posted = ledger.posted(connection, successors)
    displaced = []
    for (merchant_id, conversion_id), successor in successors.items():
        conversion = found[conversion_id]
        status = shown_status("rejected", bool(conversion["refunded"]), conversion["dispute"])
        conversion |= {"decision": "rejected", "status": status}
        at_ms = next_ms(conversion, now_ms)
        wanted = target(
            "rejected", conversion["commission_minor"], conversion["refunded"], conversion["dispute"]
        )
        event_id = make_id("evt", at_ms, entropy(10))
        post(rows, conversion, posted[conversion_id], wanted, event_id, EventType.SUPERSEDED, at_ms)
        rows["events"].append(
            event(conversion, event_id, EventType.SUPERSEDED, at_ms, superseded_by=successor)
        )
        displaced.append((merchant_id, conversion_id, status, at_ms))
    record.supersede(connection, displaced)


def new_rows() -> Rows:
    return defaultdict(list)
