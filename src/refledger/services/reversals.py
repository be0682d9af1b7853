"""What takes a commission back, in part or for a while: refunds and disputes, by the merchant's own ids.

Each function works in the transaction it is given, and holds what it decides about. The facts are recorded in every
state of the conversion; its row and the ledger follow from all of them (`core.reversals`), whatever their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refledger.core import reversals as rules
from refledger.core.events import EventType
from refledger.core.fingerprints import order_key
from refledger.core.ids import make_id
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.core.terms import read_amount
from refledger.services import notes
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.services.settlement import find_held, settle
from refledger.store import programs, record
from refledger.store import reversals as store
from refledger.store.engine import Connection

Row = dict[str, Any]

_TOLD = ("status", "revenue_minor", "commission_minor", "refunded_minor", "dispute")
_DISPUTE_EVENTS = {
    rules.OPEN: EventType.CHARGEBACK,
    rules.WON: EventType.DISPUTE_WON,
    rules.LOST: EventType.DISPUTE_LOST,
}


@dataclass(frozen=True, slots=True)
class Sale:
    """How a call names the conversion it is about: by its own id, or by that of the order."""

    conversion_id: str | None = None
    order_id: str | None = None
    program_id: str | None = None  # where several programs have the order

    def names(self, conversion: Mapping[str, Any]) -> bool:
        return all(
            wanted in (None, conversion[name])
            for name, wanted in (
                ("id", self.conversion_id),
                ("order_id", self.order_id),
                ("program_id", self.program_id),
            )
        )


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────


def refund(
    connection: Connection,
    tenant: Tenant,
    sale: Sale,
    refund_id: str,
    amount: str | None,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> Row:
    """The refund's row, the same however often it is told. `amount`: decimal text; None: everything that is left."""
    place = (tenant.merchant_id, tenant.mode)
    conversion = _held(connection, tenant, sale, store.refund(connection, *place, refund_id), "refund_id")
    known = store.refund(connection, *place, refund_id)  # again: another may have recorded it meanwhile
    amount_minor = _amount(amount, conversion)
    if known is not None:
        same = known["conversion_id"] == conversion["id"] and bool(known["is_whole"]) == (amount is None)
        if not same or amount_minor not in (None, known["amount_minor"]):
            raise notes.taken("refund_id", f"The refund {refund_id} was recorded with other facts")
        return known
    others = store.refunds_of(connection, tenant.merchant_id, conversion["id"])
    if amount_minor is not None:
        named = rules.named_minor(others)
        if fault := rules.fault_in_refund(amount_minor, conversion, named):
            raise notes.invalid({"amount": fault})
    row = {
        "merchant_id": tenant.merchant_id,
        "mode": tenant.mode,
        "id": refund_id,
        "conversion_id": conversion["id"],
        "amount_minor": amount_minor or 0,
        "is_whole": amount is None,
        "reason": reason,
        "at_ms": now_ms,
    }
    store.insert_refunds(connection, [row])
    before = dict(conversion)
    follow_refunds(connection, conversion, [*others, row])
    kind = EventType.REFUNDED if conversion["refunded"] else EventType.PARTLY_REFUNDED
    told = {"refund_id": refund_id, **facts(conversion)}
    settle(connection, conversion, kind, now_ms, entropy, **told)
    given = {"refund_id": refund_id, "reason": reason, "note": note}
    note_fact(connection, tenant, kind, before, conversion, given, now_ms, entropy)
    return store.refund(connection, *place, refund_id)


def refund_all(
    connection: Connection,
    tenant: Tenant,
    conversion_id: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> None:
    """Everything that is left, under an id of our own. Saying it again changes nothing."""
    conversion = find_held(connection, tenant, conversion_id)
    if not conversion["refunded"]:
        refund_id = make_id("ref", now_ms, entropy(10))
        refund(connection, tenant, Sale(conversion_id), refund_id, None, reason, now_ms, entropy, note)


def follow_refunds(connection: Connection, conversion: Row, refunds: Sequence[Row]) -> None:
    """Sets what its refunds make of the conversion, and what a whole one comes to by now."""
    amounts = rules.spread(conversion["revenue_minor"], refunds)
    for each in refunds:
        if each["amount_minor"] != amounts[each["id"]]:
            store.change_amount(connection, each, amounts[each["id"]])
    total_minor, everything = rules.refunded(conversion["revenue_minor"], refunds)
    conversion |= {"refunded_minor": total_minor, "refunded": everything}


def _amount(amount: str | None, conversion: Mapping[str, Any]) -> int | None:
    try:
        return None if amount is None else read_amount(amount, conversion["currency"])
    except ValueError as why:
        raise notes.invalid({"amount": str(why)}) from None


# ── disputes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def dispute(
    connection: Connection,
    tenant: Tenant,
    sale: Sale,
    dispute_id: str,
    told: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> Row:
    """The dispute's row. `told`: open, won or lost; one that was never opened is opened and closed at once."""
    place = (tenant.merchant_id, tenant.mode)
    known = store.dispute(connection, *place, dispute_id)
    if known is None and sale == Sale() and told != rules.OPEN:
        message = "This dispute is unknown; with conversion_id or order_id it is opened and closed at once"
        raise Refused(Refusal(Reason.NOT_FOUND, message))
    conversion = _held(connection, tenant, sale, known, "dispute_id")
    known = store.dispute(connection, *place, dispute_id)  # again: another may have recorded it meanwhile
    status = rules.next_status(known and known["status"], told)
    if isinstance(status, Refusal):
        raise Refused(status)
    if known is not None and status == known["status"]:
        return known
    row = (known or {"reason": reason, "at_ms": now_ms}) | {"status": status, "updated_ms": now_ms}
    row |= {
        "merchant_id": tenant.merchant_id,
        "mode": tenant.mode,
        "id": dispute_id,
        "conversion_id": conversion["id"],
    }
    if known is None:
        store.insert_disputes(connection, [row])
    else:
        store.change_status(connection, row)
    before = dict(conversion)
    disputes = store.disputes_of(connection, tenant.merchant_id, conversion["id"])
    conversion["dispute"] = rules.dispute_of(each["status"] for each in disputes)
    kind = _DISPUTE_EVENTS[status]
    settle(connection, conversion, kind, now_ms, entropy, dispute_id=dispute_id, **facts(conversion))
    given = {"dispute_id": dispute_id, "reason": reason, "note": note}
    note_fact(connection, tenant, kind, before, conversion, given, now_ms, entropy)
    return row


def chargeback(
    connection: Connection,
    tenant: Tenant,
    conversion_id: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> None:
    """A dispute under an id of our own, where there was none yet. Saying it again changes nothing."""
    conversion = find_held(connection, tenant, conversion_id)
    if not conversion["dispute"]:
        dispute_id, sale = make_id("dis", now_ms, entropy(10)), Sale(conversion_id)
        dispute(connection, tenant, sale, dispute_id, rules.OPEN, reason, now_ms, entropy, note)


# ── what both have in common ─────────────────────────────────────────────────────────────────────────────────────


def facts(conversion: Mapping[str, Any]) -> Row:
    """What an event tells of the facts, so that the state follows from the events alone."""
    return {
        "refunded": bool(conversion["refunded"]),
        "refunded_minor": conversion["refunded_minor"],
        "dispute": conversion["dispute"],
    }


def note_fact(
    connection: Connection,
    tenant: Tenant,
    kind: EventType,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    given: Mapping[str, str | None],
    now_ms: int,
    entropy: Entropy,
) -> None:
    """The line of the audit: what changed of the conversion, and what was `given`."""
    changes = {name: [before[name], after[name]] for name in _TOLD if before[name] != after[name]}
    changes |= {name: [None, text] for name, text in given.items() if text}
    notes.note(connection, tenant, kind.value, after["id"], changes, now_ms, entropy)


def _held(connection: Connection, tenant: Tenant, sale: Sale, known: Row | None, field: str) -> Row:
    """The conversion's row, held: that of the fact that is `known` by this id already, else the one that is named."""
    if known is not None:
        conversion = find_held(connection, tenant, known["conversion_id"])
        if not sale.names(conversion):
            raise notes.taken(field, f"{known['id']} was recorded for the conversion {conversion['id']}")
        return conversion
    if (sale.conversion_id is None) == (sale.order_id is None):
        raise notes.invalid({"conversion_id": "or order_id must say which sale it is about, one of them"})
    conversion = find_held(connection, tenant, sale.conversion_id or _by_order(connection, tenant, sale))
    if not sale.names(conversion):
        raise notes.not_found()
    if sale.order_id and _by_order(connection, tenant, sale) != conversion["id"]:
        raise record.Overtaken("another conversion stands for the order by now")
    return conversion


def _by_order(connection: Connection, tenant: Tenant, sale: Sale) -> str:
    """The id of the conversion that stands for the order; where none does, of the one that is most likely meant."""
    merchant_id, order_id = tenant.merchant_id, sale.order_id
    scope = [sale.program_id] if sale.program_id else programs.program_ids(connection, merchant_id)
    keys = [order_key(tenant.fingerprint_key, each, tenant.mode, order_id) for each in scope]
    found = store.standing_sales(connection, merchant_id, keys)
    if not found:
        released = store.released_sales(connection, merchant_id, tenant.mode, order_id)
        found = [each for each in released if sale.program_id in (None, each["program_id"])]
    if not found:
        raise notes.not_found()
    if len({each["program_id"] for each in found}) > 1:
        raise notes.invalid({"program_id": "is required: several programs have this order"})
    return max(found, key=_likelihood)["id"]


def _likelihood(sale: Mapping[str, Any]) -> tuple:
    return sale["type"] == "purchase", sale["decision"] != "rejected", bool(sale["verified"]), sale["id"]
