"""Stored decisions of one program and mode, page after page in the order of their ids, for replaying them."""

from collections.abc import Iterator

from sqlalchemy import Table, bindparam, func, or_, select
from sqlalchemy.sql.expression import ColumnElement, Select

from refledger.core.fraud.replay import JUDGED
from refledger.store.engine import Connection
from refledger.store.schema import attempts, conversions, decisions
from refledger.store.statements import Query

PAGE = 2000  # rows held at once: a record is some kilobytes at most

# merchant id, program id, mode, and the ids between which to look, both excluded
Span = tuple[str, str, str, str, str]


def _pages(statement: Select, table: Table) -> Query:
    return Query(statement.where(*_within(table)).order_by(table.c.id).limit(bindparam("most")))


def _within(table: Table) -> list[ColumnElement[bool]]:
    return [
        table.c.merchant_id == bindparam("merchant_id"),
        table.c.program_id == bindparam("program_id"),
        table.c.mode == bindparam("mode"),
        table.c.id > bindparam("after_id"),
        table.c.id < bindparam("before_id"),
    ]


def _newest(table: Table, condition: ColumnElement[bool]) -> Query:
    found = select(table.c.at_ms).where(*_within(table), condition)
    return Query(found.order_by(table.c.id.desc()).limit(bindparam("most")))


_c, _a = conversions.c, attempts.c
_IS_JUDGED = or_(
    *(_a.code == reason.value for reason in JUDGED)
)  # an IN would want all values to be compiled
_CONVERSIONS = _pages(
    select(
        _c.id, _c.at_ms, _c.affiliate_id, _c.type, _c.verified, _c.email_key, _c.order_key, _c.order_id,
        _c.revenue_minor, _c.commission_minor, _c.initial, _c.score, _c.status, _c.decision_reason,
        decisions.c.record,
    )
    .join_from(
        conversions,
        decisions,
        (decisions.c.merchant_id == _c.merchant_id) & (decisions.c.conversion_id == _c.id),
    )
    # The ids said of both sides: PostgreSQL would read the records from the first one on for every page.
    .where(
        _c.attempt_id.is_(None),
        decisions.c.merchant_id == bindparam("merchant_id"),
        decisions.c.conversion_id > bindparam("after_id"),
        decisions.c.conversion_id < bindparam("before_id"),
    ),
    conversions,
)  # fmt: skip
_ACCEPTANCES = _pages(
    select(_c.id, _c.at_ms, _c.affiliate_id, _c.verified).where(_c.attempt_id.is_(None)), conversions
)
_ATTEMPTS = _pages(
    select(
        _a.id, _a.at_ms, _a.affiliate_id, _a.verified, _a.email_key, _a.order_key, _a.code, _a.conversion_id,
        _a.record,
    ).where(_IS_JUDGED),
    attempts,
)  # fmt: skip
_COUNT_CONVERSIONS = Query(
    select(func.count()).select_from(conversions).where(*_within(conversions), _c.attempt_id.is_(None))
)
_COUNT_ATTEMPTS = Query(select(func.count()).select_from(attempts).where(*_within(attempts), _IS_JUDGED))
_NEWEST_CONVERSIONS = _newest(conversions, _c.attempt_id.is_(None))
_NEWEST_ATTEMPTS = _newest(attempts, _IS_JUDGED)


def conversions_in(connection: Connection, span: Span) -> Iterator[tuple]:
    """With their records; those accepted from attempts are left out, for they were no decision of the engine."""
    return _read(connection, _CONVERSIONS, span)


def acceptances_in(connection: Connection, span: Span) -> Iterator[tuple]:
    """(id, time, affiliate id, whether verified) of the same."""
    return _read(connection, _ACCEPTANCES, span)


def attempts_in(connection: Connection, span: Span) -> Iterator[tuple]:
    """Those refused after every signal was asked, with their records."""
    return _read(connection, _ATTEMPTS, span)


def count(connection: Connection, of_conversions: Span, of_attempts: Span) -> int:
    """How many decisions there are, about: attempts refused before any signal was asked are among them."""
    spans = ((_COUNT_CONVERSIONS, of_conversions), (_COUNT_ATTEMPTS, of_attempts))
    return sum(query.rows(connection, **_named(span))[0][0] for query, span in spans)


def newest_ms(connection: Connection, of_conversions: Span, of_attempts: Span, most: int) -> list[int]:
    """The times of the newest decisions, the latest first, no more than asked for."""
    spans = ((_NEWEST_CONVERSIONS, of_conversions), (_NEWEST_ATTEMPTS, of_attempts))
    found = [row[0] for query, span in spans for row in query.rows(connection, **_named(span), most=most)]
    return sorted(found, reverse=True)[:most]


def _read(connection: Connection, query: Query, span: Span) -> Iterator[tuple]:
    named = _named(span)
    while rows := query.rows(connection, **named, most=PAGE):
        yield from rows
        if len(rows) < PAGE:
            return
        named["after_id"] = rows[-1][0]


def _named(span: Span) -> dict[str, str]:
    return dict(zip(("merchant_id", "program_id", "mode", "after_id", "before_id"), span, strict=True))
