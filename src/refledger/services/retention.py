"""Addresses and mailboxes are dropped when they are old enough; what is known by their fingerprints stays known.

Rows are walked in the order of their ids, which is that of time, and a mark for each kind says how far: so it costs
what is new, however much there is, and goes on where it was stopped.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from refledger.core import personal
from refledger.core.ids import LAST, make_id
from refledger.core.programs import DAY_MS
from refledger.store import personal as store
from refledger.store.engine import Connection, Database

ADDRESSES, MAILBOXES = "addresses", "mailboxes"
KEEP_DAYS: Mapping[str, int] = {ADDRESSES: 30, MAILBOXES: 180}

# What is dropped, from which table, and how that table's ids begin.
WALKS = (
    (ADDRESSES, "clicks", "click"),
    (ADDRESSES, "automated_clicks", "click"),
    (ADDRESSES, "conversions", "conv"),
    (ADDRESSES, "attempts", "att"),
    (MAILBOXES, "conversions", "conv"),
    (MAILBOXES, "attempts", "att"),
)
_FIELDS = {ADDRESSES: personal.ADDRESS, MAILBOXES: personal.MAILBOX}

Stopping = Callable[[], bool]


def drop_old(
    database: Database, merchant_id: str, now_ms: int, keep_days: Mapping[str, int], stopping: Stopping
) -> None:
    """All of one merchant's that is older than it is kept; ends early where `stopping` says so."""
    until_ms = {what: now_ms - days * DAY_MS for what, days in keep_days.items()}
    for what, table_name, prefix in WALKS:
        _walk(
            database, merchant_id, what, table_name, make_id(prefix, max(0, until_ms[what]), LAST), stopping
        )
    if not stopping():
        _forget_seen(database, merchant_id, until_ms[ADDRESSES])
        _clear_answers(database, merchant_id, until_ms[MAILBOXES])


def _walk(
    database: Database, merchant_id: str, what: str, table_name: str, until_id: str, stopping: Stopping
) -> None:
    kind = f"{what}.{table_name}"
    with database.read(merchant_id) as connection:
        # Where a clock was set back, what it dates now lies before the mark: the mark goes back with it.
        after_id = min(store.mark(connection, merchant_id, kind), until_id)
    while not stopping():
        with database.read(merchant_id) as connection:
            rows = store.page(connection, table_name, merchant_id, after_id, until_id)
        if not rows:
            return
        after_id = rows[-1][0]
        with database.write(merchant_id) as connection:
            if table_name == "attempts":
                _shorten(connection, merchant_id, what, rows)
            else:
                store.drop(connection, what, table_name, merchant_id, rows[0][0], after_id)
            store.set_mark(connection, merchant_id, kind, after_id)


def _shorten(connection: Connection, merchant_id: str, what: str, rows: list[tuple]) -> None:
    changes = []
    for attempt_id, text in rows:
        given = orjson.loads(text)
        # Without its mailbox it cannot be accepted any more: nothing else of the customer is of use.
        whole = what == MAILBOXES and given.get(personal.MAILBOX)
        kept = personal.without_customer(given) if whole else personal.without(_FIELDS[what], given)
        if (left := orjson.dumps(kept).decode()) != text:
            changes.append((attempt_id, text, left))
    store.rewrite(connection, "attempts", merchant_id, changes)


def _forget_seen(database: Database, merchant_id: str, until_ms: int) -> None:
    """Where affiliates were seen themselves."""
    with database.read(merchant_id) as connection:
        found = store.seen_addresses(connection, merchant_id)
    changes = []
    for affiliate_id, text in found:
        seen = orjson.loads(text)
        left = [each for each in seen if each[1] > until_ms]
        if len(left) < len(seen):
            changes.append((affiliate_id, text, orjson.dumps(left).decode()))
    _rewrite(database, "affiliates", merchant_id, changes)


def _clear_answers(database: Database, merchant_id: str, until_ms: int) -> None:
    """Remembered answers that show a conversion with its customer. Keys are in no order: looked for once a day."""
    kind, day = f"{MAILBOXES}.answers", f"{until_ms // DAY_MS:012}"
    with database.read(merchant_id) as connection:
        if store.mark(connection, merchant_id, kind) == day:
            return
        found = store.answers_with_customers(connection, merchant_id, until_ms)
    changes = [(key, text, left) for key, text in found if (left := without_mailbox(text)) != text]
    _rewrite(database, "idempotency", merchant_id, changes)
    with database.write(merchant_id) as connection:
        store.set_mark(connection, merchant_id, kind, day)


def _rewrite(
    database: Database, table_name: str, merchant_id: str, changes: list[tuple[str, str, str]]
) -> None:
    for start in range(0, len(changes), store.PAGE_ROWS):
        with database.write(merchant_id) as connection:
            store.rewrite(connection, table_name, merchant_id, changes[start : start + store.PAGE_ROWS])


def without_mailbox(answer: str) -> str:
    """A remembered answer, with the customer's address as one that was dropped."""
    found: dict[str, Any] = orjson.loads(answer)
    customer = found.get("customer")
    if not isinstance(customer, dict) or customer.get("email") is None:
        return answer
    return orjson.dumps(found | {"customer": customer | {"email": None}}).decode()
