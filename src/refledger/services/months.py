"""What came before in an affiliate's month, where terms ask for it: gathered with one statement for a whole group.

Verified conversions look at the verified alone, so that forged reports lift nobody's tier and use up no cap; unverified
ones look at all. What is rejected or refunded later keeps its place: nobody's commission changes with another's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from refledger.core.commissions import Tally, looks_at_all, looks_at_month, terms_for
from refledger.services.claims import Work
from refledger.services.credentials import Tenant
from refledger.services.terms import zone
from refledger.store import months as store
from refledger.store import programs as program_store
from refledger.store.engine import Connection

Row = dict[str, Any]


def month_of(at_ms: int, time_zone: str) -> int:
    """202611 for any time of November 2026 in that zone."""
    at = datetime.fromtimestamp(at_ms // 1000, zone(time_zone) or UTC)
    return at.year * 100 + at.month


def gather(connection: Connection, works: Sequence[Work]) -> list[Tally]:
    """The tally of each work; nothing is asked where no terms depend on one."""
    places = {id(work): _places(work) for work in works}
    found = store.tallies(connection, [place for each in places.values() for place in each])
    tallies = []
    for work in works:
        by_month = {place[4]: found.get(place, (0, 0, 0)) for place in places[id(work)]}
        ever, *_ = by_month.pop(store.EVER, (0,))
        tallies.append(Tally(*next(iter(by_month.values()), (0, 0, 0)), ever))
    return tallies


def left_by(work: Work, revenue_minor: int, commission_minor: int) -> list[Row]:
    """What an accepted conversion adds; a sale of nothing counts for nothing."""
    if work.report.conversion_type == "purchase" and revenue_minor == 0:
        return []
    return [
        {
            "merchant_id": work.merchant_id,
            "affiliate_id": work.affiliate.id,
            "mode": work.mode,
            "type": work.report.conversion_type,
            "month": month,
            "counts": counts,
            "conversions": 1,
            "revenue_minor": revenue_minor,
            "commission_minor": commission_minor,
        }
        for counts in ("accepted", "verified")[: 1 + work.verified]
        for month in _months(work)
    ]


def count_anew(connection: Connection, tenant: Tenant, holder: Row, program: Row, now_ms: int) -> None:
    """After a change of the terms of this row of a program or an affiliate: from now on what they ask for is known.

    A conversion that is being decided at this very moment by the terms before may be missing.
    """
    affiliate_id, asked = holder["id"], [holder["commission"] or program["commission"]]
    if holder is program:
        affiliate_id, own = None, program_store.own_terms(connection, tenant.merchant_id, program["id"])
        asked += [terms for _, terms in own]
    terms = [each for text in asked for each in orjson.loads(text).values()]
    place = (tenant.merchant_id, program["id"], affiliate_id)
    if any(map(looks_at_all, terms)):
        store.count_anew(connection, *place, store.EVER, 0)
    if any(map(looks_at_month, terms)):
        at = datetime.fromtimestamp(now_ms // 1000, zone(program["time_zone"]) or UTC)
        began = at.replace(day=1, hour=0, minute=0, second=0)
        month = month_of(now_ms, program["time_zone"])
        store.count_anew(connection, *place, month, int(began.timestamp()) * 1000)


def _months(work: Work) -> list[int]:
    """Which months its terms look at; none of most."""
    terms, _ = terms_for(work.program.commission, work.affiliate.commission, work.report.conversion_type)
    found = [month_of(work.now_ms, work.program.time_zone)] if looks_at_month(terms) else []
    return [*found, store.EVER] if looks_at_all(terms) else found


def _places(work: Work) -> list[store.Place]:
    counts = "verified" if work.verified else "accepted"
    place = (work.merchant_id, work.affiliate.id, work.mode, work.report.conversion_type)
    return [(*place, month, counts) for month in _months(work)]
