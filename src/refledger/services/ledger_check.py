"""Proves on live data that every cent balances, and names each place where one does not."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import orjson

from refledger.core.commissions import due_minor, reckon
from refledger.core.conversions import shown_status
from refledger.core.events import EventType
from refledger.core.ledger import State, target
from refledger.services.chain_check import broken_seals
from refledger.store import proof
from refledger.store.engine import EVERYONE, Connection, Database
from refledger.store.schema import ACCOUNTS

Row = dict[str, Any]

_DECISIONS = {
    EventType.APPROVED: "approved",
    EventType.REJECTED: "rejected",
    EventType.SUPERSEDED: "rejected",
}


def verify(database: Database, tell: Callable[[int, int], None] | None = None) -> Iterator[str]:
    """Each violation in words; none if the ledger holds. `tell`: conversions proven so far, and in all."""
    with database.read(EVERYONE) as connection:
        yield from _standings(connection)
        yield from _conversions(connection, tell or (lambda done, total: None))
        yield from broken_seals(connection, lambda entries: None)


def _standings(connection: Connection) -> Iterator[str]:
    """Stored balances are the sums of entries, sum to zero, and the counters are those of the conversions."""
    sums, counts = proof.sums_by_standing(connection), proof.accepted_counts(connection)
    for standing in proof.standings_in_order(connection):
        place = (standing["merchant_id"], standing["affiliate_id"], standing["mode"])
        of = f"affiliate {standing['affiliate_id']} ({standing['mode']})"
        held = {account: standing[f"{account}_minor"] for account in ACCOUNTS}
        summed = sums.pop((*place, standing["currency"]), dict.fromkeys(ACCOUNTS, 0))
        for account in ACCOUNTS:
            if held[account] != summed.get(account, 0):
                yield f"{of}: {account} holds {held[account]}, its entries sum to {summed.get(account, 0)}"
        for account in summed.keys() - held.keys():
            yield f"{of}: entries name an unknown account, {account}"
        if sum(held.values()):
            yield f"{of}: the accounts sum to {sum(held.values())}, not to 0"
        counted = (standing["accepted_count"], standing["verified_count"])
        if counted != counts.pop(place, (0, 0)):
            yield f"{of}: the counters of accepted conversions are not those of the conversions"
    for _, affiliate_id, mode, currency in sums:
        yield f"affiliate {affiliate_id} ({mode}): entries in {currency} without a standing in that currency"
    for _, affiliate_id, mode in counts:
        yield f"affiliate {affiliate_id} ({mode}): conversions without a standing"


def _conversions(connection: Connection, tell: Callable[[int, int], None]) -> Iterator[str]:
    """Walks conversions, their entries and their events side by side, all in the same order."""
    total = proof.how_many(connection)
    entries = _Groups(proof.entries_in_order(connection), "conversion_id")
    events = _Groups(proof.events_in_order(connection), "subject_id")
    for done, conversion in enumerate(proof.conversions_in_order(connection), 1):
        place = (conversion["merchant_id"], conversion["id"])
        yield from entries.strays_before(place, "entry")
        yield from events.strays_before(place, "event")
        mine, happened = entries.take(place), events.take(place)
        yield from _entries_of(conversion, mine, {event["id"]: event["type"] for event in happened})
        yield from _state_of(conversion, happened)
        yield from _amounts_of(conversion, happened)
        if done % 1000 == 0 or done == total:
            tell(done, total)
    yield from entries.strays_before(None, "entry")
    yield from events.strays_before(None, "event")


def _entries_of(conversion: Row, entries: list[Row], causes: dict[str, str]) -> Iterator[str]:
    of = f"conversion {conversion['id']}"
    held: dict[str, int] = {}
    for entry in entries:
        held[entry["debit"]] = held.get(entry["debit"], 0) - entry["amount_minor"]
        held[entry["credit"]] = held.get(entry["credit"], 0) + entry["amount_minor"]
        if causes.get(entry["cause"]) != entry["kind"]:
            yield f"{of}: entry {entry['cause']}/{entry['line']} names a cause that is not its event"
        for name in ("affiliate_id", "program_id", "mode", "currency"):
            if entry[name] != conversion[name]:
                yield f"{of}: entry {entry['cause']}/{entry['line']} has another {name}"
    held = {account: amount for account, amount in held.items() if amount and account != "expense"}
    kept = orjson.loads(conversion["record"] or "{}").get("commission", {})
    is_held = conversion["matures_ms"] is not None
    due = due_minor(kept, conversion)
    wanted = target(State(conversion["decision"], due, conversion["dispute"], is_held))
    if held != wanted:
        yield f"{of}: its entries hold {held or 'nothing'}, due is {wanted or 'nothing'}"


def _state_of(conversion: Row, happened: list[Row]) -> Iterator[str]:
    """The status is what the events lead to."""
    of = f"conversion {conversion['id']}"
    if not happened or happened[0]["type"] != EventType.ACCEPTED:
        yield f"{of}: no event says that it was accepted"
    decision, refunded, dispute = conversion["initial"], False, None
    for event in happened:
        decision = _DECISIONS.get(event["type"], decision)
        if event["type"] == EventType.REOPENED:
            decision = conversion["initial"]
        told = orjson.loads(event["told"] or "{}")  # nothing of the facts in events of earlier versions
        refunded = told.get("refunded", refunded or event["type"] == EventType.REFUNDED)
        dispute = told.get("dispute", "open" if event["type"] == EventType.CHARGEBACK else dispute)
    replayed = (decision, refunded, dispute)
    if replayed != (conversion["decision"], bool(conversion["refunded"]), conversion["dispute"]):
        yield f"{of}: its events lead to {replayed}, stored is another state"
    if conversion["status"] != shown_status(*replayed):
        yield f"{of}: its status is {conversion['status']}, its events lead to {shown_status(*replayed)}"


def _amounts_of(conversion: Row, happened: list[Row]) -> Iterator[str]:
    """The commission is what was recorded, or adjusted since, and what the recorded terms allow."""
    of = f"conversion {conversion['id']}"
    if conversion["record"] is None:
        yield f"{of}: its decision record is missing"
        return
    recorded = orjson.loads(conversion["record"])["commission"]
    minor, revenue_minor = recorded["minor"], recorded["revenue_minor"]
    for event in happened:
        if event["type"] == EventType.ADJUSTED:
            told = orjson.loads(event["told"])
            minor, revenue_minor = told["commission_minor"], told["revenue_minor"]
    if (minor, revenue_minor) != (conversion["commission_minor"], conversion["revenue_minor"]):
        yield f"{of}: its amounts are not those of its decision record, or of its last adjustment"
    what = (conversion["type"], conversion["revenue_minor"], conversion["currency"])
    allowed, arithmetic = reckon(recorded["terms"], *what)
    if allowed != conversion["commission_minor"]:
        yield f"{of}: its commission is {conversion['commission_minor']}, its terms allow {allowed} ({arithmetic})"


class _Groups:
    """Rows sorted by merchant and conversion, taken a conversion at a time."""

    def __init__(self, rows: Iterator[Row], name: str):
        self._groups = groupby(rows, key=lambda row: (row["merchant_id"], row[name]))
        self._next()

    def _next(self) -> None:
        place, rows = next(self._groups, (None, ()))
        self._place, self._rows = place, list(rows)

    def take(self, place: tuple[str, str]) -> list[Row]:
        """The rows of that conversion; none where the next rows belong to a later one."""
        if self._place != place:
            return []
        rows = self._rows
        self._next()
        return rows

    def strays_before(self, place: tuple[str, str] | None, what: str) -> Iterator[str]:
        """Rows of conversions that do not exist under their merchant."""
        while self._place is not None and (place is None or self._place < place):
            yield f"{len(self._rows)} {what} rows belong to {self._place[1]}, which the merchant has not"
            self._next()
