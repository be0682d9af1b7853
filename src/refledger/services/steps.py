"""A merchant's steps on conversions and attempts, noted in the audit with who took them and why; one or many."""

from collections.abc import Sequence
from dataclasses import dataclass

from refledger.core.refusals import Refusal, Refused
from refledger.services import acceptance, notes, reversals, review
from refledger.services.claims import Wording
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.services.reports import get_conversion
from refledger.store.engine import Connection
from refledger.store.savepoints import part

# What the step is called in the audit.
ACTIONS = {
    "approve": "conversion.approved",
    "reject": "conversion.rejected",
    "reopen": "conversion.reopened",
}
_DECISIONS = {"approve": review.approve, "reject": review.reject, "reopen": review.reopen}
_FACTS = {"refund": reversals.refund_all, "chargeback": reversals.chargeback}


@dataclass(frozen=True, slots=True)
class Result:
    """Of one step among many: the status it led to, or why it was refused."""

    id: str
    status: str | None = None
    refusal: Refusal | None = None


def take(
    connection: Connection,
    tenant: Tenant,
    step: str,
    conversion_id: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> dict:
    """The conversion's row as it is then. A fact that was recorded before changes nothing and leaves no note."""
    if step in _FACTS:
        _FACTS[step](connection, tenant, conversion_id, reason, now_ms, entropy, note)
        return get_conversion(connection, tenant, conversion_id)
    before = get_conversion(connection, tenant, conversion_id)
    _DECISIONS[step](connection, tenant, conversion_id, reason, now_ms, entropy, note)
    after = get_conversion(connection, tenant, conversion_id)
    changes = {
        name: [before[name], after[name]] for name in ("status", "decision") if before[name] != after[name]
    }
    changes |= {name: [None, text] for name, text in (("reason", reason), ("note", note)) if text}
    notes.note(connection, tenant, ACTIONS[step], conversion_id, changes, now_ms, entropy)
    return after


def take_each(
    connection: Connection,
    tenant: Tenant,
    step: str,
    ids: Sequence[str],
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> list[Result]:
    """In the order given. What is refused leaves no trace; an unexpected fault undoes everything."""
    review.hold_all(connection, tenant, ids)
    results = []
    for each in ids:
        try:
            with part(connection):
                row = take(connection, tenant, step, each, reason, now_ms, entropy, note)
            results.append(Result(each, row["status"]))
        except Refused as refused:
            results.append(Result(each, refusal=refused.refusal))
    return results


def accept_attempt(
    connection: Connection,
    tenant: Tenant,
    attempt_id: str,
    affiliate_id: str | None,
    now_ms: int,
    entropy: Entropy,
    wording: Wording,
) -> dict:
    """The row of the conversion that the attempt becomes."""
    conversion_id = acceptance.accept_attempt(
        connection, tenant, attempt_id, affiliate_id, now_ms, entropy, wording
    )
    notes.note(
        connection,
        tenant,
        "attempt.accepted",
        attempt_id,
        {"conversion_id": [None, conversion_id]},
        now_ms,
        entropy,
    )
    return get_conversion(connection, tenant, conversion_id)
