"""Whether the entries, state and amounts of conversions follow from their records, refunds, disputes and events.

Most are proven by sums alone, by the same rules; the others are looked at entry by entry and event by event.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from refledger.core import reversals
from refledger.core.commissions import adjusted_share, reckon
from refledger.core.conversions import shown_status
from refledger.core.events import EventType
from refledger.core.ledger import State, target
from refledger.services.settlement import targets
from refledger.store import ledger, proof
from refledger.store.engine import Connection
from refledger.store.proof import OWN_ACCOUNTS, SPAN_ROWS, Brief, Sums
from refledger.store.schema import ACCOUNTS

Row = dict[str, Any]
ID_LENGTH = len("evt_") + 26
Silent = dict[str, list[Row]]  # conversion id → its events that moved nothing

_DECISIONS = {
    EventType.APPROVED: "approved",
    EventType.REJECTED: "rejected",
    EventType.SUPERSEDED: "rejected",
}


class Totals:
    """What the entries of conversions come to for each affiliate, and how many conversions count for them."""

    def __init__(self):
        self.held: dict[
            tuple[str, str, str], dict[str, int]
        ] = {}  # affiliate, mode, currency → account → amount
        self.counts: dict[tuple[str, str], list[int]] = {}  # affiliate, mode → accepted, verified

    def add(self, brief: Brief, sums: Sums) -> None:
        held = self._of(brief.affiliate_id, brief.mode, brief.currency)
        for account in OWN_ACCOUNTS:
            held[account] += getattr(sums, account)
        held["expense"] -= sum(sums[1 : 1 + len(OWN_ACCOUNTS)])

    def move(self, affiliate_id: str, mode: str, currency: str, debit: str, credit: str, amount: int) -> None:
        held = self._of(affiliate_id, mode, currency)
        held[debit] = held.get(debit, 0) - amount
        held[credit] = held.get(credit, 0) + amount

    def _of(self, *place: str) -> dict[str, int]:
        held = self.held.get(place)
        if held is None:
            held = self.held[place] = dict.fromkeys(ACCOUNTS, 0)
        return held

    def count(self, brief: Brief) -> None:
        counts = self.counts.setdefault((brief.affiliate_id, brief.mode), [0, 0])
        counts[0] += brief.accepted_no is not None
        counts[1] += brief.verified_no is not None


def check(
    connection: Connection, merchant_id: str, silent: Silent, totals: Totals, tell: Callable[[int], None]
) -> Iterator[str]:
    """Each violation in words. Adds to `totals`, and takes out of `silent` the events of conversions that there are."""
    after, entries = "", 0
    while True:
        briefs = proof.page(connection, merchant_id, after)
        span = (after, briefs[-1].id if len(briefs) == SPAN_ROWS else None)
        sums = proof.sums(connection, merchant_id, span)
        besides = proof.named_besides(connection, merchant_id, span)
        special = besides["refunds"] | besides["disputes"] | besides["shares"]
        suspects = []
        for brief in briefs:
            totals.count(brief)
            mine = sums.get(brief.id)
            if mine is not None and not mine.odd:
                totals.add(brief, mine)
            if brief.id in special or brief.id in silent or not _is_plain(brief, mine):
                suspects.append((merchant_id, brief.id))
        for start in range(0, len(suspects), 1000):
            yield from _examine(connection, suspects[start : start + 1000], silent, sums, totals)
        known = {brief.id for brief in briefs}
        for table, named in besides.items():
            for conversion_id in sorted(named - known):
                yield _stray(table, conversion_id, merchant_id)
        entries += sum(each.entries for each in sums.values())
        tell(len(briefs))
        if span[1] is None:
            break
        after = span[1]
    for conversion_id in proof.strays(connection, merchant_id, entries):
        yield _stray("entries", conversion_id, merchant_id)


def _stray(table: str, conversion_id: str, merchant_id: str) -> str:
    return f"rows of {table} belong to {conversion_id}, which the merchant {merchant_id} has not"


def _is_plain(brief: Brief, sums: Sums | None) -> bool:
    """Proven by sums: nothing was refunded or disputed, nobody else earns of it, and all its events moved something."""
    if sums is None or sums.odd or brief.refunded or brief.refunded_minor or brief.dispute:
        return False
    decision, minor = brief.decision, brief.commission_minor
    decided = _DECISIONS.get((sums.decided or "")[ID_LENGTH:], brief.initial)
    if not decided == decision == brief.status or _times_are_wrong(
        decision, brief.matures_ms, brief.hold_until_ms, brief.approves_ms
    ):
        return False
    wanted = target(State(decision, minor, None, brief.matures_ms is not None))
    if sums[1 : 1 + len(OWN_ACCOUNTS)] != tuple(wanted.get(account, 0) for account in OWN_ACCOUNTS):
        return False
    return _is_allowed(brief.kept or "", brief.type, brief.revenue_minor, minor, brief.currency)


@lru_cache(maxsize=50_000)
def _is_allowed(kept: str, conversion_type: str, revenue_minor: int, minor: int, currency: str) -> bool:
    """Whether it is the recorded commission, and what the recorded terms allow. Prices repeat, reckoned once."""
    record = _read(f"{{{kept}")
    if record is None or "share" in record:
        return False
    recorded = record["commission"]
    if (recorded["minor"], recorded["revenue_minor"]) != (minor, revenue_minor):
        return False
    return reckon(recorded["terms"], conversion_type, revenue_minor, currency)[0] == minor


def _times_are_wrong(
    decision: str, matures_ms: int | None, hold_until_ms: int | None, approves_ms: int | None
) -> bool:
    """Only what is approved matures, when its hold is over; only what is pending is approved by itself."""
    if matures_ms is not None and (matures_ms != hold_until_ms or decision != "approved"):
        return True
    return approves_ms is not None and decision != "pending"


# ── one by one ───────────────────────────────────────────────────────────────────────────────────────────────────


def _examine(
    connection: Connection,
    pairs: Sequence[tuple[str, str]],
    silent: Silent,
    sums: Mapping[str, Sums],
    totals: Totals,
) -> Iterator[str]:
    conversions, records = ledger.conversions_of(connection, pairs), ledger.records_of(connection, pairs)
    shares = ledger.shares_of(connection, pairs)
    entries, refunds, disputes = (
        proof.rows_by_conversion(connection, table, pairs) for table in ("entries", "refunds", "disputes")
    )
    causes = [(entry["merchant_id"], entry["cause"]) for each in entries.values() for entry in each]
    caused = proof.events_of(connection, causes)
    for conversion_id, conversion in sorted(conversions.items()):
        mine = entries[conversion_id]
        if conversion_id in sums and sums[conversion_id].odd:
            for each in mine:
                place = (each["affiliate_id"], each["mode"], each["currency"])
                totals.move(*place, each["debit"], each["credit"], each["amount_minor"])
        told = {entry["cause"]: caused[entry["cause"]] for entry in mine if entry["cause"] in caused}
        happened = [*silent.pop(conversion_id, []), *told.values()]
        happened = sorted(
            (event for event in happened if event["subject_id"] == conversion_id), key=lambda each: each["id"]
        )
        record = _read(records.get(conversion_id))
        yield from _state_of(conversion, happened)
        yield from _facts_of(conversion, refunds[conversion_id], disputes[conversion_id])
        yield from _told_of(conversion, refunds[conversion_id], disputes[conversion_id], happened)
        if record is None:
            yield f"conversion {conversion_id}: its decision record is missing or cannot be read"
            continue
        yield from _amounts_of(conversion, record["commission"], happened)
        yield from _shares_of(conversion, shares[conversion_id], record.get("share"))
        yield from _entries_of(
            conversion, mine, targets(conversion, shares[conversion_id], records[conversion_id])
        )


def _read(text: str | None) -> Row | None:
    try:
        record = orjson.loads(text or "")
        return record if "terms" in record["commission"] else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _entries_of(
    conversion: Row, entries: list[Row], wanted: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    """What they hold for everybody who earns of it is what is due. `wanted`: affiliate id → account → amount."""
    of = f"conversion {conversion['id']}"
    held: dict[str, dict[str, int]] = {affiliate_id: {} for affiliate_id in wanted}
    for entry in entries:
        accounts = held.setdefault(entry["affiliate_id"], {})
        accounts[entry["debit"]] = accounts.get(entry["debit"], 0) - entry["amount_minor"]
        accounts[entry["credit"]] = accounts.get(entry["credit"], 0) + entry["amount_minor"]
        for name in ("program_id", "mode", "currency"):
            if entry[name] != conversion[name]:
                yield f"{of}: entry {entry['cause']}/{entry['line']} has another {name}"
        if entry["affiliate_id"] not in wanted:
            yield f"{of}: entry {entry['cause']}/{entry['line']} is of an affiliate who earns nothing of it"
    for affiliate_id, accounts in held.items():
        found = {account: amount for account, amount in accounts.items() if amount and account != "expense"}
        due = wanted.get(affiliate_id, {})
        if found != due:
            yield f"{of}: its entries hold {found or 'nothing'} for {affiliate_id}, due is {due or 'nothing'}"


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
    waits = (conversion[name] for name in ("decision", "matures_ms", "hold_until_ms", "approves_ms"))
    if _times_are_wrong(*waits):
        yield f"{of}: it waits for a time that does not follow from its state"


def _facts_of(conversion: Row, refunds: list[Row], disputes: list[Row]) -> Iterator[str]:
    """What is refunded and disputed is what its refunds and disputes come to."""
    of, revenue_minor = f"conversion {conversion['id']}", conversion["revenue_minor"]
    amounts = reversals.spread(revenue_minor, refunds)
    for refund in refunds:
        if refund["amount_minor"] != amounts[refund["id"]]:
            yield f"{of}: refund {refund['id']} is of {refund['amount_minor']}, left for it are {amounts[refund['id']]}"
    stored = (conversion["refunded_minor"], bool(conversion["refunded"]))
    if stored != (found := reversals.refunded(revenue_minor, refunds)):
        yield f"{of}: refunded are {stored[0]}, its refunds come to {found[0]}"
    if conversion["refunded_minor"] > revenue_minor:
        yield f"{of}: more is refunded than was paid"
    if conversion["dispute"] != (dispute := reversals.dispute_of(each["status"] for each in disputes)):
        yield f"{of}: its dispute is {conversion['dispute']}, its disputes come to {dispute}"
    for table, rows in {"refund": refunds, "dispute": disputes}.items():
        for each in rows:
            if each["mode"] != conversion["mode"]:
                yield f"{of}: {table} {each['id']} has another mode"


def _amounts_of(conversion: Row, recorded: Mapping[str, Any], happened: list[Row]) -> Iterator[str]:
    """The commission is what was recorded, or adjusted since, and what the recorded terms allow."""
    of = f"conversion {conversion['id']}"
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


def _told_of(conversion: Row, refunds: list[Row], disputes: list[Row], happened: list[Row]) -> Iterator[str]:
    """Each refund and dispute is told of by an event, and each that is told of is there."""
    told = [orjson.loads(event["told"]) for event in happened if event["told"]]
    for name, rows, migrated in (("refund", refunds, "ref_"), ("dispute", disputes, "dis_")):
        ids = {each["id"] for each in rows} - {f"{migrated}{conversion['id'][5:]}"}  # of earlier versions
        for each in sorted(ids ^ {each[f"{name}_id"] for each in told if f"{name}_id" in each}):
            yield f"conversion {conversion['id']}: {name} {each} is not both recorded and told of by an event"


def _shares_of(conversion: Row, shares: list[Row], recorded: Mapping[str, Any] | None) -> Iterator[str]:
    """What recruiters earn is the recorded share, and what its terms allow."""
    of = f"conversion {conversion['id']}"
    wanted = [(recorded["affiliate_id"], recorded["terms"])] if recorded else []
    if [(share["affiliate_id"], orjson.loads(share["terms"])) for share in shares] != wanted:
        yield f"{of}: its shares are not those of its decision record"
    for share in shares:
        if share["commission_minor"] != (allowed := adjusted_share(share, conversion)):
            minor = share["commission_minor"]
            yield f"{of}: the share of {share['affiliate_id']} is {minor}, its terms allow {allowed}"
