"""Where customers, clicks and affiliates are, gathered for a group of works; and what an accepted one leaves of it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from refledger.core import addresses
from refledger.core.addresses import Address
from refledger.core.fingerprints import left_as, looked_at
from refledger.core.origins import CITY, UNKNOWN_RADIUS_KM, Origin, Seen
from refledger.core.own_addresses import SEEN_FOR_MS
from refledger.core.programs import DAY_MS, Affiliate, stored
from refledger.core.ranges import read_range
from refledger.services.claims import Work
from refledger.services.origins import Generation
from refledger.store import whereabouts as store
from refledger.store.engine import Connection

KEPT_FOR_MS = DAY_MS

Own = tuple[Seen, Address | None]  # no address: a range of several


def gather(connection: Connection, works: Sequence[Work], origins: Generation) -> None:
    """Fills in where everybody is; each address is looked up once. Without a database of cities no statement is run."""
    clicked = {id(work): _click_address(work) for work in works}
    own = {id(work): _own(work.affiliate, work.now_ms) for work in works}
    wanted = [each for work in works for each in (work.case.address, clicked[id(work)])]
    wanted += [address for pairs in own.values() for _, address in pairs]
    found = origins.look_up(each for each in wanted if each is not None)

    def of(address: Address | None) -> Origin | None:
        return found.get(address.text) if address else None

    for work in works:
        case, work.sources = work.case, origins.versions
        case.origin, case.click_origin = of(case.address), of(clicked[id(work)])
        case.affiliate_seen = tuple(seen._replace(origin=of(address)) for seen, address in own[id(work)])
    if CITY in origins.known:
        _last(connection, [work for work in works if work.mailbox_key])


def _click_address(work: Work) -> Address | None:
    click = work.case.click
    return addresses.parse(click.address) if click and click.address else None


def _last(connection: Connection, works: Sequence[Work]) -> None:
    keys = {id(work): looked_at(work.mailbox_key, work.verified) for work in works}
    found = store.latest(
        connection,
        [(work.merchant_id, key, work.now_ms - KEPT_FOR_MS) for work in works for key in keys[id(work)]],
    )
    for work in works:
        places = filter(None, (found.get((work.merchant_id, key)) for key in keys[id(work)]))
        work.case.whereabouts = max(places, key=lambda place: place.at_ms, default=None)


def _own(affiliate: Affiliate, now_ms: int) -> list[Own]:
    """The affiliate's own addresses: what the merchant declared, and where they were seen lately."""
    if affiliate.known_addresses == "[]" == affiliate.seen_addresses:
        return []  # nearly all
    pairs = _read_own(affiliate.known_addresses, affiliate.seen_addresses)
    return [pair for pair in pairs if pair[0].at_ms is None or pair[0].at_ms > now_ms - SEEN_FOR_MS]


@lru_cache(maxsize=4096)
def _read_own(known: str, seen: str) -> tuple[Own, ...]:
    """Of their stored JSON; what cannot be read is passed over."""
    given = [(text, None, "declared") for text in stored(known)] + stored(seen)
    found = []
    for text, at_ms, where in given:
        if ends := read_range(text):
            version, low, high = ends
            address = addresses.parse(text.partition("/")[0]) if low == high else None
            found.append((Seen(version, low, high, where, at_ms), address))
    return tuple(found)


def left_by(work: Work) -> list[dict[str, Any]]:
    """The row of where an accepted work's mailbox was, if that is known."""
    origin = work.case.origin if work.case else None
    if origin is None or origin.place is None or not work.mailbox_key:
        return []
    place = origin.place
    return [
        {
            "merchant_id": work.merchant_id,
            "mailbox_key": left_as(work.mailbox_key, work.verified),
            "at_ms": work.now_ms,
            "latitude_mdeg": place.latitude_mdeg,
            "longitude_mdeg": place.longitude_mdeg,
            "radius_km": UNKNOWN_RADIUS_KM if place.radius_km is None else place.radius_km,
            "masked": bool(origin.classes),
        }
    ]
