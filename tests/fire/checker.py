"""What the client's log and the database must tell of each other after anything. Pure: it is given both.

Apart from the service: windows are counted anew from the times that are stored, nothing that it concluded is believed.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from refledger.core.fingerprints import fingerprint
from refledger.services.claims import ENDPOINT
from tests.builders import rows
from tests.fire.clock import FastClock
from tests.fire.load import Target
from tests.fire.log import Story, Try

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
Rows = list[dict[str, Any]]


@dataclass
class Stored:
    """The database's rows."""

    conversions: Rows
    events: Rows
    attempts: Rows
    idempotency: Rows
    uncounted: int  # refused attempts that were counted, and not kept one by one

    @classmethod
    def of(cls, url: str) -> "Stored":
        (hours,) = rows(url, "SELECT coalesce(sum(counted), 0) AS counted FROM attempt_hours")
        return cls(
            rows(url, "SELECT * FROM conversions ORDER BY at_ms, accepted_no"),
            rows(url, "SELECT * FROM events WHERE type = 'conversion.accepted'"),
            rows(url, "SELECT * FROM attempts WHERE code = 'rate_limited'"),
            rows(url, "SELECT * FROM idempotency"),
            int(hours["counted"]),
        )


def check(story: Story, stored: Stored, targets: Sequence[Target], clock: FastClock) -> list[str]:
    """Everything that is wrong, in words."""
    windows = Windows(stored.conversions, targets)
    return [
        *_answers(story),
        *_once(story, stored),
        *_duplicates(story, stored),
        *_same_bytes(story, stored),
        *_times(story, stored, clock),
        *windows.exceeded(),
        *_refusals(story, stored, windows, clock),
    ]


def _answers(story: Story) -> Iterator[str]:
    for each in story.tries:
        if each.status not in (None, 200, 409, 429, 503):
            yield f"try {each.number} was answered {each.status} {each.body[:200]}"
        if each.status in (429, 503) and not int(each.retry_after or 0):
            yield f"try {each.number} was answered {each.status} without a time to come again"
    yield from (f"sale {number} was given up" for number in story.given_up)


def _once(story: Story, stored: Stored) -> Iterator[str]:
    """Each acknowledged sale exactly once, with its event; and nothing besides what was sent."""
    kept = defaultdict(list)
    for row in stored.conversions:
        kept[row["email"]].append(row["id"])
    tries, events = story.by_sale(), Counter(row["subject_id"] for row in stored.events)
    for sale in story.sales.values():
        found = kept.pop(sale.email, [])
        acknowledged = {each.said["conversion_id"] for each in tries[sale.number] if each.status == 200}
        if len(found) > 1:
            yield f"sale {sale.number} is stored {len(found)} times"
        if acknowledged - set(found):
            yield f"sale {sale.number} was acknowledged as {acknowledged} and stored as {found}"
        yield from (f"{each} has {events[each]} events" for each in found if events[each] != 1)
    yield from (f"{email} was never sent" for email in kept)


def _duplicates(story: Story, stored: Stored) -> Iterator[str]:
    """A duplicate is one of something that is stored; a key never hears that it is its own."""
    kept = {row["email"]: row["id"] for row in stored.conversions}
    for each in story.tries:
        sale = story.sales[each.sale]
        if each.status != 409:
            continue
        if sale.email not in kept:
            yield f"sale {sale.number} is a duplicate of nothing"
        elif each.said.get("conversion_id", kept[sale.email]) != kept[sale.email]:
            yield f"sale {sale.number} is called a duplicate of another one"
        if sale.key and not sale.is_mixed:
            yield f"sale {sale.number} is called a duplicate of itself"


def _same_bytes(story: Story, stored: Stored) -> Iterator[str]:
    """Under one key all answers that are remembered are equal, to each other and to what is stored."""
    kept = {row["key"]: row["answer"] for row in stored.idempotency}
    heard, firsts = defaultdict(set), Counter()
    for each in story.tries:
        if each.keyed and each.status in (200, 409):
            heard[each.sale].add(each.body)
            firsts[each.sale] += not each.replayed
    for number, bodies in heard.items():
        sale = story.sales[number]
        kind = "secret" if sale.verified else "publishable"
        key = fingerprint(b"", "idempotency", ENDPOINT, kind, "live", sale.key)
        if bodies != {kept.get(key)}:
            yield f"key of sale {number}: heard {bodies}, stored {kept.get(key)}"
        if firsts[number] > 1:
            yield f"key of sale {number} was decided {firsts[number]} times"


def _times(story: Story, stored: Stored, clock: FastClock) -> Iterator[str]:
    """By the database's clock: not before the sale was first sent, not after anybody was told of it."""
    kept, tries = {row["email"]: row for row in stored.conversions}, story.by_sale()
    told = {row["subject_id"]: row["at_ms"] for row in stored.events}
    for sale in story.sales.values():
        row = kept.get(sale.email)
        if row is None:
            continue
        from_ms = min(each.sent_ms for each in tries[sale.number]) - clock.slack_ms
        answered = [each.answered_ms for each in tries[sale.number] if each.status in (200, 409)]
        until_ms = min(answered, default=10**15) + clock.slack_ms
        for what, at_ms in (("", row["at_ms"]), ("'s event", told.get(row["id"], row["at_ms"]))):
            if not from_ms <= at_ms <= until_ms:
                yield f"sale {sale.number}{what} is dated {at_ms}, sent {from_ms}, answered {until_ms}"


class Windows:
    """When an affiliate's conversions were accepted: all of them, and the verified ones."""

    def __init__(self, conversions: Rows, targets: Sequence[Target]):
        self._limits = {each.ref_code: ((HOUR_MS, each.hourly), (DAY_MS, each.daily)) for each in targets}
        self._rows, self._times = conversions, defaultdict(list)
        for row in conversions:
            self._times[row["ref_code"], False].append(row["at_ms"])
            if row["verified"]:
                self._times[row["ref_code"], True].append(row["at_ms"])

    def exceeded(self) -> Iterator[str]:
        """A verified one counts the verified before it, any other counts all: never one above the limit."""
        places = Counter()
        for row in self._rows:
            code, verified = row["ref_code"], bool(row["verified"])
            place = places[code, verified]
            places[code, False] += 1
            places[code, True] += verified
            for window_ms, most in self._limits[code]:
                if place < most:
                    continue
                since_ms = row["at_ms"] - self._times[code, verified][place - most]
                if since_ms < window_ms:
                    yield f"{row['id']} of {code} is one above {most}, {since_ms} of {window_ms} ms after"

    def full(self, code: str, verified: bool, at_ms: int) -> bool:
        """Whether (at − W, at] holds as many as it may, of either window."""
        times = self._times[code, verified]
        return any(
            bisect_right(times, at_ms) - bisect_right(times, at_ms - window_ms) >= most
            for window_ms, most in self._limits[code]
        )

    def full_once(self, code: str, verified: bool, from_ms: int, until_ms: int) -> bool:
        """Whether a window was full at any time between."""
        times = self._times[code, verified]
        within = times[bisect_left(times, from_ms) : bisect_right(times, until_ms)]
        return any(self.full(code, verified, at_ms) for at_ms in (from_ms, *within))


def _refusals(story: Story, stored: Stored, windows: Windows, clock: FastClock) -> Iterator[str]:
    """None was refused for a limit while there was room, or once it was stored."""
    attempts = {row["request_id"]: row for row in stored.attempts}
    sales = {sale.email: sale for sale in story.sales.values()}
    accepted_ms = {row["email"]: row["at_ms"] for row in stored.conversions}
    for row in stored.attempts:
        sale = sales[_email_of(row)]
        if not windows.full(sale.ref_code, sale.verified, row["at_ms"]):
            yield f"sale {sale.number} was refused at {row['at_ms']}, when there was room"
        if accepted_ms.get(sale.email, row["at_ms"]) < row["at_ms"]:
            yield f"sale {sale.number} was refused at {row['at_ms']}, when it was stored"
    missing = 0
    for each in (each for each in story.tries if each.status == 429):
        attempt = attempts.get(each.said["request_id"])
        missing += attempt is None
        yield from _refusal(each, attempt, story, windows, clock)
    if missing > stored.uncounted:
        yield f"{missing} refusals left nothing, and {stored.uncounted} were counted"


def _email_of(attempt: dict[str, Any]) -> str:
    return attempt["input"].partition('"customer_email":"')[2].partition('"')[0]


def _refusal(
    each: Try, attempt: dict[str, Any] | None, story: Story, windows: Windows, clock: FastClock
) -> Iterator[str]:
    """One that was heard: its attempt is dated between sending and answer; else a window was full then."""
    sale = story.sales[each.sale]
    from_ms, until_ms = each.sent_ms - clock.slack_ms, each.answered_ms + clock.slack_ms
    if attempt and not from_ms <= attempt["at_ms"] <= until_ms:
        yield f"try {each.number} was refused at {attempt['at_ms']}, sent {from_ms}, answered {until_ms}"
    if not attempt and not windows.full_once(sale.ref_code, sale.verified, from_ms, until_ms):
        yield f"try {each.number} was refused between {from_ms} and {until_ms}, when there was room"
