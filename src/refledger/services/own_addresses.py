"""The affiliates' own addresses, as they follow their test links; and those links."""

import hmac
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog

from refledger.core import addresses
from refledger.core.fingerprints import lock_number, own_token
from refledger.core.own_addresses import with_seen
from refledger.services.routes import Link
from refledger.store import affiliates as store
from refledger.store.engine import Connection, Database, Unavailable, hold

log = structlog.get_logger()

Row = dict[str, Any]


def with_test_links(fingerprint_key: bytes, slug: str, rows: Sequence[Row]) -> list[Row]:
    """The affiliates' rows, each with the path of its own link and the token that nobody else has."""
    return [
        row | {"test_path": f"/r/{slug}/{row['ref_code']}?test={own_token(fingerprint_key, row['id'])}"}
        for row in rows
    ]


def is_own(link: Link, token: str) -> bool:
    """Whether this is the token of the link's affiliate."""
    wanted = own_token(link.program.key, link.affiliate.id)
    return hmac.compare_digest(wanted.encode(), token.encode("utf-8", "replace"))


class OwnAddresses:
    """Notes where an affiliate was seen. What cannot be noted now is noted the next time; nobody waits for it."""

    def __init__(self, database: Database, clock_ms: Callable[[], int]):
        self._database, self._clock_ms = database, clock_ms

    def note(self, link: Link, address: str, where: str) -> None:
        """To be called in a thread: it reads, and seldom writes."""
        found = addresses.parse(address)
        if found is None:
            return
        merchant_id, affiliate_id = link.program.merchant_id, link.affiliate.id
        try:
            with self._database.read(merchant_id) as connection:
                if self._changed(connection, merchant_id, affiliate_id, found, where) is None:
                    return
            with self._database.write(merchant_id) as connection:
                # As whoever changes what belongs to a program: what is read now stays until it is written.
                hold(connection, [lock_number(link.program.id)])
                changed = self._changed(connection, merchant_id, affiliate_id, found, where)
                if changed is not None:
                    row, seen = changed
                    values = {"seen_addresses": orjson.dumps(seen).decode()}
                    store.change_affiliate(connection, row, values)
        except Unavailable as error:
            log.warning("an affiliate's address was not noted", affiliate_id=affiliate_id, why=str(error))

    def _changed(
        self,
        connection: Connection,
        merchant_id: str,
        affiliate_id: str,
        address: addresses.Address,
        where: str,
    ) -> tuple[Row, list] | None:
        row = store.affiliate(connection, merchant_id, affiliate_id)
        if row is None:
            return None
        now_ms = self._database.now_ms(connection, self._clock_ms())
        seen = with_seen(orjson.loads(row["seen_addresses"]), address, now_ms, where)
        return None if seen is None else (row, seen)
