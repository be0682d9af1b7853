"""Where a customer is found, and what is written over them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, delete, or_, select, tuple_, update

from refledger.store.engine import Connection
from refledger.store.schema import (
    affiliates,
    attempts,
    automated_clicks,
    clicks,
    conversions,
    decisions,
    list_entries,
    sightings,
    whereabouts,
)
from refledger.store.statements import Query, item, number_item, rows_of

_PAGE_ROWS = 5000
_keys = rows_of("keys")
_one_of_keys = select(item(_keys, 0)).select_from(_keys)


def _of(table: Table):
    return table.c.merchant_id == bindparam("of_merchant")


def _rows(keys: Iterable[str]) -> list[tuple[str]]:
    return [(key,) for key in keys]


# ── looked for, by reading alone ─────────────────────────────────────────────────────────────────────────────────

_ATTEMPTS = Query(
    select(attempts.c.id, attempts.c.email_key, attempts.c.input)
    .where(
        attempts.c.merchant_id == bindparam("merchant_id"),
        attempts.c.mode == bindparam("mode"),
        attempts.c.id > bindparam("after_id"),
    )
    .order_by(attempts.c.id)
    .limit(_PAGE_ROWS)
)


def _written_in(table: Table, *names: str) -> Query:
    columns = [table.c[name] for name in names]
    return Query(
        select(table.c.id, *columns)
        .where(
            table.c.merchant_id == bindparam("merchant_id"),
            table.c.mode == bindparam("mode"),
            table.c.id > bindparam("after_id"),
            or_(*(each.like(bindparam(sign)) for each in columns for sign in _SIGNS)),
        )
        .order_by(table.c.id)
        .limit(_PAGE_ROWS)
    )


_SIGNS = {"at": "%@%", "at_in_links": "%_40%"}  # of a percent sign engines think differently
_PAGES = ("url", "referrer", "sub_id")
_WRITTEN = {
    "clicks": _written_in(clicks, *_PAGES),
    "automated_clicks": _written_in(automated_clicks, *_PAGES),
    "conversions": _written_in(conversions, "customer_id", "metadata"),
}
_SIGHTINGS = Query(
    select(sightings.c.key, sightings.c.at_ms, sightings.c.customer_key).where(
        _of(sightings), sightings.c.customer_key.in_(_one_of_keys)
    )
)
_CONVERSIONS = Query(
    select(conversions.c.id, conversions.c.click_id, conversions.c.updated_ms).where(
        _of(conversions), conversions.c.email_key.in_(_one_of_keys)
    )
)
_VISITORS = Query(
    select(clicks.c.address_key, clicks.c.agent_key)
    .where(_of(clicks), clicks.c.id.in_(_one_of_keys))
    .distinct()
)
_ENTRIES = Query(
    select(list_entries.c.id).where(
        _of(list_entries), list_entries.c.kind == "mailbox", list_entries.c.value == bindparam("mailbox")
    )
)
_AFFILIATES = Query(select(affiliates.c.id, affiliates.c.email).where(_of(affiliates)))


def attempts_after(connection: Connection, merchant_id: str, mode: str, after_id: str) -> list[tuple]:
    """(id, e-mail key, input) of the next attempts of a mode; none: that were all."""
    return _ATTEMPTS.rows(connection, merchant_id=merchant_id, mode=mode, after_id=after_id)


def written_in(
    connection: Connection, table_name: str, merchant_id: str, mode: str, after_id: str
) -> list[tuple]:
    """(id, texts…) of the next clicks, automated clicks or conversions of a mode with an @ in what they were given."""
    place = {"merchant_id": merchant_id, "mode": mode, "after_id": after_id}
    return _WRITTEN[table_name].rows(connection, **place, **_SIGNS)


def sightings_of(connection: Connection, merchant_id: str, customer_keys: Iterable[str]) -> list[tuple]:
    """(key, time, whose) of what these left; every sighting there is, is looked at."""
    return _SIGHTINGS.rows(connection, of_merchant=merchant_id, keys=_rows(customer_keys))


class Conversion(NamedTuple):
    """`click_id`: the click that it came from."""

    id: str
    click_id: str | None
    updated_ms: int


def conversions_of(connection: Connection, merchant_id: str, email_keys: Iterable[str]) -> list[Conversion]:
    rows = _CONVERSIONS.rows(connection, of_merchant=merchant_id, keys=_rows(email_keys))
    return [Conversion(*row) for row in rows]


def visitors_of(connection: Connection, merchant_id: str, click_ids: Iterable[str]) -> list[tuple]:
    """(address key, agent key) of those clicks."""
    return _VISITORS.rows(connection, of_merchant=merchant_id, keys=_rows(click_ids))


def entries_with(connection: Connection, merchant_id: str, mailbox: str) -> list[str]:
    """Entries of the merchant's lists for that mailbox."""
    return [row[0] for row in _ENTRIES.rows(connection, of_merchant=merchant_id, mailbox=mailbox)]


def affiliate_emails(connection: Connection, merchant_id: str) -> list[tuple[str, str]]:
    """(id, e-mail address)."""
    return _AFFILIATES.rows(connection, of_merchant=merchant_id)


# ── written over ─────────────────────────────────────────────────────────────────────────────────────────────────

_changes = rows_of("changes")
_UNNAME = Query(
    update(conversions)
    .where(_of(conversions), conversions.c.email_key == item(_changes, 0))
    .values(email="", email_key=item(_changes, 1), customer_id=None, metadata=None, address=None, agent=None)
)
_BLANK_CLICKS = Query(
    update(clicks)
    .where(
        _of(clicks),
        tuple_(clicks.c.address_key, clicks.c.agent_key).in_(
            select(item(_keys, 0), item(_keys, 1)).select_from(_keys)
        ),
    )
    .values(
        address_key=clicks.c.id,
        agent_key=bindparam("no_agent"),
        address=None,
        agent=None,
        url=None,
        referrer=None,
        sub_id=None,
    )
)
_UNWRITE = {
    "automated_clicks": Query(
        update(automated_clicks)
        .where(_of(automated_clicks), automated_clicks.c.id.in_(_one_of_keys))
        .values(dict.fromkeys(("address", "agent", *_PAGES)))
    ),
    "conversions": Query(
        update(conversions)
        .where(_of(conversions), conversions.c.id.in_(_one_of_keys))
        .values(customer_id=None, metadata=None)
    ),
}
_RECORDS = {
    "decisions": Query(
        select(decisions.c.conversion_id, decisions.c.record).where(
            _of(decisions), decisions.c.conversion_id.in_(_one_of_keys)
        )
    ),
    "attempts": Query(
        select(attempts.c.id, attempts.c.record, attempts.c.input).where(
            _of(attempts), attempts.c.id.in_(_one_of_keys)
        )
    ),
}
_CHANGE_RECORDS = {
    "decisions": Query(
        update(decisions)
        .where(_of(decisions), decisions.c.conversion_id == item(_changes, 0))
        .values(record=item(_changes, 1))
    ),
    "attempts": Query(
        update(attempts)
        .where(_of(attempts), attempts.c.id == item(_changes, 0))
        .values(record=item(_changes, 1), input=item(_changes, 2), email_key=None)
    ),
    "attempts of others": Query(
        update(attempts)
        .where(_of(attempts), attempts.c.id == item(_changes, 0))
        .values(record=item(_changes, 1), input=item(_changes, 2))
    ),
}
_DELETE_SIGHTINGS = Query(
    delete(sightings).where(
        _of(sightings),
        tuple_(sightings.c.key, sightings.c.at_ms, sightings.c.customer_key).in_(
            select(item(_keys, 0), number_item(_keys, 1), item(_keys, 2)).select_from(_keys)
        ),
    )
)
_DELETE_WHEREABOUTS = Query(
    delete(whereabouts).where(_of(whereabouts), whereabouts.c.mailbox_key.in_(_one_of_keys))
)


def unname(connection: Connection, merchant_id: str, new_keys: Mapping[str, str]) -> int:
    """E-mail key → the one that its conversions have from now on, and nothing else of the customer."""
    return _UNNAME.run(connection, of_merchant=merchant_id, changes=list(new_keys.items()))


def blank_clicks(
    connection: Connection, merchant_id: str, visitors: Sequence[tuple], no_agent_key: str
) -> int:
    """Their clicks, as those of whom nothing is known."""
    if not visitors:
        return 0
    return _BLANK_CLICKS.run(connection, of_merchant=merchant_id, keys=list(visitors), no_agent=no_agent_key)


def unwrite(connection: Connection, table_name: str, merchant_id: str, ids: Sequence[str]) -> int:
    """Of automated clicks or conversions, what they were given that is somebody's."""
    return _UNWRITE[table_name].run(connection, of_merchant=merchant_id, keys=_rows(ids)) if ids else 0


def records(connection: Connection, table_name: str, merchant_id: str, ids: Iterable[str]) -> list[tuple]:
    """Of `decisions` (conversion id, record), of `attempts` (id, record, input)."""
    return _RECORDS[table_name].rows(connection, of_merchant=merchant_id, keys=_rows(ids))


def change_records(
    connection: Connection, table_name: str, merchant_id: str, changes: Sequence[tuple[Any, ...]]
) -> int:
    """As `records` gives them; attempts lose their e-mail key, but for `attempts of others`."""
    if not changes:
        return 0
    return _CHANGE_RECORDS[table_name].run(connection, of_merchant=merchant_id, changes=list(changes))


def delete_sightings(connection: Connection, merchant_id: str, rows: Sequence[tuple]) -> int:
    """As `sightings_of` gives them."""
    return _DELETE_SIGHTINGS.run(connection, of_merchant=merchant_id, keys=list(rows)) if rows else 0


def delete_whereabouts(connection: Connection, merchant_id: str, mailbox_keys: Iterable[str]) -> int:
    return _DELETE_WHEREABOUTS.run(connection, of_merchant=merchant_id, keys=_rows(mailbox_keys))
