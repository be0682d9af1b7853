"""Rows like those that the service wrote, by the million, with ids, keys and times of their own.

The keys are as in life: ids and times rise, fingerprints are random, affiliates alternate. Each affiliate's standing
adds up, so the n-th conversion counted back is really there to be looked up.
"""

import random
import time
from array import array
from binascii import b2a_base64
from collections.abc import Iterator

from bench.bare import TABLES, Recorded
from bench.installation import Installation
from bench.requests import email
from refledger.core.ids import make_id
from refledger.core.programs import DAY_MS
from refledger.services.histories import SPELLINGS_MS, WINDOWS_MS
from refledger.services.housekeeping import KEPT_MS
from refledger.store.schema import metadata

PATTERNS = 2_000  # recorded conversions that the millions are made from
_SPAN_MS, _UNTIL_MS = 400 * DAY_MS, 2 * DAY_MS  # they happened from 402 to 2 days ago
_FIRST = 500_000_000  # customers' numbers, apart from those of the load


class Maker:
    """Rows like the recorded ones, with ids, keys and times of their own."""

    def __init__(self, installation: Installation, recorded: list[Recorded], rows: int):
        self._affiliates = installation.affiliate_ids
        self._chance = random.Random(rows)
        self._from_ms = time.time_ns() // 1_000_000 - _UNTIL_MS - _SPAN_MS
        self._step_ms = _SPAN_MS / rows
        # What is older the service has forgotten.
        self._seen_since_ms = self._from_ms + _SPAN_MS - KEPT_MS["sightings"]
        self._numbered_since_ms = self._from_ms + _SPAN_MS - KEPT_MS["acceptances"]
        self._patterns = [
            {table: [self._as_dict(table, row) for row in given] for table, given in each.rows.items()}
            for each in recorded
        ]
        count = len(self._affiliates)
        self._accepted, self._verified = array("q", bytes(8 * count)), array("q", bytes(8 * count))
        self._earned, self._last_ms = array("q", bytes(8 * count)), array("q", bytes(8 * count))

    @staticmethod
    def _as_dict(table: str, row: tuple) -> dict:
        return dict(zip(metadata.tables[table].columns.keys(), row, strict=True))

    def chunk(self, first: int, count: int) -> dict[str, list[tuple]]:
        made: dict[str, list[tuple]] = {table: [] for table in TABLES}
        for number in range(first, first + count):
            self._conversion(number, made)
        return made

    def standings(self) -> Iterator[tuple]:
        for n, affiliate_id in enumerate(self._affiliates):
            yield (
                self._accepted[n], self._verified[n], self._last_ms[n], self._earned[n], -self._earned[n],
                affiliate_id,
            )  # fmt: skip

    def _conversion(self, number: int, made: dict[str, list[tuple]]) -> None:
        pattern = self._patterns[number % len(self._patterns)]
        at_ms = self._from_ms + int(number * self._step_ms)
        conversion_id, event_id = (
            make_id("conv", at_ms, self._bytes(10)),
            make_id("evt", at_ms, self._bytes(10)),
        )
        place = self._chance.randrange(len(self._affiliates))
        affiliate_id = self._affiliates[place]
        row = pattern["conversions"][0]
        mailbox_key = self._key()
        self._accepted[place] += 1
        self._verified[place] += row["verified"]
        self._last_ms[place] = at_ms
        self._earned[place] += row["commission_minor"]
        made["acceptances"] += (
            self._numbered(pattern, place, at_ms) if at_ms > self._numbered_since_ms else ()
        )
        numbers = {
            "accepted_no": self._accepted[place],
            "verified_no": self._verified[place] if row["verified"] else None,
        }
        keys = {"email_key": self._key()}
        own = {"id": conversion_id, "email": email(_FIRST + number), "at_ms": at_ms, "updated_ms": at_ms}
        whose = {"affiliate_id": affiliate_id}
        made["conversions"].append(tuple((row | own | keys | numbers | whose).values()))
        made["decisions"] += _with(pattern, "decisions", {"conversion_id": conversion_id})
        ids = {"conversion_id": conversion_id, "cause": event_id, "at_ms": at_ms} | whose
        made["entries"] += _with(pattern, "entries", ids)
        made["events"] += _with(
            pattern, "events", {"id": event_id, "subject_id": conversion_id, "at_ms": at_ms}
        )
        for row in pattern["sightings"] if at_ms > self._seen_since_ms else ():
            own = {
                "key": self._dated(row, at_ms, affiliate_id),
                "at_ms": at_ms,
                "customer_key": mailbox_key,
            }
            made["sightings"].append(tuple((row | own).values()))

    def _numbered(self, pattern: dict, place: int, at_ms: int) -> list[tuple]:
        numbers = {"accepted": self._accepted[place], "verified": self._verified[place]}
        own = {"day": at_ms // DAY_MS, "affiliate_id": self._affiliates[place], "at_ms": at_ms}
        return [
            tuple((row | own | {"no": numbers[row["counts"]]}).values()) for row in pattern["acceptances"]
        ]

    def _dated(self, row: dict, at_ms: int, affiliate_id: str) -> str:
        """A sighting's key in its own span of time, by the kind's window as the recorded key shows it."""
        span = row["key"].partition(".")[0]
        window_ms = next(each for each in WINDOWS_MS.values() if row["at_ms"] // each == int(span, 16))
        fresh = self._key()
        # As long as the recorded one; what is compared within an affiliate lies with the affiliate.
        return (
            f"{at_ms // window_ms:x}.{fresh if window_ms == SPELLINGS_MS else affiliate_id[-6:] + fresh[:16]}"
        )

    def _bytes(self, count: int) -> bytes:
        return self._chance.randbytes(count)

    def _key(self) -> str:
        return b2a_base64(self._chance.randbytes(16), newline=False)[:22].decode()


def _with(pattern: dict, table: str, own: dict) -> list[tuple]:
    return [tuple((row | own).values()) for row in pattern.get(table, ())]
