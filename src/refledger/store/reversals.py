"""Refunds and disputes by the merchant's own ids, and the sale that an order id leads to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, and_, bindparam, or_, select, update

from refledger.store.engine import Connection
from refledger.store.schema import conversions, disputes, refunds, shares
from refledger.store.statements import Insert, Query, item, rows_of

Row = dict[str, Any]

insert_refunds = Insert(refunds).run
insert_disputes = Insert(disputes).run


def _by_id(table: Table) -> Query:
    return Query(
        select(table).where(
            table.c.merchant_id == bindparam("merchant_id"),
            table.c.mode == bindparam("mode"),
            table.c.id == bindparam("row_id"),
        )
    )


def _of_conversion(table: Table) -> Query:
    return Query(
        select(table)
        .where(
            table.c.merchant_id == bindparam("merchant_id"),
            table.c.conversion_id == bindparam("conversion_id"),
        )
        .order_by(table.c.id)
    )


_REFUND, _DISPUTE = _by_id(refunds), _by_id(disputes)
_REFUNDS, _DISPUTES = _of_conversion(refunds), _of_conversion(disputes)
_AMOUNT = Query(
    update(refunds)
    .where(
        refunds.c.merchant_id == bindparam("of_merchant"),
        refunds.c.mode == bindparam("of_mode"),
        refunds.c.id == bindparam("of_id"),
    )
    .values(amount_minor=bindparam("amount_minor"))
)
_STATUS = Query(
    update(disputes)
    .where(
        disputes.c.merchant_id == bindparam("of_merchant"),
        disputes.c.mode == bindparam("of_mode"),
        disputes.c.id == bindparam("of_id"),
    )
    .values(status=bindparam("status"), updated_ms=bindparam("updated_ms"))
)
_SHARE = Query(
    update(shares)
    .where(
        shares.c.merchant_id == bindparam("of_merchant"),
        shares.c.conversion_id == bindparam("of_conversion"),
        shares.c.affiliate_id == bindparam("of_affiliate"),
    )
    .values(commission_minor=bindparam("commission_minor"))
)

_keys = rows_of("keys")
_SALE = (
    conversions.c.id,
    conversions.c.program_id,
    conversions.c.type,
    conversions.c.decision,
    conversions.c.verified,
)
_STANDING = Query(
    select(*_SALE).select_from(
        _keys.join(
            conversions,
            and_(conversions.c.merchant_id == item(_keys, 0), conversions.c.order_key == item(_keys, 1)),
        )
    )
)
# In the words of the index of conversions whose order stands for nobody.
_RELEASED = Query(
    select(*_SALE).where(
        conversions.c.merchant_id == bindparam("merchant_id"),
        conversions.c.order_id == bindparam("order_id"),
        conversions.c.order_key.is_(None),
        conversions.c.order_id.is_not(None),
        conversions.c.mode == bindparam("mode"),
    )
)


def refund(connection: Connection, merchant_id: str, mode: str, refund_id: str) -> Row | None:
    return _one(_REFUND.rows(connection, merchant_id=merchant_id, mode=mode, row_id=refund_id), refunds)


def dispute(connection: Connection, merchant_id: str, mode: str, dispute_id: str) -> Row | None:
    return _one(_DISPUTE.rows(connection, merchant_id=merchant_id, mode=mode, row_id=dispute_id), disputes)


def refunds_of(connection: Connection, merchant_id: str, conversion_id: str) -> list[Row]:
    """All refunds of the conversion, by id."""
    return _all(_REFUNDS.rows(connection, merchant_id=merchant_id, conversion_id=conversion_id), refunds)


def disputes_of(connection: Connection, merchant_id: str, conversion_id: str) -> list[Row]:
    """All disputes of the conversion, by id."""
    return _all(_DISPUTES.rows(connection, merchant_id=merchant_id, conversion_id=conversion_id), disputes)


def change_amount(connection: Connection, refund: Mapping[str, Any], amount_minor: int) -> None:
    of = {"of_merchant": refund["merchant_id"], "of_mode": refund["mode"], "of_id": refund["id"]}
    _AMOUNT.run(connection, amount_minor=amount_minor, **of)


def change_status(connection: Connection, dispute: Mapping[str, Any]) -> None:
    of = {"of_merchant": dispute["merchant_id"], "of_mode": dispute["mode"], "of_id": dispute["id"]}
    _STATUS.run(connection, status=dispute["status"], updated_ms=dispute["updated_ms"], **of)


def change_share(connection: Connection, share: Mapping[str, Any], commission_minor: int) -> None:
    _SHARE.run(
        connection,
        of_merchant=share["merchant_id"],
        of_conversion=share["conversion_id"],
        of_affiliate=share["affiliate_id"],
        commission_minor=commission_minor,
    )


def standing_sales(connection: Connection, merchant_id: str, order_keys: Sequence[str]) -> list[Row]:
    """The conversions that stand for one of these orders: id, program_id, type, decision, verified."""
    found = _STANDING.rows(connection, keys=[(merchant_id, key) for key in order_keys]) if order_keys else []
    return _named(found)


def released_sales(connection: Connection, merchant_id: str, mode: str, order_id: str) -> list[Row]:
    """The conversions with that order id which do not stand for the order, as after a rejection."""
    return _named(_RELEASED.rows(connection, merchant_id=merchant_id, mode=mode, order_id=order_id))


def _named(found: Iterable[tuple]) -> list[Row]:
    names = [column.name for column in _SALE]
    return [dict(zip(names, row, strict=True)) for row in found]


def _one(found: list[tuple], table: Table) -> Row | None:
    return _all(found, table)[0] if found else None


def _all(found: Iterable[tuple], table: Table) -> list[Row]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in found]


def page(
    connection: Connection,
    kind: str,
    merchant_id: str,
    mode: str,
    conversion_id: str | None,
    limit: int,
    before: tuple[int, str] | None,
) -> tuple[list[Row], bool]:
    """The newest `refunds` or `disputes`, older than `before` (time, id); and whether there are more."""
    table = {"refunds": refunds, "disputes": disputes}[kind]
    wanted = [table.c.merchant_id == merchant_id, table.c.mode == mode]
    if conversion_id is not None:
        wanted.append(table.c.conversion_id == conversion_id)
    if before is not None:
        at_ms, row_id = before
        wanted.append(or_(table.c.at_ms < at_ms, and_(table.c.at_ms == at_ms, table.c.id < row_id)))
    ordered = select(table).where(*wanted).order_by(table.c.at_ms.desc(), table.c.id.desc())
    found = [dict(row) for row in connection.execute(ordered.limit(limit + 1)).mappings()]
    return found[:limit], len(found) > limit
