"""Policy overrides: every version is kept, for conversions name the one that judged them."""

from sqlalchemy import func, select
from sqlalchemy.sql.expression import ColumnElement

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import audit, policies


def add_policy(connection: Connection, row: rows.Row) -> None:
    rows.add(connection, policies, row)


def policy(connection: Connection, merchant_id: str, policy_id: str) -> rows.Row | None:
    return rows.get(connection, policies, merchant_id, policy_id)


def policies_by_id(connection: Connection, merchant_id: str, ids: set[str]) -> dict[str, rows.Row]:
    found = connection.execute(
        select(policies).where(policies.c.merchant_id == merchant_id, policies.c.id.in_(sorted(ids)))
    )
    return {row["id"]: dict(row) for row in found.mappings()}


def latest_version(
    connection: Connection, merchant_id: str, program_id: str, affiliate_id: str | None
) -> int:
    """Of the program's own or the affiliate's overrides; 0 where there were none."""
    found = connection.execute(
        select(func.coalesce(func.max(policies.c.version), 0)).where(
            policies.c.merchant_id == merchant_id, *_of(program_id, affiliate_id)
        )
    )
    return int(found.scalar_one())


def versions(
    connection: Connection,
    merchant_id: str,
    program_id: str,
    affiliate_id: str | None,
    limit: int,
    before_id: str | None,
) -> tuple[list[rows.Row], bool]:
    """A page of the program's own or the affiliate's overrides, newest first."""
    return rows.page(connection, policies, merchant_id, _of(program_id, affiliate_id), limit, before_id)


def version(
    connection: Connection, merchant_id: str, program_id: str, affiliate_id: str | None, number: int
) -> rows.Row | None:
    found = connection.execute(
        select(policies).where(
            policies.c.merchant_id == merchant_id,
            policies.c.version == number,
            *_of(program_id, affiliate_id),
        )
    )
    row = found.mappings().first()
    return row and dict(row)


def of_program(connection: Connection, merchant_id: str, program_id: str) -> dict[str, rows.Row]:
    """Every version of the program's overrides and of its affiliates', by id."""
    found = connection.execute(
        select(policies).where(policies.c.merchant_id == merchant_id, policies.c.program_id == program_id)
    )
    return {row["id"]: dict(row) for row in found.mappings()}


def actors(connection: Connection, merchant_id: str, subject_id: str, times_ms: set[int]) -> dict[int, str]:
    """When a program or an affiliate was changed, of these times → by whom."""
    found = connection.execute(
        select(audit.c.at_ms, audit.c.actor).where(
            audit.c.merchant_id == merchant_id,
            audit.c.subject_id == subject_id,
            audit.c.at_ms.in_(sorted(times_ms)),
        )
    )
    return {row[0]: row[1] for row in found}


def _of(program_id: str, affiliate_id: str | None) -> list[ColumnElement[bool]]:
    whose = policies.c.affiliate_id
    return [
        policies.c.program_id == program_id,
        whose.is_(None) if affiliate_id is None else whose == affiliate_id,
    ]
