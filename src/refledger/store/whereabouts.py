"""Where mailboxes were when they converted, for journeys too fast to be true."""

from collections.abc import Iterable

from sqlalchemy import and_, select

from refledger.core.origins import Whereabouts
from refledger.store.engine import Connection
from refledger.store.schema import whereabouts
from refledger.store.statements import Query, item, number_item, rows_of

_ids = rows_of("ids")

_LATEST = Query(
    select(
        whereabouts.c.merchant_id,
        whereabouts.c.mailbox_key,
        whereabouts.c.at_ms,
        whereabouts.c.latitude_mdeg,
        whereabouts.c.longitude_mdeg,
        whereabouts.c.radius_km,
        whereabouts.c.masked,
    )
    .select_from(
        _ids.join(
            whereabouts,
            and_(
                whereabouts.c.merchant_id == item(_ids, 0),
                whereabouts.c.mailbox_key == item(_ids, 1),
                whereabouts.c.at_ms > number_item(_ids, 2),
            ),
        )
    )
    .order_by(whereabouts.c.at_ms)
)


def latest(
    connection: Connection, wanted: Iterable[tuple[str, str, int]]
) -> dict[tuple[str, str], Whereabouts]:
    """Of (merchant id, mailbox key, since): (merchant id, mailbox key) → where it was last."""
    asked = list(set(wanted))
    found = _LATEST.rows(connection, ids=asked) if asked else []
    return {
        (merchant_id, mailbox_key): Whereabouts(*where, masked=bool(masked))
        for merchant_id, mailbox_key, *where, masked in found
    }
