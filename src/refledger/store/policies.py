"""Policy overrides: every version is kept, for conversions name the one that judged them."""

from sqlalchemy import func, select

from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import policies


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
    whose = (
        policies.c.affiliate_id.is_(None) if affiliate_id is None else policies.c.affiliate_id == affiliate_id
    )
    found = connection.execute(
        select(func.coalesce(func.max(policies.c.version), 0)).where(
            policies.c.merchant_id == merchant_id, policies.c.program_id == program_id, whose
        )
    )
    return int(found.scalar_one())
