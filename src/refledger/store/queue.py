"""What waits for a person, by affiliate and leading signal; found by the index of the held alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, literal_column, select
from sqlalchemy.sql.expression import ColumnElement

from refledger.store.engine import Connection
from refledger.store.schema import affiliates, conversions

Row = dict[str, Any]
Group = tuple[str, str | None, str]

# Written out: an index of some rows is used only where the statement's own text says that no others are meant.
HELD = conversions.c.decision == literal_column("'pending_review'")
# What makes a group: sums are of one currency.
_GROUP = (conversions.c.affiliate_id, conversions.c.leading_code, conversions.c.currency)


def groups(
    connection: Connection, merchant_id: str, mode: str, filters: Mapping[str, Any], limit: int
) -> tuple[list[Row], bool]:
    """The largest sums held come first, of equal ones the oldest; and whether there are more groups.

    Each: program_id, affiliate_id, name, ref_code, leading_code, currency, waiting, commission_minor, revenue_minor,
    oldest_ms, newest_ms.
    """
    found = connection.execute(_groups(merchant_id, mode, filters, limit + 1)).mappings()
    rows = [{name: _whole(value) for name, value in row.items()} for row in found]
    return rows[:limit], len(rows) > limit


def newest_ids(
    connection: Connection, merchant_id: str, mode: str, affiliate_ids: Sequence[str], most: int
) -> dict[Group, list[str]]:
    """(affiliate id, leading code, currency) → its newest conversions, at most so many."""
    place = func.row_number().over(partition_by=_GROUP, order_by=conversions.c.id.desc()).label("place")
    held = (
        select(*_GROUP, conversions.c.id, place)
        .where(*_held(merchant_id, mode), conversions.c.affiliate_id.in_(affiliate_ids))
        .subquery()
    )
    found: dict[Group, list[str]] = {}
    for *group, conversion_id, _ in connection.execute(
        select(held).where(held.c.place <= most).order_by(held.c.id.desc())
    ):
        found.setdefault(tuple(group), []).append(conversion_id)
    return found


def _groups(merchant_id: str, mode: str, filters: Mapping[str, Any], limit: int) -> Select:
    wanted = [conversions.c[name] == value for name, value in filters.items() if value is not None]
    held = (
        select(
            *_GROUP,
            func.count().label("waiting"),
            func.sum(conversions.c.commission_minor).label("commission_minor"),
            func.sum(conversions.c.revenue_minor).label("revenue_minor"),
            func.min(conversions.c.at_ms).label("oldest_ms"),
            func.max(conversions.c.at_ms).label("newest_ms"),
        )
        .where(*_held(merchant_id, mode), *wanted)
        .group_by(*_GROUP)
        .order_by(func.sum(conversions.c.commission_minor).desc(), func.min(conversions.c.at_ms), *_GROUP)
        .limit(limit)
        .subquery()
    )
    of_affiliate = and_(affiliates.c.merchant_id == merchant_id, affiliates.c.id == held.c.affiliate_id)
    return (
        select(held, affiliates.c.program_id, affiliates.c.name, affiliates.c.ref_code)
        .join(affiliates, of_affiliate)
        .order_by(held.c.commission_minor.desc(), held.c.oldest_ms, held.c.affiliate_id, held.c.leading_code)
    )


def _held(merchant_id: str, mode: str) -> list[ColumnElement[bool]]:
    """What was paid back or is disputed while it waited is no longer the queue's business."""
    mine = [conversions.c.merchant_id == merchant_id, conversions.c.mode == mode]
    return [*mine, HELD, conversions.c.status == "pending_review"]


def _whole(value: Any) -> Any:
    """PostgreSQL adds whole numbers up to a decimal."""
    return value if value is None or isinstance(value, str) else int(value)
