"""What `doctor` looks up: small, bounded reads, whatever the size of the tables."""

from typing import Any

from sqlalchemy import func, select

from refledger.store.engine import Connection, Database, Unavailable
from refledger.store.schema import (
    api_keys,
    attempts,
    clicks,
    conversions,
    door_counts,
    merchants,
    programs,
    standings,
)

LATEST = 5000  # rows of a merchant that are looked at, the newest ones


def probe_write(database: Database) -> None:
    """Opens a writing transaction and leaves it. Raises `Unavailable`."""
    with database.write() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("SELECT 1")
        elif connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on":
            raise Unavailable("it is read-only: a replica, or set to be so")


def durability(database: Database) -> dict[str, str]:
    """The engine's own words for how it keeps what it acknowledged."""
    if database.is_sqlite:
        names = ("journal_mode", "synchronous")
        with database.write() as connection:
            return {name: str(connection.exec_driver_sql(f"PRAGMA {name}").scalar()) for name in names}
    with database.read() as connection:
        return {
            name: str(connection.exec_driver_sql(f"SHOW {name}").scalar())
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        }


def server_time_ms(database: Database) -> int | None:
    """The database server's clock; none where the database has no clock of its own."""
    if database.is_sqlite:
        return None
    with database.read() as connection:
        words = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
        return connection.exec_driver_sql(words).scalar()


def latest_ms(connection: Connection) -> int | None:
    """The time of the last accepted conversion."""
    return connection.execute(select(func.max(standings.c.last_accepted_ms))).scalar()


def first_key_ms(connection: Connection) -> int | None:
    return connection.execute(select(func.min(api_keys.c.created_ms))).scalar()


def merchants_with_keys(connection: Connection) -> list[dict[str, Any]]:
    """Of each merchant: id, name, and how many keys of each kind and mode are in force."""
    found = {
        row.merchant_id: {"merchant_id": row.merchant_id, "name": row.name, "keys": {}}
        for row in connection.execute(select(merchants.c.merchant_id, merchants.c.name))
    }
    counted = (
        select(api_keys.c.merchant_id, api_keys.c.kind, api_keys.c.mode, func.count().label("keys"))
        .where(api_keys.c.revoked_ms.is_(None))
        .group_by(api_keys.c.merchant_id, api_keys.c.kind, api_keys.c.mode)
    )
    for row in connection.execute(counted):
        found[row.merchant_id]["keys"][row.kind, row.mode] = row.keys
    return list(found.values())


def programs_of(connection: Connection) -> list[dict[str, Any]]:
    """Every program with the time of its last accepted conversion, by mode."""
    found = {
        row.id: {
            "merchant_id": row.merchant_id,
            "id": row.id,
            "name": row.name,
            "status": row.status,
            "last": {},
        }
        for row in connection.execute(
            select(programs.c.merchant_id, programs.c.id, programs.c.name, programs.c.status)
        )
    }
    last = select(
        standings.c.program_id, standings.c.mode, func.max(standings.c.last_accepted_ms).label("at_ms")
    ).group_by(standings.c.program_id, standings.c.mode)
    for row in connection.execute(last):
        if row.at_ms and row.program_id in found:
            found[row.program_id]["last"][row.mode] = row.at_ms
    return list(found.values())


def _latest(connection: Connection, merchant_id: str, table, *columns):
    newest = (
        select(*columns)
        .where(table.c.merchant_id == merchant_id)
        .order_by(table.c.merchant_id.desc(), table.c.id.desc())
        .limit(LATEST)
    )
    return connection.execute(newest).all()


def latest_clicks(connection: Connection, merchant_id: str) -> list:
    """(program_id, mode, at_ms) of the newest clicks."""
    return _latest(connection, merchant_id, clicks, clicks.c.program_id, clicks.c.mode, clicks.c.at_ms)


def latest_conversions(connection: Connection, merchant_id: str) -> list:
    """(mode, verified, address, at_ms) of the newest conversions."""
    columns = (conversions.c.mode, conversions.c.verified, conversions.c.address, conversions.c.at_ms)
    return _latest(connection, merchant_id, conversions, *columns)


def latest_attempts(connection: Connection, merchant_id: str) -> list:
    """(code, mode, verified, at_ms) of the newest attempts."""
    columns = (attempts.c.code, attempts.c.mode, attempts.c.verified, attempts.c.at_ms)
    return _latest(connection, merchant_id, attempts, *columns)


def answers_at_the_door(connection: Connection, since_ms: int) -> list:
    """(code, answers) given before a merchant was known."""
    counted = (
        select(door_counts.c.code, func.sum(door_counts.c.answers).label("answers"))
        .where(door_counts.c.hour_ms >= since_ms)
        .group_by(door_counts.c.code)
        .order_by(door_counts.c.code)
    )
    return [(row.code, int(row.answers)) for row in connection.execute(counted)]
