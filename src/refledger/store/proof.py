"""Reads the whole ledger for whoever proves that it balances: a merchant at a time, in spans of ids, summed where a sum
is enough.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Table, and_, bindparam, case, cast, func, or_, select, union_all

from refledger.core.events import EventType
from refledger.store.engine import Connection
from refledger.store.ledger import Pair
from refledger.store.schema import (
    affiliates,
    conversions,
    decisions,
    disputes,
    entries,
    events,
    metadata,
    programs,
    refunds,
    seals,
    shares,
    standings,
)
from refledger.store.statements import Query, item, position, rows_of

Row = dict[str, Any]
Span = tuple[str, str | None]  # after this id, until that one; None: until the end

SPAN_ROWS = 20_000

# Where a conversion's own entries may move an amount.
OWN_ACCOUNTS = ("pending", "held", "payable", "dispute_reserve")
# What most events tell is not needed, and is most of their length.
_TELLING = (
    EventType.PARTLY_REFUNDED,
    EventType.REFUNDED,
    EventType.CHARGEBACK,
    EventType.DISPUTE_WON,
    EventType.DISPUTE_LOST,
    EventType.ADJUSTED,
)


class Sums(NamedTuple):
    """What the entries of one conversion come to."""

    conversion_id: str
    pending: int
    held: int
    payable: int
    dispute_reserve: int
    odd: int  # of another affiliate, program, mode or currency than the conversion, or of accounts that are none of its
    entries: int
    decided: str | None  # the last cause that decided something, and after it its kind


class Brief(NamedTuple):
    """As much of a conversion as most are proven by."""

    id: str
    affiliate_id: str
    program_id: str
    mode: str
    type: str
    status: str
    decision: str
    initial: str
    revenue_minor: int
    commission_minor: int
    currency: str
    refunded: int
    refunded_minor: int
    dispute: str | None
    hold_until_ms: int | None
    matures_ms: int | None
    approves_ms: int | None
    accepted_no: int | None
    verified_no: int | None
    kept: str | None  # the end of its decision record, from the commission on


def _spanned(statement, table: Table, name: str) -> tuple[Query, Query]:
    """Of one merchant, between two ids, and from one to the end."""
    mine = statement.where(
        table.c.merchant_id == bindparam("merchant_id"), table.c[name] > bindparam("after")
    )
    return Query(mine.where(table.c[name] <= bindparam("until"))), Query(mine)


def _rows(queries: tuple[Query, Query], connection: Connection, merchant_id: str, span: Span) -> list[tuple]:
    after, until = span
    if until is None:
        return queries[1].rows(connection, merchant_id=merchant_id, after=after)
    return queries[0].rows(connection, merchant_id=merchant_id, after=after, until=until)


def _one_of(column, values: Iterable[str]):
    return or_(*(column == str(value) for value in values))


# ── conversions ──────────────────────────────────────────────────────────────────────────────────────────────────

_records = and_(
    decisions.c.merchant_id == conversions.c.merchant_id, decisions.c.conversion_id == conversions.c.id
)
_COMMISSION = '"commission":'
_kept = func.substr(decisions.c.record, position(decisions.c.record, _COMMISSION))
_PAGE = Query(
    select(*(conversions.c[name] for name in Brief._fields[:-1]), _kept)
    .select_from(conversions.outerjoin(decisions, _records))
    .where(conversions.c.merchant_id == bindparam("merchant_id"), conversions.c.id > bindparam("after"))
    .order_by(conversions.c.id)
    .limit(SPAN_ROWS)
)


def page(connection: Connection, merchant_id: str, after: str) -> list[Brief]:
    """The next conversions after this id; fewer than `SPAN_ROWS` are the last ones."""
    return list(map(Brief._make, _PAGE.rows(connection, merchant_id=merchant_id, after=after)))


def _held(account: str):
    reached = case((entries.c.credit == account, entries.c.amount_minor), else_=0)
    left = case((entries.c.debit == account, entries.c.amount_minor), else_=0)
    return cast(func.sum(reached - left), BigInteger)


_OWN = [*OWN_ACCOUNTS, "expense"]
_ALIKE = ("affiliate_id", "program_id", "mode", "currency")
_odd = or_(
    *(entries.c[name] != conversions.c[name] for name in _ALIKE),
    ~_one_of(entries.c.debit, _OWN),
    ~_one_of(entries.c.credit, _OWN),
)
_decided = and_(entries.c.kind != EventType.MATURED.value, entries.c.kind != EventType.ADJUSTED.value)
_theirs = and_(
    entries.c.merchant_id == conversions.c.merchant_id, entries.c.conversion_id == conversions.c.id
)
_SUMS = _spanned(
    select(
        conversions.c.id,
        *map(_held, OWN_ACCOUNTS),
        cast(func.sum(case((_odd, 1), else_=0)), BigInteger),
        func.count(),
        func.max(case((_decided, entries.c.cause.concat(entries.c.kind)))),
    )
    .select_from(conversions.join(entries, _theirs))
    .group_by(conversions.c.id),
    conversions,
    "id",
)
_OWN_ENTRIES = Query(
    select(func.count())
    .select_from(entries)
    .where(entries.c.merchant_id == bindparam("merchant_id"), entries.c.conversion_id > "")
)
_STRAYS = Query(
    select(entries.c.conversion_id)
    .distinct()
    .select_from(entries.outerjoin(conversions, _theirs))
    .where(
        entries.c.merchant_id == bindparam("merchant_id"),
        entries.c.conversion_id > "",
        conversions.c.id.is_(None),
    )
)


def sums(connection: Connection, merchant_id: str, span: Span) -> dict[str, Sums]:
    """Conversion id → what its entries come to; nothing for who has none."""
    return {row[0]: Sums._make(row) for row in _rows(_SUMS, connection, merchant_id, span)}


def strays(connection: Connection, merchant_id: str, known: int) -> list[str]:
    """The conversions that entries name and that there are not; `known`: how many entries have one."""
    if _OWN_ENTRIES.rows(connection, merchant_id=merchant_id)[0][0] == known:
        return []
    return sorted(row[0] for row in _STRAYS.rows(connection, merchant_id=merchant_id))


_NAMING = [
    _spanned(select(table.c.conversion_id).distinct(), table, "conversion_id")
    for table in (refunds, disputes, shares, decisions)
]


def named_besides(connection: Connection, merchant_id: str, span: Span) -> dict[str, set[str]]:
    """Table → the conversions that its rows name."""
    tables = ("refunds", "disputes", "shares", "decisions")
    return {
        table: {row[0] for row in _rows(queries, connection, merchant_id, span)}
        for table, queries in zip(tables, _NAMING, strict=True)
    }


# ── entries and their causes ─────────────────────────────────────────────────────────────────────────────────────

_told = case((_one_of(events.c.type, _TELLING), events.c.data)).label("told")
_EVENT = (events.c.subject_id, events.c.id, events.c.type, _told)
_SUBJECT = func.coalesce(func.nullif(entries.c.conversion_id, ""), entries.c.payout_id, "")
_its_event = and_(
    events.c.merchant_id == entries.c.merchant_id,
    events.c.id == entries.c.cause,
    events.c.type == entries.c.kind,
    events.c.mode == entries.c.mode,
    events.c.at_ms == entries.c.at_ms,
    events.c.subject_id == _SUBJECT,
)
_UNCAUSED = _spanned(
    select(entries.c.cause, entries.c.kind, entries.c.line, entries.c.conversion_id)
    .select_from(entries.outerjoin(events, _its_event))
    .where(or_(events.c.id.is_(None), and_(entries.c.conversion_id != "", entries.c.payout_id.is_not(None)))),
    entries,
    "cause",
)
_SILENT = _spanned(
    select(*_EVENT)
    .select_from(
        events.outerjoin(
            entries, and_(entries.c.merchant_id == events.c.merchant_id, entries.c.cause == events.c.id)
        )
    )
    .where(entries.c.cause.is_(None)),
    events,
    "id",
)
_NTH_CAUSE = Query(
    select(entries.c.cause)
    .where(entries.c.merchant_id == bindparam("merchant_id"), entries.c.cause > bindparam("after"))
    .order_by(entries.c.cause)
    .limit(1)
    .offset(SPAN_ROWS)
)


def spans_of_causes(connection: Connection, merchant_id: str) -> Iterator[Span]:
    """All causes, some thousands of entries at a time."""
    after = ""
    while found := _NTH_CAUSE.rows(connection, merchant_id=merchant_id, after=after):
        yield after, found[0][0]
        after = found[0][0]
    yield after, None


def uncaused(connection: Connection, merchant_id: str, span: Span) -> list[tuple]:
    """(cause, kind, line, conversion id) of the entries that are not what an event of that kind, mode, time and subject
    caused, and of those that name a payout besides.
    """
    return _rows(_UNCAUSED, connection, merchant_id, span)


def silent_events(connection: Connection, merchant_id: str, span: Span) -> list[Row]:
    """Subject, id, type and what is told by events that moved nothing."""
    names = [column.name for column in _EVENT]
    return [dict(zip(names, row, strict=True)) for row in _rows(_SILENT, connection, merchant_id, span)]


# ── everything of a few conversions ──────────────────────────────────────────────────────────────────────────────

_ids = rows_of("ids")


def _of_conversions(table: Table, *more) -> Query:
    theirs = and_(table.c.merchant_id == item(_ids, 0), table.c.conversion_id == item(_ids, 1))
    return Query(select(table).select_from(_ids.join(table, theirs)).order_by(*more))


_OF_CONVERSIONS = {
    "entries": _of_conversions(entries, entries.c.cause, entries.c.kind, entries.c.line),
    "refunds": _of_conversions(refunds, refunds.c.id),
    "disputes": _of_conversions(disputes, disputes.c.id),
}
_EVENTS = Query(
    select(*_EVENT).select_from(
        _ids.join(events, and_(events.c.merchant_id == item(_ids, 0), events.c.id == item(_ids, 1)))
    )
)


def rows_by_conversion(connection: Connection, table: str, pairs: Sequence[Pair]) -> dict[str, list[Row]]:
    """Conversion id → its rows of `entries`, `refunds` or `disputes`. `pairs`: merchant id, conversion id."""
    columns = metadata.tables[table].columns.keys()
    found: dict[str, list[Row]] = {conversion_id: [] for _, conversion_id in pairs}
    for row in _OF_CONVERSIONS[table].rows(connection, ids=list(pairs)):
        each = dict(zip(columns, row, strict=True))
        found[each["conversion_id"]].append(each)
    return found


def events_of(connection: Connection, causes: Iterable[Pair]) -> dict[str, Row]:
    """Of (merchant id, event id): event id → subject, id, type and what it tells."""
    names, wanted = [column.name for column in _EVENT], list(set(causes))
    rows = _EVENTS.rows(connection, ids=wanted) if wanted else []
    return {row[1]: dict(zip(names, row, strict=True)) for row in rows}


# ── balances, and how much there is ──────────────────────────────────────────────────────────────────────────────

_STANDINGS = Query(select(standings).where(standings.c.merchant_id == bindparam("merchant_id")))
_OF_PAYOUTS = Query(
    select(
        entries.c.payout_id,
        entries.c.affiliate_id,
        entries.c.program_id,
        entries.c.mode,
        entries.c.currency,
        entries.c.debit,
        entries.c.credit,
        cast(func.sum(entries.c.amount_minor), BigInteger),
    )
    .where(entries.c.merchant_id == bindparam("merchant_id"), entries.c.conversion_id == "")
    .group_by(
        entries.c.payout_id,
        entries.c.affiliate_id,
        entries.c.program_id,
        entries.c.mode,
        entries.c.currency,
        entries.c.debit,
        entries.c.credit,
    )
)


_AFFILIATES = Query(
    select(affiliates.c.id, programs.c.id, programs.c.currency)
    .select_from(
        affiliates.join(
            programs,
            and_(
                programs.c.merchant_id == affiliates.c.merchant_id,
                programs.c.id == affiliates.c.program_id,
            ),
        )
    )
    .where(affiliates.c.merchant_id == bindparam("merchant_id"))
)


def affiliates_of(connection: Connection, merchant_id: str) -> dict[str, tuple[str, str]]:
    """Affiliate id → their program and its currency."""
    return {row[0]: row[1:] for row in _AFFILIATES.rows(connection, merchant_id=merchant_id)}


def standings_of(connection: Connection, merchant_id: str) -> list[Row]:
    names = standings.columns.keys()
    return [
        dict(zip(names, row, strict=True)) for row in _STANDINGS.rows(connection, merchant_id=merchant_id)
    ]


def sums_of_payouts(connection: Connection, merchant_id: str) -> list[tuple]:
    """(payout, affiliate, program, mode, currency, debit, credit, amount) of the entries that name no conversion."""
    return _OF_PAYOUTS.rows(connection, merchant_id=merchant_id)


def how_many(connection: Connection) -> int:
    """Rows that are read: entries for their causes, conversions, and entries again that are sealed."""
    counts = [
        select(func.count().label("n")).select_from(entries),
        select(func.count()).select_from(conversions),
        select(func.coalesce(func.sum(seals.c.entries), 0)),
    ]
    return sum(int(row[0]) for row in connection.execute(union_all(*counts)))


MONEY = (
    "conversions", "decisions", "entries", "events", "standings", "shares", "refunds", "disputes", "payouts",
    "payout_items", "seals",
)  # fmt: skip


def strangers(connection: Connection, merchant_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(table, merchant id) of rows that belong to no merchant: looked for between those that there are."""
    known = sorted(merchant_ids)
    for name in MONEY:
        owner = metadata.tables[name].c.merchant_id
        for after, before in zip([None, *known], [*known, None], strict=True):
            bounds = [owner > after] if after is not None else []
            bounds += [owner < before] if before is not None else []
            for row in connection.execute(select(owner).where(*bounds).order_by(owner).limit(1)):
                yield name, row[0]
