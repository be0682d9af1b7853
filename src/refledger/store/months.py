"""What affiliates' conversions of one type came to, by month, where terms ask for it."""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, Cast, Column, and_, cast, delete, func, insert, literal, or_, select
from sqlalchemy.sql.expression import Select

from refledger.core.ids import FIRST, make_id
from refledger.core.programs import DAY_MS
from refledger.store.engine import Connection
from refledger.store.schema import affiliates, conversions, months
from refledger.store.statements import Insert, Query, item, number_item, rows_of

Place = tuple[
    str, str, str, str, int, str
]  # merchant id, affiliate id, mode, type, month, "accepted" | "verified"
EVER = 0  # the month of all months

_places = rows_of("places")
_TALLIES = Query(
    select(months).select_from(
        _places.join(
            months,
            and_(
                months.c.merchant_id == item(_places, 0),
                months.c.affiliate_id == item(_places, 1),
                months.c.mode == item(_places, 2),
                months.c.type == item(_places, 3),
                months.c.month == number_item(_places, 4),
                months.c.counts == item(_places, 5),
            ),
        )
    )
)
_ADD = Insert(
    months,
    "ON CONFLICT (merchant_id, affiliate_id, mode, type, month, counts) DO UPDATE SET "
    "conversions = months.conversions + excluded.conversions, "
    "revenue_minor = months.revenue_minor + excluded.revenue_minor, "
    "commission_minor = months.commission_minor + excluded.commission_minor",
)


def tallies(connection: Connection, places: Iterable[Place]) -> dict[Place, tuple[int, int, int]]:
    """Of these places: how many conversions, their revenue and their commissions."""
    wanted = list(set(places))
    found = _TALLIES.rows(connection, places=wanted) if wanted else []
    return {tuple(row[:6]): tuple(row[6:]) for row in found}


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Sorted, so that two processes never wait for each other crosswise."""
    place = itemgetter("merchant_id", "affiliate_id", "mode", "type", "month", "counts")
    _ADD.run(connection, sorted(rows, key=place))


def count_anew(
    connection: Connection,
    merchant_id: str,
    program_id: str,
    affiliate_id: str | None,
    month: int,
    since_ms: int,
) -> None:
    """From the conversions themselves, the month that began then: of an affiliate, or of all of the program."""
    connection.execute(
        delete(months).where(
            months.c.merchant_id == merchant_id,
            months.c.month == month,
            months.c.affiliate_id.in_(_affiliates(merchant_id, program_id, affiliate_id)),
        )
    )
    names = [column.name for column in months.columns]
    for counts in ("accepted", "verified"):
        counted = _counted(merchant_id, program_id, affiliate_id, month, counts, since_ms)
        connection.execute(insert(months).from_select(names, counted))


def _counted(
    merchant_id: str, program_id: str, affiliate_id: str | None, month: int, counts: str, since_ms: int
) -> Select:
    wanted = [
        conversions.c.merchant_id == merchant_id,
        conversions.c.program_id == program_id,
        conversions.c.at_ms >= since_ms,
        # The same by the primary key, a day earlier: an id may be older than its conversion's time.
        conversions.c.id >= make_id("conv", max(0, since_ms - DAY_MS), FIRST),
        or_(conversions.c.type == "signup", conversions.c.revenue_minor > 0),
    ]
    if affiliate_id is not None:
        wanted.append(conversions.c.affiliate_id == affiliate_id)
    if counts == "verified":
        wanted.append(conversions.c.verified)
    place = (conversions.c.merchant_id, conversions.c.affiliate_id, conversions.c.mode, conversions.c.type)
    sums = (func.count(), _sum(conversions.c.revenue_minor), _sum(conversions.c.commission_minor))
    return select(*place, literal(month), literal(counts), *sums).where(*wanted).group_by(*place)


def _sum(column: Column) -> Cast:
    return cast(func.sum(column), BigInteger)


def _affiliates(merchant_id: str, program_id: str, affiliate_id: str | None) -> Select:
    wanted = [affiliates.c.merchant_id == merchant_id, affiliates.c.program_id == program_id]
    if affiliate_id is not None:
        wanted.append(affiliates.c.id == affiliate_id)
    return select(affiliates.c.id).where(*wanted)
