"""Reads the whole ledger in order, for whoever proves that it balances."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, and_, case, cast, func, select

from refledger.core.events import EventType
from refledger.store.engine import Connection
from refledger.store.schema import ACCOUNTS, conversions, decisions, entries, events, standings

_CONVERSIONS = (
    select(conversions, decisions.c.record)
    .select_from(
        conversions.outerjoin(
            decisions,
            and_(
                decisions.c.merchant_id == conversions.c.merchant_id,
                decisions.c.conversion_id == conversions.c.id,
            ),
        )
    )
    .order_by(conversions.c.merchant_id, conversions.c.id)
)
_ENTRIES = (
    select(entries)
    .where(entries.c.payout_id.is_(None))
    .order_by(entries.c.merchant_id, entries.c.conversion_id, entries.c.cause, entries.c.line)
)
# What most events tell is not needed, and is most of their length.
_TELLING = [
    EventType.PARTLY_REFUNDED,
    EventType.REFUNDED,
    EventType.CHARGEBACK,
    EventType.DISPUTE_WON,
    EventType.DISPUTE_LOST,
    EventType.ADJUSTED,
]
_EVENTS = (
    select(
        events.c.merchant_id,
        events.c.subject_id,
        events.c.id,
        events.c.type,
        case((events.c.type.in_(_TELLING), events.c.data)).label("told"),
    )
    .where(events.c.type.startswith("conversion."))
    .order_by(events.c.merchant_id, events.c.subject_id, events.c.id)
)
_STANDINGS = select(standings).order_by(standings.c.merchant_id, standings.c.affiliate_id, standings.c.mode)
_ACCEPTED = select(
    conversions.c.merchant_id,
    conversions.c.affiliate_id,
    conversions.c.mode,
    func.count(conversions.c.accepted_no),
    func.count(conversions.c.verified_no),
).group_by(conversions.c.merchant_id, conversions.c.affiliate_id, conversions.c.mode)
_SUMS = select(
    entries.c.merchant_id,
    entries.c.affiliate_id,
    entries.c.mode,
    entries.c.currency,
    entries.c.debit,
    entries.c.credit,
    cast(func.sum(entries.c.amount_minor), BigInteger),
).group_by(
    entries.c.merchant_id,
    entries.c.affiliate_id,
    entries.c.mode,
    entries.c.currency,
    entries.c.debit,
    entries.c.credit,
)


def conversions_in_order(connection: Connection) -> Iterator[dict[str, Any]]:
    """Every conversion with its decision record, by merchant and id."""
    return _stream(connection, _CONVERSIONS)


def entries_in_order(connection: Connection) -> Iterator[dict[str, Any]]:
    """Every entry, by merchant and conversion."""
    return _stream(connection, _ENTRIES)


def events_in_order(connection: Connection) -> Iterator[dict[str, Any]]:
    """Merchant, subject, id, type of every event, and what it tells of amounts, by merchant, subject and time."""
    return _stream(connection, _EVENTS)


def standings_in_order(connection: Connection) -> Iterator[dict[str, Any]]:
    return _stream(connection, _STANDINGS)


def accepted_counts(connection: Connection) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(merchant, affiliate, mode) → how many conversions count, and how many of them as verified."""
    return {tuple(row[:3]): (row[3], row[4]) for row in connection.execute(_ACCEPTED)}


def sums_by_standing(connection: Connection) -> dict[tuple[str, str, str, str], dict[str, int]]:
    """(merchant, affiliate, mode, currency) → account → the sum of the entries."""
    found: dict[tuple[str, str, str, str], dict[str, int]] = {}
    for merchant_id, affiliate_id, mode, currency, debit, credit, amount in connection.execute(_SUMS):
        held = found.setdefault((merchant_id, affiliate_id, mode, currency), dict.fromkeys(ACCOUNTS, 0))
        held[debit] = held.get(debit, 0) - amount
        held[credit] = held.get(credit, 0) + amount
    return found


def how_many(connection: Connection) -> int:
    """Conversions, for whoever shows progress."""
    return connection.execute(select(func.count()).select_from(conversions)).scalar_one()


def _stream(connection: Connection, statement) -> Iterator[dict[str, Any]]:
    result = connection.execution_options(stream_results=True, yield_per=1000).execute(statement)
    return (dict(row) for row in result.mappings())
