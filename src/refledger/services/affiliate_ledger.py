"""What an affiliate has, had, and how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from refledger.core.events import EventType
from refledger.core.ids import FIRST, make_id
from refledger.core.ledger_words import added
from refledger.services import maturing, review
from refledger.services.credentials import Tenant
from refledger.services.notes import invalid, not_found
from refledger.services.periods import month_start_ms, start_ms
from refledger.store import affiliate_ledger as store
from refledger.store import affiliates, payouts, programs
from refledger.store.affiliate_ledger import Place
from refledger.store.engine import Connection

Row = dict[str, Any]
Moment = int | date  # a day begins when it does in the program's time zone


@dataclass(frozen=True, slots=True)
class Statement:
    """Of one affiliate and a half-open period: opening and closing balances by account, and every entry between."""

    affiliate: Row
    program: Row
    mode: str
    from_ms: int
    to_ms: int
    opening: dict[str, int]
    lines: list[Row]
    closing: dict[str, int]
    payouts: list[Row]  # made in the period, with what became of them until now


def balance(
    connection: Connection, tenant: Tenant, affiliate_id: str, now_ms: int
) -> tuple[dict[str, int], int]:
    """Account → minor units, as if everything whose hold is over had been moved on already; and how much that is."""
    _, posted = _known(connection, tenant, affiliate_id)
    found = maturing.as_of_now(connection, tenant, affiliate_id, posted, now_ms)
    return found, found["payable"] - posted["payable"]


def history(
    connection: Connection,
    tenant: Tenant,
    affiliate_id: str,
    filters: Mapping[str, Any],
    limit: int,
    before: str | None,
) -> tuple[list[Row], bool]:
    """Entries, the newest first, with an `id` to go on from."""
    _known(connection, tenant, affiliate_id)
    bounds = tuple(
        None if at_ms is None else _first_id(at_ms)
        for at_ms in (filters.get("created_from"), filters.get("created_to"))
    )
    place = Place(tenant.merchant_id, affiliate_id, tenant.mode)
    rows, more = store.newest(connection, place, bounds, limit, before)
    return [row | {"id": f"{row['cause']}.{row['line']}"} for row in rows], more


def statement(
    connection: Connection,
    tenant: Tenant,
    affiliate_id: str,
    from_: Moment | None,
    to: Moment | None,
    now_ms: int,
) -> Statement:
    """Left out: until now; from the beginning of the month in which the period ends."""
    affiliate, balances = _known(connection, tenant, affiliate_id)
    program = programs.program(connection, tenant.merchant_id, affiliate["program_id"])
    zone = program["time_zone"]
    to_ms = now_ms if to is None else _at(to, zone)
    from_ms = month_start_ms(to_ms - 1, zone) if from_ is None else _at(from_, zone)
    if from_ms >= to_ms:
        raise invalid({"to": "must be after from"})
    place = Place(tenant.merchant_id, affiliate_id, tenant.mode)
    closing = added(balances, store.moved_since(connection, place, _first_id(to_ms)), -1)
    lines = store.between(connection, place, _first_id(from_ms), _first_id(to_ms))
    made = {line["payout_id"] for line in lines if line["kind"] == EventType.PAYOUT_CREATED}
    items = payouts.items_of_affiliate(connection, tenant.merchant_id, affiliate_id, made)
    opening = added(closing, lines, -1)
    return Statement(affiliate, program, tenant.mode, from_ms, to_ms, opening, lines, closing, items)


def _known(connection: Connection, tenant: Tenant, affiliate_id: str) -> tuple[Row, dict[str, int]]:
    """The affiliate, and what their accounts hold by their entries."""
    affiliate = affiliates.affiliate(connection, tenant.merchant_id, affiliate_id)
    if affiliate is None:
        raise not_found()
    return affiliate, review.balance(connection, tenant, affiliate_id)


def _at(moment: Moment, zone: str) -> int:
    return start_ms(moment, zone) if isinstance(moment, date) else moment


def _first_id(at_ms: int) -> str:
    """Before all events of that time and after, behind all before it."""
    return make_id("evt", max(0, at_ms), FIRST)
