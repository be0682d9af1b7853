"""The merchant's own decisions on conversions.

Each function works in the transaction it is given, and holds what it decides about. The ledger follows by target: the
entries are the difference between what should be held and what is posted.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from refledger.core.conversions import next_decision
from refledger.core.decision_reasons import FRAUD
from refledger.core.duplicates import check_identity
from refledger.core.events import EventType
from refledger.core.fingerprints import left_as, looked_at
from refledger.core.personal import PLACEHOLDER
from refledger.core.programs import stored
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services.credentials import Tenant
from refledger.services.histories import confirmed_keys
from refledger.services.notes import Entropy
from refledger.services.settlement import find_held, key_of_order, lock_numbers, settle
from refledger.services.writing import has_identity
from refledger.store import ledger, record, reports, review, setup
from refledger.store.engine import Connection, hold


def approve(
    connection: Connection,
    tenant: Tenant,
    conversion_id: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> None:
    """From pending or pending_review; the commission becomes payable."""
    conversion = find_held(connection, tenant, conversion_id)
    conversion |= {"decision": _next("approve", conversion), "decision_reason": reason}
    settle(connection, conversion, EventType.APPROVED, now_ms, entropy, reason=reason, note=note)


def reject(
    connection: Connection,
    tenant: Tenant,
    conversion_id: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> None:
    """From pending or pending_review; the identity is released, the commission taken back.

    The reason `fraud` is remembered against the affiliate, the mailbox and the address.
    """
    conversion = find_held(connection, tenant, conversion_id)
    conversion |= {"decision": _next("reject", conversion), "decision_reason": reason}
    conversion |= {"identity": None, "order_key": None}
    settle(connection, conversion, EventType.REJECTED, now_ms, entropy, reason=reason, note=note)
    if reason == FRAUD:
        seen = {"merchant_id": tenant.merchant_id, "at_ms": now_ms, "customer_key": conversion_id}
        keys = _confirmed_keys(connection, conversion)
        # What anyone can have forged is held against unverified reports alone.
        left = [seen | {"key": left_as(key, conversion["verified"])} for key in keys]
        record.insert_sightings(connection, left)


def reopen(
    connection: Connection,
    tenant: Tenant,
    conversion_id: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> None:
    """A rejected conversion returns to what it was, unless its identity has been taken meanwhile (409)."""
    conversion = find_held(connection, tenant, conversion_id)
    conversion |= {"decision": _next("reopen", conversion), "decision_reason": reason}
    _take_identity(connection, tenant, conversion)
    settle(connection, conversion, EventType.REOPENED, now_ms, entropy, reason=reason, note=note)
    take_back(connection, tenant, _confirmed_keys(connection, conversion), conversion_id)


def take_back(connection: Connection, tenant: Tenant, keys: Iterable[str], conversion_id: str) -> None:
    """What is held against anybody for this conversion, of `confirmed_keys`."""
    kept = [each for key in keys for each in looked_at(key, verified=False)]
    review.forget_sightings(connection, tenant.merchant_id, kept, conversion_id)


def balance(connection: Connection, tenant: Tenant, affiliate_id: str) -> dict[str, int]:
    """Account → minor units, of every account of the affiliate."""
    found = ledger.balance(connection, tenant.merchant_id, affiliate_id, tenant.mode)
    if found is None:
        raise Refused(Refusal(Reason.NOT_FOUND))
    return found


def hold_all(connection: Connection, tenant: Tenant, conversion_ids: Sequence[str]) -> None:
    """For steps on many: held one after the other, two such calls could wait for each other."""
    found = ledger.conversions_of(connection, [(tenant.merchant_id, each) for each in conversion_ids])
    hold(connection, lock_numbers(connection, tenant, list(found.values())))


def _next(step: str, conversion: Mapping[str, Any]) -> str:
    decision = next_decision(step, conversion["decision"], conversion["initial"])
    if isinstance(decision, Refusal):
        raise Refused(decision)
    return decision


def _take_identity(connection: Connection, tenant: Tenant, conversion: dict[str, Any]) -> None:
    program_id, kind = conversion["program_id"], conversion["type"]
    of_order = key_of_order(tenant, conversion)
    own, order = review.customer_and_order(connection, tenant.merchant_id, conversion["email_key"], of_order)
    own = tuple(past for past in own if past.id != conversion["id"])
    program = setup.programs_of(connection, [(tenant.merchant_id, program_id)])[
        tenant.merchant_id, program_id
    ]
    repeats = stored(program.repeat_purchases)
    # As of its own time: the months in which further orders are paid may be over by now.
    at_ms = conversion["at_ms"]
    taken = check_identity(kind, conversion["order_id"], repeats, own, order, verified=False, now_ms=at_ms)
    if isinstance(taken, Refusal):
        raise Refused(taken)
    conversion["order_key"] = of_order
    # '' is a customer's whose address was dropped.
    if not conversion["email"].endswith(PLACEHOLDER) and not has_identity(own, kind):
        conversion["identity"] = kind


def _confirmed_keys(connection: Connection, conversion: Mapping[str, Any]) -> list[str]:
    """By the record, which outlasts the address and the mailbox themselves."""
    found = reports.decision_record(connection, conversion["merchant_id"], conversion["id"])
    known_as = orjson.loads(found or "{}").get("known_as", {})
    return list(confirmed_keys(conversion["affiliate_id"], conversion["mode"], known_as).values())
