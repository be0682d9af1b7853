"""What the ledger holds: of conversions, of affiliates."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, cast, func, select

from refledger.store.engine import Connection
from refledger.store.schema import ACCOUNTS, conversions, decisions, entries, merchants, shares, standings
from refledger.store.statements import Query, few, item, rows_of

Pair = tuple[str, str]

_ids = rows_of("ids")
_OF_CONVERSIONS = Query(
    select(
        entries.c.conversion_id,
        entries.c.affiliate_id,
        entries.c.debit,
        entries.c.credit,
        cast(func.sum(entries.c.amount_minor), BigInteger),
    )
    .select_from(
        _ids.join(
            entries,
            and_(entries.c.merchant_id == item(_ids, 0), few(entries.c.conversion_id == item(_ids, 1))),
        )
    )
    .group_by(entries.c.conversion_id, entries.c.affiliate_id, entries.c.debit, entries.c.credit)
)
_CONVERSIONS = Query(
    select(conversions, merchants.c.sealed_ms).select_from(
        _ids.join(
            conversions, and_(conversions.c.merchant_id == item(_ids, 0), conversions.c.id == item(_ids, 1))
        ).join(merchants, merchants.c.merchant_id == item(_ids, 0))
    )
)
_COLUMNS = [*(column.name for column in conversions.columns), "sealed_ms"]
_SHARES = Query(
    select(shares).select_from(
        _ids.join(
            shares, and_(shares.c.merchant_id == item(_ids, 0), shares.c.conversion_id == item(_ids, 1))
        )
    )
)
_SHARE_COLUMNS = [column.name for column in shares.columns]
_RECORDS = Query(
    select(decisions.c.conversion_id, decisions.c.record).select_from(
        _ids.join(
            decisions,
            and_(decisions.c.merchant_id == item(_ids, 0), decisions.c.conversion_id == item(_ids, 1)),
        )
    )
)
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


def posted(connection: Connection, conversion_ids: Iterable[Pair]) -> dict[Pair, dict[str, int]]:
    """Of (merchant id, conversion id): (conversion id, affiliate id) → account → the sum of its entries, `expense` left
    out. Nothing for who has no entries.
    """
    wanted = list(set(conversion_ids))
    found: dict[Pair, dict[str, int]] = {}
    for conversion_id, affiliate_id, debit, credit, amount in (
        _OF_CONVERSIONS.rows(connection, ids=wanted) if wanted else []
    ):
        held = found.setdefault((conversion_id, affiliate_id), {})
        held[debit] = held.get(debit, 0) - amount
        held[credit] = held.get(credit, 0) + amount
    return {
        place: {account: amount for account, amount in held.items() if amount and account != "expense"}
        for place, held in found.items()
    }


def shares_of(connection: Connection, conversion_ids: Iterable[Pair]) -> dict[str, list[dict[str, Any]]]:
    """Of (merchant id, conversion id): conversion id → the rows of what recruiters earn of it."""
    wanted = list(set(conversion_ids))
    found: dict[str, list[dict[str, Any]]] = {conversion_id: [] for _, conversion_id in wanted}
    for row in _SHARES.rows(connection, ids=wanted) if wanted else []:
        share = dict(zip(_SHARE_COLUMNS, row, strict=True))
        found[share["conversion_id"]].append(share)
    return found


def records_of(connection: Connection, conversion_ids: Iterable[Pair]) -> dict[str, str]:
    """Of (merchant id, conversion id): conversion id → its decision record, as JSON."""
    wanted = list(set(conversion_ids))
    return dict(_RECORDS.rows(connection, ids=wanted)) if wanted else {}


def conversions_of(connection: Connection, ids: Sequence[Pair]) -> dict[str, dict[str, Any]]:
    """Of (merchant id, conversion id): conversion id → the conversion's whole row, and its merchant's `sealed_ms`."""
    wanted = list(set(ids))
    rows = _CONVERSIONS.rows(connection, ids=wanted) if wanted else []
    found = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
    return {row["id"]: row for row in found}


def balance(connection: Connection, merchant_id: str, affiliate_id: str, mode: str) -> dict[str, int] | None:
    """Account → minor units, of all accounts; None where the affiliate is not the merchant's."""
    rows = _STANDING.rows(connection, merchant_id=merchant_id, affiliate_id=affiliate_id, mode=mode)
    return dict(zip(ACCOUNTS, rows[0], strict=False)) if rows else None
