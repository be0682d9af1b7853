"""The entries as they are sealed, and the seals."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Text, bindparam, func, select, update

from refledger.store.engine import Connection
from refledger.store.schema import entries, merchants, seals
from refledger.store.statements import Insert, Query

# An entry as one text, alike from either engine: a text after its length, so that nothing in it can pass for the next
# field, a number before a semicolon. What is missing has neither.
_PARTS, _VALUES = [], []
for _column in entries.columns:
    if isinstance(_column.type, Text):
        _PARTS.append("%s:%s")
        _VALUES += [func.length(_column), _column]
    else:
        _PARTS.append("%s;")
        _VALUES.append(_column)
_FRAME = func.format("".join(_PARTS), *_VALUES)

_mine = entries.c.merchant_id == bindparam("merchant_id")
_after = entries.c.cause > bindparam("after_cause")
_FRAMES = Query(
    select(_FRAME)
    .where(_mine, _after, entries.c.cause <= bindparam("until_cause"))
    .order_by(entries.c.cause, entries.c.kind, entries.c.line)
)
_before = entries.c.cause < bindparam("before_cause")
_NTH_CAUSE = Query(
    select(entries.c.cause)
    .where(_mine, _after, _before)
    .order_by(entries.c.cause)
    .limit(1)
    .offset(bindparam("skipped"))
)
_LAST_CAUSE = Query(select(func.max(entries.c.cause)).where(_mine, _after, _before))
_COLUMNS = [column.name for column in seals.columns]
_OF_MERCHANT = select(seals).where(seals.c.merchant_id == bindparam("merchant_id"))
_LAST = Query(_OF_MERCHANT.order_by(seals.c.no.desc()).limit(1))
_ALL = Query(_OF_MERCHANT.order_by(seals.c.no))
_SEALED_MS = Query(select(merchants.c.sealed_ms).where(merchants.c.merchant_id == bindparam("merchant_id")))
_SEALED = Query(
    update(merchants)
    .where(merchants.c.merchant_id == bindparam("of_merchant"))
    .values(sealed_ms=bindparam("until_ms"))
)
_insert = Insert(seals).run


def sealed_ms(connection: Connection, merchant_id: str) -> int:
    """No event of this merchant may be dated then or before any more; 0 where nothing is sealed."""
    found = _SEALED_MS.rows(connection, merchant_id=merchant_id)
    return found[0][0] if found else 0


def last_seal(connection: Connection, merchant_id: str) -> dict[str, Any] | None:
    return next(
        (dict(zip(_COLUMNS, row, strict=True)) for row in _LAST.rows(connection, merchant_id=merchant_id)),
        None,
    )


def all_seals(connection: Connection, merchant_id: str) -> Iterator[dict[str, Any]]:
    """In the order of the chain."""
    return (dict(zip(_COLUMNS, row, strict=True)) for row in _ALL.rows(connection, merchant_id=merchant_id))


def end_of_batch(
    connection: Connection, merchant_id: str, after_cause: str, before_cause: str, count: int
) -> str | None:
    """The cause with which the next so many entries end, or all there are; None where there are none. Between the two
    causes, neither of them included.
    """
    span = {"merchant_id": merchant_id, "after_cause": after_cause, "before_cause": before_cause}
    found = _NTH_CAUSE.rows(connection, **span, skipped=count - 1) or _LAST_CAUSE.rows(connection, **span)
    return found[0][0]


def frames(connection: Connection, merchant_id: str, after_cause: str, until_cause: str) -> list[str]:
    """Each entry's text, in the order of cause, kind and line; of the second cause too, of the first one no more."""
    rows = _FRAMES.rows(connection, merchant_id=merchant_id, after_cause=after_cause, until_cause=until_cause)
    return [row[0] for row in rows]


def add(connection: Connection, merchant_id: str, row: Mapping[str, Any], until_ms: int) -> None:
    """Raises an IntegrityError of the driver where another process was first."""
    _insert(connection, [{"merchant_id": merchant_id, **row}])
    _SEALED.run(connection, of_merchant=merchant_id, until_ms=until_ms)
