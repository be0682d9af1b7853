"""What follows for the ledger when something happens to a conversion: by target, for everybody who earns of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from refledger.core.commissions import due_minor, share_due_minor
from refledger.core.conversions import matures_ms, shown_status
from refledger.core.events import EventType
from refledger.core.fingerprints import lock_number, order_key
from refledger.core.ids import make_id
from refledger.core.ledger import State, target
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services import postings
from refledger.services.claims import Work
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.store import ledger, record, review
from refledger.store.engine import Connection, hold, together

Row = dict[str, Any]


def find(connection: Connection, tenant: Tenant, conversion_id: str) -> Row:
    """The conversion's row; Refused as not found where the merchant has no such one in this mode."""
    found = ledger.conversions_of(connection, [(tenant.merchant_id, conversion_id)]).get(conversion_id)
    if found is None or found["mode"] != tenant.mode:
        raise Refused(Refusal(Reason.NOT_FOUND))
    return found


def find_held(connection: Connection, tenant: Tenant, conversion_id: str) -> Row:
    """The conversion's row, read again once its keys are held."""
    hold(connection, lock_numbers(connection, tenant, [find(connection, tenant, conversion_id)]))
    return find(connection, tenant, conversion_id)


def lock_numbers(
    connection: Connection, tenant: Tenant, conversions: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Of the customers, the orders, and all who earn of these conversions."""
    shares = ledger.shares_of(connection, [(tenant.merchant_id, each["id"]) for each in conversions])
    keys = []
    for each in conversions:
        keys += [each["affiliate_id"], each["email_key"], key_of_order(tenant, each)]
        keys += [share["affiliate_id"] for share in shares[each["id"]]]
    return [lock_number(key) for key in keys if key]


def key_of_order(tenant: Tenant, conversion: Mapping[str, Any]) -> str | None:
    """Of a purchase with an order id, also where it has been released."""
    if not conversion["order_id"] or conversion["type"] != "purchase":
        return None
    scope = (conversion["program_id"], conversion["mode"])
    return order_key(tenant.fingerprint_key, *scope, conversion["order_id"])


def settle(
    connection: Connection, conversion: Row, kind: EventType, now_ms: int, entropy: Entropy, **told: Any
) -> None:
    """Writes the changed conversion, the entries that follow from it, and the event that causes them. It is held."""
    settle_all(connection, [conversion], kind, now_ms, entropy, **told)


def settle_all(
    connection: Connection,
    conversions: Sequence[Row],
    kind: EventType,
    now_ms: int,
    entropy: Entropy,
    **told: Any,
) -> None:
    """The same for several to which the same happens; none of them twice."""
    places = [(each["merchant_id"], each["id"]) for each in conversions]
    shares, records = ledger.shares_of(connection, places), ledger.records_of(connection, places)
    posted, rows = ledger.posted(connection, places), postings.new_rows()
    more = {name: value for name, value in told.items() if value is not None}
    for conversion in conversions:
        at_ms = postings.next_ms(conversion, now_ms)
        update(conversion, at_ms)
        event_id = make_id("evt", at_ms, entropy(10))
        wanted = targets(conversion, shares[conversion["id"]], records.get(conversion["id"]))
        postings.post(rows, conversion, posted, wanted, event_id, kind, at_ms)
        rows["events"].append(postings.event(conversion, event_id, kind, at_ms, **more))
    with together(connection):
        review.change_conversions(connection, conversions)
        record.insert_entries(connection, rows["entries"])
        record.insert_events(connection, rows["events"])
    record.move_standings(connection, postings.by_standing(rows["moves"]))


def update(conversion: Row, now_ms: int) -> None:
    """What its decision, refunds and disputes make of the rest of the row."""
    facts = (bool(conversion["refunded"]), conversion["dispute"])
    conversion |= {
        "status": shown_status(conversion["decision"], *facts),
        "matures_ms": matures_ms(conversion["decision"], conversion["hold_until_ms"], *facts, now_ms),
        "approves_ms": conversion["approves_ms"] if conversion["decision"] == "pending" else None,
        "updated_ms": now_ms,
    }


def targets(
    conversion: Mapping[str, Any], shares: Sequence[Mapping[str, Any]], text: str | None
) -> dict[str, dict[str, int]]:
    """Affiliate id → what each account should hold for them of this conversion. `text`: its decision record."""
    kept = orjson.loads(text)["commission"] if text else {}
    due = due_minor(kept, conversion)
    dues = {conversion["affiliate_id"]: due}
    for share in shares:
        dues[share["affiliate_id"]] = share_due_minor(share, conversion, due)
    is_held = conversion["matures_ms"] is not None
    return {
        affiliate_id: target(State(conversion["decision"], minor, conversion["dispute"], is_held))
        for affiliate_id, minor in dues.items()
    }


def supersede(
    connection: Connection, rows: postings.Rows, accepted: Sequence[Work], now_ms: int, entropy: Entropy
) -> None:
    """Rejects the unverified conversions that verified ones displace, and reverses their entries."""
    successors = {
        (work.merchant_id, past.id): work.conversion_id
        for work in accepted
        for past in work.outcome.displaces
    }
    if not successors:
        return
    found, posted = ledger.conversions_of(connection, list(successors)), ledger.posted(connection, successors)
    displaced = []
    for (merchant_id, conversion_id), successor in successors.items():
        conversion = found[conversion_id] | {"decision": "rejected"}
        at_ms = postings.next_ms(conversion, now_ms)
        update(conversion, at_ms)
        nothing = {affiliate_id: {} for each, affiliate_id in posted if each == conversion_id}
        event_id, kind = make_id("evt", at_ms, entropy(10)), EventType.SUPERSEDED
        postings.post(rows, conversion, posted, nothing, event_id, kind, at_ms)
        rows["events"].append(postings.event(conversion, event_id, kind, at_ms, superseded_by=successor))
        displaced.append((merchant_id, conversion_id, conversion["status"], at_ms))
    record.supersede(connection, displaced)
