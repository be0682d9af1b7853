"""What follows from a group's decisions, written set-wise in the group's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, select, tuple_, update

from refledger.core.decision_reasons import SUPERSEDED
from refledger.store.engine import Connection
from refledger.store.schema import (
    ACCOUNTS,
    acceptances,
    attempt_hours,
    attempts,
    conversions,
    decisions,
    entries,
    events,
    findings,
    idempotency,
    shares,
    sightings,
    standings,
    whereabouts,
)
from refledger.store.statements import Insert, Query, item, number_item, rows_of

Row = Mapping[str, Any]

insert_conversions = Insert(conversions).run
insert_decisions = Insert(decisions).run
insert_acceptances = Insert(acceptances).run
insert_entries = Insert(entries).run
insert_events = Insert(events).run
insert_findings = Insert(findings).run
insert_shares = Insert(shares).run
insert_sightings = Insert(sightings, "ON CONFLICT DO NOTHING").run
insert_whereabouts = Insert(whereabouts, "ON CONFLICT DO NOTHING").run
insert_attempts = Insert(attempts).run
_INSERT_IDEMPOTENCY = Insert(idempotency)
_COUNT_ATTEMPTS = Insert(
    attempt_hours,
    "ON CONFLICT (merchant_id, program_id, mode, hour_ms) DO UPDATE "
    "SET kept = attempt_hours.kept + excluded.kept, counted = attempt_hours.counted + excluded.counted",
)

_moves = rows_of("moves")
_STANDING_COLUMNS = ("accepted_count", "verified_count", *(f"{account}_minor" for account in ACCOUNTS))
_MOVE_STANDINGS = Query(
    update(standings)
    .where(
        standings.c.merchant_id == item(_moves, 0),
        standings.c.affiliate_id == item(_moves, 1),
        standings.c.mode == item(_moves, 2),
        standings.c.currency == item(_moves, 3),
    )
    .values(
        last_accepted_ms=func.coalesce(number_item(_moves, 4), standings.c.last_accepted_ms),
        **{
            name: standings.c[name] + number_item(_moves, 5 + position)
            for position, name in enumerate(_STANDING_COLUMNS)
        },
    )
)

_hours = rows_of("hours")
_ATTEMPT_HOURS = Query(
    select(
        attempt_hours.c.merchant_id, attempt_hours.c.program_id, attempt_hours.c.mode, attempt_hours.c.kept
    ).select_from(
        _hours.join(
            attempt_hours,
            and_(
                attempt_hours.c.merchant_id == item(_hours, 0),
                attempt_hours.c.program_id == item(_hours, 1),
                attempt_hours.c.mode == item(_hours, 2),
                attempt_hours.c.hour_ms == number_item(_hours, 3),
            ),
        )
    )
)

_displaced = rows_of("displaced")
_SUPERSEDE = Query(
    update(conversions)
    .where(conversions.c.merchant_id == item(_displaced, 0), conversions.c.id == item(_displaced, 1))
    .values(
        decision="rejected",
        status=item(_displaced, 2),
        decision_reason=SUPERSEDED,
        identity=None,
        order_key=None,
        matures_ms=None,
        approves_ms=None,
        updated_ms=number_item(_displaced, 3),
    )
)

_keys = rows_of("keys")
_FORGET_REPLAYS = Query(
    delete(idempotency).where(
        tuple_(idempotency.c.merchant_id, idempotency.c.key).in_(
            select(item(_keys, 0), item(_keys, 1)).select_from(_keys)
        ),
        idempotency.c.at_ms <= bindparam("until_ms"),
    )
)


class Overtaken(LookupError):
    """The program's currency was changed since it was looked up: to be decided again, as after a conflict."""

    sqlstate = "40001"


def move_standings(connection: Connection, moves: Sequence[Row]) -> None:
    """Adds to what affiliates' accounts and counters hold.

    Each row: merchant_id, affiliate_id, mode, currency, last_accepted_ms (or None), and any of the counters and
    accounts. One row per affiliate and mode at most. Raises `Overtaken` where there is no such standing.
    """
    if not moves:
        return
    rows = [
        [
            row["merchant_id"],
            row["affiliate_id"],
            row["mode"],
            row["currency"],
            row.get("last_accepted_ms"),
            *(row.get(name, 0) for name in _STANDING_COLUMNS),
        ]
        for row in moves
    ]
    moved = _MOVE_STANDINGS.run(connection, moves=rows)
    if moved != len(rows):
        raise Overtaken(f"{len(rows) - moved} of {len(rows)} standings are missing, or have another currency")


def remember(connection: Connection, answers: Sequence[Row], until_ms: int) -> None:
    """Keeps answers under their keys, in place of those that are as old as `until_ms`, which are forgotten."""
    if answers:
        _FORGET_REPLAYS.run(
            connection, keys=[(row["merchant_id"], row["key"]) for row in answers], until_ms=until_ms
        )
        _INSERT_IDEMPOTENCY.run(connection, answers)


def supersede(connection: Connection, displaced: Sequence[tuple[str, str, str, int]]) -> None:
    """Of (merchant id, conversion id, status shown, now): rejects them and releases their identities."""
    if displaced:
        _SUPERSEDE.run(connection, displaced=list(displaced))


def kept_attempts(
    connection: Connection, hours: Sequence[tuple[str, str, str, int]]
) -> dict[tuple[str, str, str], int]:
    """Of (merchant id, program id, mode, hour): how many unverified attempts that hour has kept."""
    if not hours:
        return {}
    return {
        (row[0], row[1], row[2]): row[3] for row in _ATTEMPT_HOURS.rows(connection, hours=list(set(hours)))
    }


def count_attempts(connection: Connection, counts: Sequence[Row]) -> None:
    """Adds to the hours' counters; sorted, so that two processes never wait for each other crosswise."""
    _COUNT_ATTEMPTS.run(
        connection,
        sorted(counts, key=lambda row: (row["merchant_id"], row["program_id"], row["mode"], row["hour_ms"])),
    )
