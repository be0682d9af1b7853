"""What happened before, looked up for a whole group of reports while their keys are held."""

from collections.abc import Iterable

from sqlalchemy import and_, bindparam, case, func, select

from refledger.core.clicks import Nearby, StoredClick
from refledger.core.duplicates import Past
from refledger.store.engine import Connection
from refledger.store.schema import acceptances, clicks, conversions, idempotency, sightings, standings
from refledger.store.statements import Query, item, number_item, rows_of

Pair = tuple[str, str]
# How the keys of those sightings begin that tell of confirmed frauds; all others begin with a number in hexadecimal.
CONFIRMED = "confirmed."

_ids = rows_of("ids")

_REPLAYS = Query(
    select(
        idempotency.c.merchant_id,
        idempotency.c.key,
        idempotency.c.body_key,
        idempotency.c.status,
        idempotency.c.answer,
    )
    .select_from(
        _ids.join(
            idempotency, and_(idempotency.c.merchant_id == item(_ids, 0), idempotency.c.key == item(_ids, 1))
        )
    )
    .where(idempotency.c.at_ms > bindparam("since_ms"))
)

_PAST = (
    conversions.c.id,
    conversions.c.affiliate_id,
    conversions.c.type,
    conversions.c.decision,
    conversions.c.verified,
    conversions.c.email_key,
    conversions.c.order_id,
    conversions.c.click_id,
    conversions.c.at_ms,
)
_BY_CUSTOMER = Query(
    select(conversions.c.merchant_id, *_PAST)
    .select_from(
        _ids.join(
            conversions,
            and_(conversions.c.merchant_id == item(_ids, 0), conversions.c.email_key == item(_ids, 1)),
        )
    )
    .order_by(conversions.c.at_ms)
)
_BY_ORDER = Query(
    select(conversions.c.merchant_id, conversions.c.order_key, *_PAST).select_from(
        _ids.join(
            conversions,
            and_(conversions.c.merchant_id == item(_ids, 0), conversions.c.order_key == item(_ids, 1)),
        )
    )
)

_STANDINGS = Query(
    select(
        standings.c.affiliate_id,
        standings.c.mode,
        standings.c.accepted_count,
        standings.c.verified_count,
        standings.c.last_accepted_ms,
    ).select_from(
        _ids.join(
            standings,
            and_(
                standings.c.merchant_id == item(_ids, 0),
                standings.c.affiliate_id == item(_ids, 1),
                standings.c.mode == item(_ids, 2),
            ),
        )
    )
)


_TIMES = Query(
    select(
        acceptances.c.affiliate_id,
        acceptances.c.mode,
        acceptances.c.counts,
        acceptances.c.no,
        acceptances.c.at_ms,
    ).select_from(
        _ids.join(
            acceptances,
            and_(
                acceptances.c.merchant_id == item(_ids, 0),
                acceptances.c.affiliate_id == item(_ids, 1),
                acceptances.c.mode == item(_ids, 2),
                acceptances.c.counts == item(_ids, 3),
                acceptances.c.no == number_item(_ids, 4),
                acceptances.c.day == number_item(_ids, 5),
            ),
        )
    )
)

_NEARBY = Query(
    select(
        clicks.c.address_key,
        clicks.c.agent_key,
        func.min(case((clicks.c.at_ms > number_item(_ids, 2), clicks.c.at_ms))),
        func.max(clicks.c.at_ms),
        func.max(clicks.c.id),
    )
    .select_from(
        _ids.join(clicks, and_(clicks.c.merchant_id == item(_ids, 0), clicks.c.address_key == item(_ids, 1)))
    )
    .group_by(clicks.c.address_key, clicks.c.agent_key)
)

_visitor = clicks.alias("visitor")
_CLICKS = Query(
    select(
        clicks.c.merchant_id,
        clicks.c.id,
        clicks.c.affiliate_id,
        clicks.c.mode,
        clicks.c.address_key,
        clicks.c.agent_key,
        clicks.c.address,
        clicks.c.agent,
        clicks.c.dest,
        clicks.c.at_ms,
        select(func.min(_visitor.c.at_ms))
        .where(
            _visitor.c.merchant_id == clicks.c.merchant_id,
            _visitor.c.address_key == clicks.c.address_key,
            _visitor.c.agent_key == clicks.c.agent_key,
            _visitor.c.at_ms > number_item(_ids, 2),
        )
        .correlate(clicks, _ids)
        .scalar_subquery(),
        select(func.max(_visitor.c.at_ms))
        .where(
            _visitor.c.merchant_id == clicks.c.merchant_id,
            _visitor.c.address_key == clicks.c.address_key,
            _visitor.c.agent_key == clicks.c.agent_key,
        )
        .correlate(clicks)
        .scalar_subquery(),
    ).select_from(
        _ids.join(clicks, and_(clicks.c.merchant_id == item(_ids, 0), clicks.c.id == item(_ids, 1)))
    )
)

_SIGHTINGS = Query(
    select(item(_ids, 3), func.count(sightings.c.customer_key.distinct()))
    .select_from(
        _ids.join(
            sightings,
            and_(
                sightings.c.merchant_id == item(_ids, 0),
                sightings.c.key == item(_ids, 1),
                sightings.c.at_ms > number_item(_ids, 2),
                sightings.c.customer_key != item(_ids, 4),
            ),
        )
    )
    .group_by(item(_ids, 3))
)


def replays(connection: Connection, keys: Iterable[Pair], since_ms: int) -> dict[Pair, tuple[str, int, str]]:
    """(merchant id, scoped key) → (fingerprint of the body, status, answer) remembered since."""
    wanted = list(set(keys))
    found = _REPLAYS.rows(connection, ids=wanted, since_ms=since_ms) if wanted else []
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in found}


def of_customers(connection: Connection, customers: Iterable[Pair]) -> dict[Pair, list[Past]]:
    """(merchant id, e-mail key) → every conversion of the customer in their program and mode, the oldest first."""
    wanted = list(set(customers))
    found: dict[Pair, list[Past]] = {}
    for merchant_id, *row in _BY_CUSTOMER.rows(connection, ids=wanted) if wanted else []:
        past = Past(*row)
        found.setdefault((merchant_id, past.email_key), []).append(past)
    return found


def of_orders(connection: Connection, orders: Iterable[Pair]) -> dict[Pair, Past]:
    """(merchant id, order key) → the conversion that has the order id."""
    wanted = list(set(orders))
    found = _BY_ORDER.rows(connection, ids=wanted) if wanted else []
    return {(row[0], row[1]): Past(*row[2:]) for row in found}


def standings_of(
    connection: Connection, affiliates: Iterable[tuple[str, str, str]]
) -> dict[Pair, tuple[int, int, int]]:
    """(affiliate id, mode) → how many were accepted, how many of them verified, and when the latest was."""
    wanted = list(set(affiliates))
    found = _STANDINGS.rows(connection, ids=wanted) if wanted else []
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in found}


def times_of(
    connection: Connection, wanted: list[tuple[str, str, str, str, int, int]]
) -> dict[tuple[str, str, str, int], int]:
    """Of (merchant id, affiliate id, mode, "accepted" | "verified", n, day): (affiliate id, mode, …, n) → when the
    affiliate's n-th conversion of that kind was, if it was on that day.
    """
    return {row[:4]: row[4] for row in _TIMES.rows(connection, ids=wanted)} if wanted else {}


def nearby(connection: Connection, addresses: Iterable[tuple[str, str, int]]) -> dict[str, list[Nearby]]:
    """Of (merchant id, address key, start of the window): address key → its clicks, summed up by agent."""
    wanted = list(set(addresses))
    found: dict[str, list[Nearby]] = {}
    for address_key, *group in _NEARBY.rows(connection, ids=wanted) if wanted else []:
        found.setdefault(address_key, []).append(Nearby(*group))
    return found


def clicks_of(connection: Connection, ids: Iterable[tuple[str, str, int]]) -> dict[Pair, StoredClick]:
    """Of (merchant id, click id, start of the window): (merchant id, click id) → the click."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    found = ((merchant_id, StoredClick(*row)) for merchant_id, *row in _CLICKS.rows(connection, ids=wanted))
    return {(merchant_id, click.id): click for merchant_id, click in found}


def seen(connection: Connection, wanted: list[tuple[str, str, int, str, str]]) -> dict[str, int]:
    """Of (merchant id, sighting key, since, label, own customer key): label → how many other customers."""
    return dict(_SIGHTINGS.rows(connection, ids=wanted)) if wanted else {}
