"""What time alone brings about: conversions whose hold is over, or whose time to be approved by themselves has come."""

from typing import Any

from sqlalchemy import BigInteger, Column, and_, bindparam, case, cast, func, select, tuple_

from refledger.store.engine import Connection
from refledger.store.schema import conversions, entries
from refledger.store.statements import Query, few

Place = tuple[int, str]  # when it was due, and its id


def _due(column: Column, *conditions: Any) -> Query:
    """By the index of the few rows that wait for it."""
    return Query(
        select(column, conversions.c.id)
        .where(
            conversions.c.merchant_id == bindparam("merchant_id"),
            column.is_not(None),
            column <= bindparam("now_ms"),
            tuple_(column, conversions.c.id) > tuple_(bindparam("after_ms"), bindparam("after_id")),
            *conditions,
        )
        .order_by(column, conversions.c.id)
        .limit(bindparam("most"))
    )


_MATURING = _due(conversions.c.matures_ms)
# What is disputed waits until that is settled; what was refunded needs no approval any more.
_APPROVING = _due(conversions.c.approves_ms, conversions.c.status == "pending")
_from_held = case(
    (entries.c.credit == "held", entries.c.amount_minor),
    (entries.c.debit == "held", -entries.c.amount_minor),
    else_=0,
)
_MATURED = Query(
    select(cast(func.coalesce(func.sum(_from_held), 0), BigInteger))
    .select_from(
        conversions.join(
            entries,
            and_(
                entries.c.merchant_id == conversions.c.merchant_id,
                few(entries.c.conversion_id == conversions.c.id),
            ),
        )
    )
    .where(
        conversions.c.merchant_id == bindparam("merchant_id"),
        conversions.c.matures_ms.is_not(None),
        conversions.c.matures_ms <= bindparam("now_ms"),
        entries.c.affiliate_id == bindparam("affiliate_id"),
        entries.c.mode == bindparam("mode"),
    )
)


def maturing(
    connection: Connection, merchant_id: str, now_ms: int, after: Place, most: int
) -> list[tuple[int, str]]:
    """(when, conversion id) of those whose hold is over, behind `after`, the longest over first."""
    return _find(_MATURING, connection, merchant_id, now_ms, after, most)


def approving(
    connection: Connection, merchant_id: str, now_ms: int, after: Place, most: int
) -> list[tuple[int, str]]:
    """(when, conversion id) of those that nobody has to look at any more, behind `after`, the longest due first."""
    return _find(_APPROVING, connection, merchant_id, now_ms, after, most)


def _find(query: Query, connection: Connection, merchant_id: str, now_ms: int, after: Place, most: int):
    after_ms, after_id = after
    return query.rows(
        connection, merchant_id=merchant_id, now_ms=now_ms, after_ms=after_ms, after_id=after_id, most=most
    )


def matured_minor(connection: Connection, merchant_id: str, affiliate_id: str, mode: str, now_ms: int) -> int:
    """What lies in the affiliate's `held` although its hold is over."""
    found = _MATURED.rows(
        connection, merchant_id=merchant_id, affiliate_id=affiliate_id, mode=mode, now_ms=now_ms
    )
    return found[0][0]
