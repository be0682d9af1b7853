"""What came before in an affiliate's month, where terms ask for it: gathered with one statement for a whole group.

Verified conversions look at the verified alone, so that forged reports lift nobody's tier and use up no cap; unverified
ones look at all. What is rejected or refunded later keeps its place: nobody's commission changes with another's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from refledger.core.commissions import Tally, counts_for, terms_for
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
    places = {id(work): _places(work) for work in works if _counts(work)}
    found = store.tallies(connection, [place for both in places.values() for place in both])
    tallies = []
    for work in works:
        month, ever = (found.get(place, (0, 0, 0)) for place in places.get(id(work), (None, None)))
        tallies.append(Tally(*month, ever[0]))
    return tallies


def left_by(work: Work, revenue_minor: int, commission_minor: int) -> list[Row]:
    """What an accepted conversion adds; a sale of nothing counts for nothing."""
    if not _counts(work) or (work.report.conversion_type == "purchase" and revenue_minor == 0):
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
        for month in (month_of(work.now_ms, work.program.time_zone), store.EVER)
    ]


def count_anew(connection: Connection, tenant: Tenant, holder: Row, program: Row, now_ms: int) -> None:
    """After a change of the terms of this row of a program or an affiliate: from now on what they ask for is known.

    A conversion that is being decided at this very moment by the terms before may be missing.
    """
    affiliate_id, asked = holder["id"], [holder["commission"] or program["commission"]]
    if holder is program:
        affiliate_id, own = None, program_store.own_terms(connection, tenant.merchant_id, program["id"])
        asked += [terms for _, terms in own]
    if not any(counts_for(terms) for text in asked for terms in orjson.loads(text).values()):
        return
    at = datetime.fromtimestamp(now_ms // 1000, zone(program["time_zone"]) or UTC)
    began = at.replace(day=1, hour=0, minute=0, second=0)
    month, since_ms = month_of(now_ms, program["time_zone"]), int(began.timestamp()) * 1000
    store.count_anew(connection, tenant.merchant_id, program["id"], affiliate_id, month, since_ms)


def _counts(work: Work) -> bool:
    terms, _ = terms_for(work.program.commission, work.affiliate.commission, work.report.conversion_type)
    return counts_for(terms)


def _places(work: Work) -> tuple[store.Place, store.Place]:
    counts = "verified" if work.verified else "accepted"
    place = (work.merchant_id, work.affiliate.id, work.mode, work.report.conversion_type)
    return (
        (*place, month_of(work.now_ms, work.program.time_zone), counts),
        (*place, store.EVER, counts),
    )
