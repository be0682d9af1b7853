"""Payouts and their items; what affiliates have to be paid."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, case, cast, func, or_, select, update

from refledger.core.events import EventType
from refledger.store import rows
from refledger.store.engine import Connection
from refledger.store.schema import affiliates, conversions, entries, payout_items, payouts, standings
from refledger.store.statements import Insert, Query, few, item, rows_of

Row = dict[str, Any]

_insert_items = Insert(payout_items).run
_flow = case(
    (entries.c.credit == bindparam("account"), entries.c.amount_minor),
    (entries.c.debit == bindparam("account"), -entries.c.amount_minor),
    else_=0,
)
_PAYABLE = Query(
    select(standings.c.affiliate_id, standings.c.payable_minor).where(
        standings.c.merchant_id == bindparam("merchant_id"),
        standings.c.program_id == bindparam("program_id"),
        standings.c.mode == bindparam("mode"),
        or_(standings.c.payable_minor != 0, standings.c.held_minor != 0),
    )
)
_of_conversion = and_(
    entries.c.merchant_id == conversions.c.merchant_id, few(entries.c.conversion_id == conversions.c.id)
)
_MATURED = Query(
    select(
        entries.c.affiliate_id,
        cast(func.sum(_flow), BigInteger),
        cast(func.sum(case((conversions.c.matures_ms <= bindparam("until_ms"), _flow), else_=0)), BigInteger),
    )
    .select_from(conversions.join(entries, _of_conversion))
    .where(
        conversions.c.merchant_id == bindparam("merchant_id"),
        conversions.c.matures_ms <= bindparam("now_ms"),
        conversions.c.program_id == bindparam("program_id"),
        conversions.c.mode == bindparam("mode"),
    )
    .group_by(entries.c.affiliate_id)
)
_RIPE = Query(
    select(conversions.c.id, entries.c.affiliate_id)
    .distinct()
    .select_from(conversions.join(entries, _of_conversion))
    .where(
        conversions.c.merchant_id == bindparam("merchant_id"),
        conversions.c.matures_ms <= bindparam("now_ms"),
        conversions.c.program_id == bindparam("program_id"),
        conversions.c.mode == bindparam("mode"),
    )
)
_SINCE = Query(
    select(entries.c.affiliate_id, cast(func.sum(_flow), BigInteger))
    .select_from(entries.outerjoin(conversions, _of_conversion))
    .where(
        entries.c.merchant_id == bindparam("merchant_id"),
        entries.c.cause >= bindparam("from_id"),
        entries.c.program_id == bindparam("program_id"),
        entries.c.mode == bindparam("mode"),
        or_(
            entries.c.kind != bindparam("matured"),
            conversions.c.hold_until_ms > bindparam("until_ms"),
        ),
    )
    .group_by(entries.c.affiliate_id)
)
_changed = rows_of("changed")
_CHANGE_ITEMS = Query(
    update(payout_items)
    .where(
        payout_items.c.merchant_id == item(_changed, 0),
        payout_items.c.payout_id == item(_changed, 1),
        payout_items.c.affiliate_id == item(_changed, 2),
    )
    .values(
        status=bindparam("new_status"),
        reason=bindparam("new_reason"),
        reference=bindparam("new_reference"),
        updated_ms=bindparam("new_updated_ms"),
    )
)


def payable(connection: Connection, place: Mapping[str, str]) -> dict[str, int]:
    """Affiliate id → what their account `payable` holds, where it or `held` is not empty.

    `place`: merchant_id, program_id, mode.
    """
    return dict(_PAYABLE.rows(connection, **place))


def matured(
    connection: Connection, place: Mapping[str, str], until_ms: int, now_ms: int
) -> dict[str, tuple[int, int]]:
    """Affiliate id → what is still in `held` although its hold is over: now, and at `until_ms`."""
    found = _MATURED.rows(connection, **place, until_ms=until_ms, now_ms=now_ms, account="held")
    return {affiliate_id: (now_minor, until_minor) for affiliate_id, now_minor, until_minor in found}


def ripe(connection: Connection, place: Mapping[str, str], now_ms: int) -> dict[str, set[str]]:
    """Conversion id → the affiliates who earn of it, where its hold is over and its commission still in `held`."""
    found: dict[str, set[str]] = {}
    for conversion_id, affiliate_id in _RIPE.rows(connection, **place, now_ms=now_ms):
        found.setdefault(conversion_id, set()).add(affiliate_id)
    return found


def payable_since(
    connection: Connection, place: Mapping[str, str], until_ms: int, from_id: str
) -> dict[str, int]:
    """Affiliate id → what came to `payable` and left it from the event `from_id` on. What a hold was over for before
    `until_ms` counts as there already, whenever it was posted.
    """
    words = {"matured": EventType.MATURED.value, "account": "payable"}
    return dict(_SINCE.rows(connection, **place, until_ms=until_ms, from_id=from_id, **words))


def add(connection: Connection, payout: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> None:
    rows.add(connection, payouts, payout)
    _insert_items(connection, items)


def payout(connection: Connection, merchant_id: str, mode: str, payout_id: str) -> Row | None:
    found = rows.get(connection, payouts, merchant_id, payout_id)
    return found if found is not None and found["mode"] == mode else None


def items_of(connection: Connection, merchant_id: str, payout_id: str) -> list[Row]:
    """Whole rows with the affiliate's `name` and `email` of today, by affiliate."""
    found = connection.execute(
        select(payout_items, affiliates.c.name, affiliates.c.email)
        .join(
            affiliates,
            and_(
                affiliates.c.merchant_id == payout_items.c.merchant_id,
                affiliates.c.id == payout_items.c.affiliate_id,
            ),
        )
        .where(payout_items.c.merchant_id == merchant_id, payout_items.c.payout_id == payout_id)
        .order_by(payout_items.c.affiliate_id)
    )
    return [dict(row) for row in found.mappings()]


def affiliates_of(connection: Connection, merchant_id: str, affiliate_ids: Sequence[str]) -> dict[str, Row]:
    """Affiliate id → `name` and `email`."""
    found = connection.execute(
        select(affiliates.c.id, affiliates.c.name, affiliates.c.email).where(
            affiliates.c.merchant_id == merchant_id, affiliates.c.id.in_(affiliate_ids)
        )
    )
    return {row.id: {"name": row.name, "email": row.email} for row in found}


def change_items(
    connection: Connection, items: Sequence[Mapping[str, Any]], values: Mapping[str, Any]
) -> None:
    """`values`: status, reason, reference, updated_ms."""
    keys = [(each["merchant_id"], each["payout_id"], each["affiliate_id"]) for each in items]
    _CHANGE_ITEMS.run(connection, changed=keys, **{f"new_{name}": value for name, value in values.items()})


def change(connection: Connection, payout: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    rows.change(connection, payouts, payout["merchant_id"], payout["id"], values)


def list_payouts(
    connection: Connection,
    merchant_id: str,
    mode: str,
    filters: Mapping[str, Any],
    limit: int,
    before_id: str | None,
) -> tuple[list[Row], bool]:
    conditions = [payouts.c.mode == mode, *(payouts.c[name] == value for name, value in filters.items())]
    return rows.page(connection, payouts, merchant_id, conditions, limit, before_id)


def items_of_affiliate(
    connection: Connection, merchant_id: str, affiliate_id: str, payout_ids: Iterable[str]
) -> list[Row]:
    """Whole rows with the payout's `created_ms`, the oldest first."""
    found = connection.execute(
        select(payout_items, payouts.c.created_ms)
        .join(
            payouts,
            and_(
                payouts.c.merchant_id == payout_items.c.merchant_id, payouts.c.id == payout_items.c.payout_id
            ),
        )
        .where(
            payout_items.c.merchant_id == merchant_id,
            payout_items.c.affiliate_id == affiliate_id,
            payout_items.c.payout_id.in_(list(payout_ids)),
        )
        .order_by(payout_items.c.payout_id)
    )
    return [dict(row) for row in found.mappings()]
