"""What is old enough to go: found by reading alone, removed a few rows at a time."""

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import bindparam, delete, func, select, tuple_
from sqlalchemy.sql.expression import ColumnElement

from refledger.store.engine import Connection
from refledger.store.history import CONFIRMED
from refledger.store.schema import (
    acceptances,
    attempts,
    door_counts,
    idempotency,
    merchants,
    sightings,
    whereabouts,
)
from refledger.store.statements import Insert, Query, item, number_item, rows_of

_MERCHANTS = select(merchants.c.merchant_id)
_rows = rows_of("rows")

_OLD_ATTEMPTS = Query(
    select(attempts.c.merchant_id, attempts.c.id)
    .where(
        attempts.c.merchant_id == bindparam("merchant_id"),
        attempts.c.code == "no_referral",
        attempts.c.at_ms <= bindparam("until_ms"),
    )
    .limit(5000)
)
_DROP_ATTEMPTS = Query(
    delete(attempts).where(
        attempts.c.merchant_id == bindparam("merchant_id"),
        attempts.c.id.in_(select(item(_rows, 1)).select_from(_rows)),
    )
)
_OLD_REPLAYS = Query(
    select(idempotency.c.merchant_id, idempotency.c.key)
    .where(
        idempotency.c.merchant_id == bindparam("merchant_id"), idempotency.c.at_ms <= bindparam("until_ms")
    )
    .limit(5000)
)
_DROP_REPLAYS = Query(
    delete(idempotency).where(
        idempotency.c.merchant_id == bindparam("merchant_id"),
        idempotency.c.key.in_(select(item(_rows, 1)).select_from(_rows)),
    )
)
_is_confirmed = sightings.c.key.startswith(CONFIRMED)  # few, and looked back on for longer


def _old_sightings(which: ColumnElement[bool]) -> Query:
    return Query(
        select(sightings.c.merchant_id, sightings.c.key, func.max(sightings.c.at_ms))
        .where(
            sightings.c.merchant_id == bindparam("merchant_id"),
            sightings.c.at_ms <= bindparam("until_ms"),
            which,
        )
        .group_by(sightings.c.merchant_id, sightings.c.key)
        .limit(5000)
    )


_OLD_SIGHTINGS, _OLD_CONFIRMED = _old_sightings(~_is_confirmed), _old_sightings(_is_confirmed)
_DROP_SIGHTINGS = Query(
    delete(sightings).where(
        sightings.c.merchant_id == bindparam("merchant_id"),
        sightings.c.at_ms <= bindparam("until_ms"),
        sightings.c.key.in_(select(item(_rows, 1)).select_from(_rows)),
    )
)
_OLD_ACCEPTANCES = Query(
    select(acceptances.c.day, acceptances.c.affiliate_id, func.max(acceptances.c.at_ms))
    .where(
        acceptances.c.merchant_id == bindparam("merchant_id"), acceptances.c.at_ms <= bindparam("until_ms")
    )
    .group_by(acceptances.c.day, acceptances.c.affiliate_id)
    .limit(5000)
)
_DROP_ACCEPTANCES = Query(
    delete(acceptances).where(
        acceptances.c.merchant_id == bindparam("merchant_id"),
        acceptances.c.at_ms <= bindparam("until_ms"),
        tuple_(acceptances.c.day, acceptances.c.affiliate_id).in_(
            select(number_item(_rows, 0), item(_rows, 1)).select_from(_rows)
        ),
    )
)
_OLD_WHEREABOUTS = Query(
    select(whereabouts.c.merchant_id, whereabouts.c.mailbox_key, func.max(whereabouts.c.at_ms))
    .where(
        whereabouts.c.merchant_id == bindparam("merchant_id"), whereabouts.c.at_ms <= bindparam("until_ms")
    )
    .group_by(whereabouts.c.merchant_id, whereabouts.c.mailbox_key)
    .limit(5000)
)
_DROP_WHEREABOUTS = Query(
    delete(whereabouts).where(
        whereabouts.c.merchant_id == bindparam("merchant_id"),
        whereabouts.c.at_ms <= bindparam("until_ms"),
        whereabouts.c.mailbox_key.in_(select(item(_rows, 1)).select_from(_rows)),
    )
)
_COUNT = Insert(
    door_counts,
    "ON CONFLICT (hour_ms, code) DO UPDATE SET answers = door_counts.answers + excluded.answers",
)


def merchant_ids(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute(_MERCHANTS)]


def old_attempts(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple]:
    """Reports without any code, of that time or before."""
    return _OLD_ATTEMPTS.rows(connection, merchant_id=merchant_id, until_ms=until_ms)


def drop_attempts(connection: Connection, merchant_id: str, rows: list[tuple], until_ms: int) -> None:
    _DROP_ATTEMPTS.run(connection, merchant_id=merchant_id, rows=rows)


def old_replays(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple]:
    """Remembered answers of that time or before."""
    return _OLD_REPLAYS.rows(connection, merchant_id=merchant_id, until_ms=until_ms)


def drop_replays(connection: Connection, merchant_id: str, rows: list[tuple], until_ms: int) -> None:
    _DROP_REPLAYS.run(connection, merchant_id=merchant_id, rows=rows)


def old_sightings(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple]:
    """Keys that were sighted at that time or before."""
    return _OLD_SIGHTINGS.rows(connection, merchant_id=merchant_id, until_ms=until_ms)


def old_confirmed(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple]:
    """Keys of frauds that were confirmed at that time or before."""
    return _OLD_CONFIRMED.rows(connection, merchant_id=merchant_id, until_ms=until_ms)


def drop_sightings(connection: Connection, merchant_id: str, rows: list[tuple], until_ms: int) -> None:
    _DROP_SIGHTINGS.run(connection, merchant_id=merchant_id, until_ms=until_ms, rows=rows)


def old_acceptances(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple]:
    """Days and affiliates with conversions numbered at that time or before."""
    return _OLD_ACCEPTANCES.rows(connection, merchant_id=merchant_id, until_ms=until_ms)


def drop_acceptances(connection: Connection, merchant_id: str, rows: list[tuple], until_ms: int) -> None:
    _DROP_ACCEPTANCES.run(connection, merchant_id=merchant_id, until_ms=until_ms, rows=rows)


def old_whereabouts(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple]:
    """Mailboxes that were somewhere at that time or before."""
    return _OLD_WHEREABOUTS.rows(connection, merchant_id=merchant_id, until_ms=until_ms)


def drop_whereabouts(connection: Connection, merchant_id: str, rows: list[tuple], until_ms: int) -> None:
    _DROP_WHEREABOUTS.run(connection, merchant_id=merchant_id, until_ms=until_ms, rows=rows)


def count_answers(connection: Connection, hour_ms: int, counts: Mapping[str, int]) -> None:
    """Adds to the hour's answers that were given before a merchant was known."""
    _COUNT.run(
        connection,
        [{"hour_ms": hour_ms, "code": code, "answers": count} for code, count in sorted(counts.items())],
    )


Find = Callable[[Connection, str, int], list[tuple]]
Drop = Callable[[Connection, str, list[tuple], int], None]

KINDS: dict[str, tuple[Find, Drop]] = {
    "attempts": (old_attempts, drop_attempts),
    "idempotency": (old_replays, drop_replays),
    "sightings": (old_sightings, drop_sightings),
    "confirmed": (old_confirmed, drop_sightings),
    "acceptances": (old_acceptances, drop_acceptances),
    "whereabouts": (old_whereabouts, drop_whereabouts),
}


def in_batches(rows: list[tuple], size: int = 100) -> Iterator[list[tuple]]:
    """A few at a time: whoever else writes waits for no more than that."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
