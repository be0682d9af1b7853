"""What the ledger holds: of conversions, of affiliates."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, cast, func, select

from refledger.store.engine import Connection
from refledger.store.schema import ACCOUNTS, conversions, entries, standings
from refledger.store.statements import Query, item, rows_of

Pair = tuple[str, str]

_ids = rows_of("ids")
_OF_CONVERSIONS = Query(
    select(
        entries.c.conversion_id,
        entries.c.debit,
        entries.c.credit,
        cast(func.sum(entries.c.amount_minor), BigInteger),
    )
    .select_from(
        _ids.join(
            entries, and_(entries.c.merchant_id == item(_ids, 0), entries.c.conversion_id == item(_ids, 1))
        )
    )
    .group_by(entries.c.conversion_id, entries.c.debit, entries.c.credit)
)
_CONVERSIONS = Query(
    select(conversions).select_from(
        _ids.join(
            conversions, and_(conversions.c.merchant_id == item(_ids, 0), conversions.c.id == item(_ids, 1))
        )
    )
)
_COLUMNS = [column.name for column in conversions.columns]
_STANDING = Query(
    select(
        *(standings.c[f"{account}_minor"] for account in ACCOUNTS),
        standings.c.currency,
        standings.c.program_id,
    ).where(
        standings.c.merchant_id == bindparam("merchant_id"),
        standings.c.affiliate_id == bindparam("affiliate_id"),
        standings.c.mode == bindparam("mode"),
    )
)


def posted(connection: Connection, conversion_ids: Iterable[Pair]) -> dict[str, dict[str, int]]:
    """Of (merchant id, conversion id): conversion id → account → the sum of its entries, `expense` left out."""
    wanted = list(set(conversion_ids))
    found: dict[str, dict[str, int]] = {conversion_id: {} for _, conversion_id in wanted}
    for conversion_id, debit, credit, amount in (
        _OF_CONVERSIONS.rows(connection, ids=wanted) if wanted else []
    ):
        held = found[conversion_id]
        held[debit] = held.get(debit, 0) - amount
        held[credit] = held.get(credit, 0) + amount
    return {
        conversion_id: {
            account: amount for account, amount in held.items() if amount and account != "expense"
        }
        for conversion_id, held in found.items()
    }


def conversions_of(connection: Connection, ids: Sequence[Pair]) -> dict[str, dict[str, Any]]:
    """Of (merchant id, conversion id): conversion id → the conversion's whole row."""
    wanted = list(set(ids))
    rows = _CONVERSIONS.rows(connection, ids=wanted) if wanted else []
    found = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
    return {row["id"]: row for row in found}


def balance(connection: Connection, merchant_id: str, affiliate_id: str, mode: str) -> dict[str, int] | None:
    """Account → minor units, of all accounts; None where the affiliate is not the merchant's."""
    rows = _STANDING.rows(connection, merchant_id=merchant_id, affiliate_id=affiliate_id, mode=mode)
    return dict(zip(ACCOUNTS, rows[0], strict=False)) if rows else None
