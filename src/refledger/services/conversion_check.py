"""Whether the entries, state and amounts of conversions follow from their records, refunds, disputes and events.

Most are proven by sums alone, by the same rules; the others are looked at entry by entry and event by event.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from refledger.core import reversals
from refledger.core.commissions import reckon
from refledger.core.conversions import shown_status
from refledger.core.events import EventType
from refledger.core.ledger import State, target
from refledger.services.settlement import targets
from refledger.store import ledger, proof
from refledger.store.engine import Connection
from refledger.store.proof import OWN_ACCOUNTS, SPAN_ROWS, Brief, Sums

Row = dict[str, Any]
Silent = dict[str, list[Row]]  # conversion id → its events that moved nothing

_DECISIONS = {
    EventType.APPROVED: "approved",
    EventType.REJECTED: "rejected",
    EventType.SUPERSEDED: "rejected",
}


class Totals:
    """What the entries of conversions come to for each affiliate, and how many conversions count for them."""

    def __init__(self):
        self.held: dict[tuple[str, str, str], list[int]] = {}  # affiliate, mode, currency → OWN_ACCOUNTS
        self.counts: dict[tuple[str, str], list[int]] = {}  # affiliate, mode → accepted, verified

    def add(self, sums: Sums) -> None:
        held = self.held.setdefault((sums.affiliate_id, sums.mode, sums.currency), [0] * len(OWN_ACCOUNTS))
        held[0] += sums.pending
        held[1] += sums.held
        held[2] += sums.payable
        held[3] += sums.dispute_reserve

    def count(self, brief: Brief) -> None:
        counts = self.counts.setdefault((brief.affiliate_id, brief.mode), [0, 0])
        counts[0] += brief.accepted_no is not None
        counts[1] += brief.verified_no is not None


def check(
    connection: Connection, merchant_id: str, silent: Silent, totals: Totals, tell: Callable[[int], None]
) -> Iterator[str]:
    """Each violation in words. Adds to `totals`, and takes out of `silent` the events of conversions that there are."""
    after = ""
    while True:
        briefs = proof.page(connection, merchant_id, after)
        span = (after, briefs[-1].id if len(briefs) == SPAN_ROWS else None)
        sums = proof.sums(connection, merchant_id, span)
        besides = proof.named_besides(connection, merchant_id, span)
        special = besides["refunds"] | besides["disputes"] | besides["shares"]
        suspects, events = [], {}
        for each in sums.values():
            for one in each:
                totals.add(one)
        for brief in briefs:
            totals.count(brief)
            mine = sums.pop(brief.id, [])
            happened = silent.pop(brief.id, None)
            if happened or brief.id in special or not _is_plain(brief, mine):
                suspects.append((merchant_id, brief.id))
                events[brief.id] = happened or []
        for start in range(0, len(suspects), 1000):
            yield from _examine(connection, suspects[start : start + 1000], events)
        known = {brief.id for brief in briefs}
        for table, named in {"entries": set(sums), **besides}.items():
            for conversion_id in sorted(named - known):
                yield f"rows of {table} belong to {conversion_id}, which the merchant {merchant_id} has not"
        tell(len(briefs))
        if span[1] is None:
            return
        after = span[1]


def _is_plain(brief: Brief, sums: list[Sums]) -> bool:
    """Proven by sums: nothing was refunded or disputed, nobody else earns of it, and all its events moved something."""
    if len(sums) != 1 or brief.refunded or brief.refunded_minor or brief.dispute or brief.record is None:
        return False
    mine, decision = sums[0], brief.decision
    if mine.strange or not mine.alike or brief.status != decision:
        return False
    if (mine.affiliate_id, mine.program_id, mine.mode, mine.currency) != (
        brief.affiliate_id, brief.program_id, brief.mode, brief.currency,
    ):  # fmt: skip
        return False
    kept = orjson.loads(brief.record)["commission"]
    if (kept["minor"], kept["revenue_minor"]) != (brief.commission_minor, brief.revenue_minor):
        return False
    if reckon(kept["terms"], brief.type, brief.revenue_minor, brief.currency)[0] != brief.commission_minor:
        return False
    decided = (mine.decided or "").partition("conversion.")[2]
    if _DECISIONS.get(f"conversion.{decided}", brief.initial) != decision or _times_are_wrong(
        brief._asdict()
    ):
        return False
    wanted = target(State(decision, brief.commission_minor, None, brief.matures_ms is not None))
    return mine[2:6] == tuple(wanted.get(account, 0) for account in OWN_ACCOUNTS)


def _times_are_wrong(conversion: Mapping[str, Any]) -> bool:
    """Only what is approved matures, when its hold is over; only what is pending is approved by itself."""
    matures_ms, decision = conversion["matures_ms"], conversion["decision"]
    if matures_ms is not None and (matures_ms != conversion["hold_until_ms"] or decision != "approved"):
        return True
    return conversion["approves_ms"] is not None and decision != "pending"


# ── one by one ───────────────────────────────────────────────────────────────────────────────────────────────────


def _examine(
    connection: Connection, pairs: Sequence[tuple[str, str]], silent: Mapping[str, list[Row]]
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
        told = {entry["cause"]: caused[entry["cause"]] for entry in mine if entry["cause"] in caused}
        happened = [*silent[conversion_id], *told.values()]
        happened = sorted(
            (event for event in happened if event["subject_id"] == conversion_id), key=lambda each: each["id"]
        )
        record = _read(records.get(conversion_id))
        yield from _state_of(conversion, happened)
        yield from _facts_of(conversion, refunds[conversion_id], disputes[conversion_id])
        if record is None:
            yield f"conversion {conversion_id}: its decision record is missing or cannot be read"
            continue
        yield from _amounts_of(conversion, record, happened)
        yield from _entries_of(
            conversion, mine, targets(conversion, shares[conversion_id], records[conversion_id])
        )


def _read(text: str | None) -> Row | None:
    try:
        return orjson.loads(text or "")["commission"]
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
    if _times_are_wrong(conversion):
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
