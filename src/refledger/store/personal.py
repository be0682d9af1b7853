"""What is personal in rows that stay, dropped a page at a time, in the order of their ids."""

from sqlalchemy import Table, bindparam, or_, select, update

from refledger.core.personal import PLACEHOLDER
from refledger.store.engine import Connection
from refledger.store.schema import (
    affiliates,
    attempts,
    automated_clicks,
    clicks,
    conversions,
    housekeeping_marks,
    idempotency,
)
from refledger.store.statements import Insert, Query, item, rows_of

PAGE_ROWS = 500  # of one transaction: whoever else writes waits for no more than that

_MARK = Query(
    select(housekeeping_marks.c.until_id).where(
        housekeeping_marks.c.merchant_id == bindparam("merchant_id"),
        housekeeping_marks.c.kind == bindparam("kind"),
    )
)
_SET_MARK = Insert(
    housekeeping_marks, "ON CONFLICT (merchant_id, kind) DO UPDATE SET until_id = excluded.until_id"
)


def mark(connection: Connection, merchant_id: str, kind: str) -> str:
    """Up to which id rows of that kind are done; '' at first."""
    return next((row[0] for row in _MARK.rows(connection, merchant_id=merchant_id, kind=kind)), "")


def set_mark(connection: Connection, merchant_id: str, kind: str, until_id: str) -> None:
    _SET_MARK.run(connection, [{"merchant_id": merchant_id, "kind": kind, "until_id": until_id}])


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page_of(table: Table, *more: str) -> Query:
    return Query(
        select(table.c.id, *(table.c[name] for name in more))
        .where(
            table.c.merchant_id == bindparam("merchant_id"),
            table.c.id > bindparam("after_id"),
            table.c.id <= bindparam("until_id"),
        )
        .order_by(table.c.id)
        .limit(PAGE_ROWS)
    )


_PAGES = {table.name: _page_of(table) for table in (clicks, automated_clicks, conversions)}
_PAGES["attempts"] = _page_of(attempts, "input")


def page(
    connection: Connection, table_name: str, merchant_id: str, after_id: str, until_id: str
) -> list[tuple]:
    """The next rows, by id; of attempts with their input."""
    return _PAGES[table_name].rows(connection, merchant_id=merchant_id, after_id=after_id, until_id=until_id)


def _blank(table: Table, **values) -> Query:
    """Sets those columns in a range of rows, where anything is left to set."""
    left = [
        table.c[name].is_not(None) if value is None else table.c[name] != value
        for name, value in values.items()
    ]
    real = [~table.c.email.endswith(PLACEHOLDER)] if "email" in values else []
    return Query(
        update(table)
        .where(
            table.c.merchant_id == bindparam("of_merchant"),
            table.c.id >= bindparam("first_id"),
            table.c.id <= bindparam("last_id"),
            or_(*left),
            *real,
        )
        .values(**values)
    )


# A click's URLs may hold anything: they go with the visitor's address.
_DROPS = {
    ("addresses", "clicks"): _blank(clicks, address=None, url=None, referrer=None),
    ("addresses", "automated_clicks"): _blank(automated_clicks, address=None, url=None, referrer=None),
    ("addresses", "conversions"): _blank(conversions, address=None),
    ("mailboxes", "conversions"): _blank(conversions, email=""),
}


def drop(
    connection: Connection, what: str, table_name: str, merchant_id: str, first_id: str, last_id: str
) -> None:
    """Drops `what` (addresses | mailboxes) from that range of rows."""
    _DROPS[what, table_name].run(connection, of_merchant=merchant_id, first_id=first_id, last_id=last_id)


# ── texts that are rewritten ─────────────────────────────────────────────────────────────────────────────────────

_changes = rows_of("changes")


def _rewrite(table: Table, key: str, column: str) -> Query:
    """Of (key, old text, new text): only what still is as it was read."""
    return Query(
        update(table)
        .where(
            table.c.merchant_id == bindparam("of_merchant"),
            table.c[key] == item(_changes, 0),
            table.c[column] == item(_changes, 1),
        )
        .values({column: item(_changes, 2)})
    )


_REWRITES = {
    "attempts": _rewrite(attempts, "id", "input"),
    "affiliates": _rewrite(affiliates, "id", "seen_addresses"),
    "idempotency": _rewrite(idempotency, "key", "answer"),
}
_SEEN = Query(
    select(affiliates.c.id, affiliates.c.seen_addresses).where(
        affiliates.c.merchant_id == bindparam("merchant_id"), affiliates.c.seen_addresses != "[]"
    )
)
_ANSWERS = Query(
    select(idempotency.c.key, idempotency.c.answer).where(
        idempotency.c.merchant_id == bindparam("merchant_id"),
        idempotency.c.at_ms <= bindparam("until_ms"),
        idempotency.c.answer.contains('"customer":{'),
    )
)


def rewrite(
    connection: Connection, table_name: str, merchant_id: str, changes: list[tuple[str, str, str]]
) -> int:
    """Of (id, old, new): an attempt's input, an affiliate's seen addresses, a remembered answer. How many were
    changed: what somebody else has changed meanwhile is left alone.
    """
    return _REWRITES[table_name].run(connection, of_merchant=merchant_id, changes=changes) if changes else 0


def seen_addresses(connection: Connection, merchant_id: str) -> list[tuple[str, str]]:
    """Affiliates that have any, by id."""
    return _SEEN.rows(connection, merchant_id=merchant_id)


def answers_with_customers(connection: Connection, merchant_id: str, until_ms: int) -> list[tuple[str, str]]:
    """Remembered answers of that time or before that show a conversion, by key."""
    return _ANSWERS.rows(connection, merchant_id=merchant_id, until_ms=until_ms)
