"""An order edited after its sale was reported: another amount, the same terms."""

from typing import Any

import orjson

from refledger.core import reversals as rules
from refledger.core.commissions import adjusted, adjusted_share
from refledger.core.events import EventType
from refledger.core.terms import read_amount
from refledger.services import notes, reversals
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.services.settlement import find_held, settle
from refledger.store import ledger, setup
from refledger.store import reversals as store
from refledger.store.engine import Connection

Row = dict[str, Any]


def adjust(
    connection: Connection,
    tenant: Tenant,
    conversion_id: str,
    amount: str,
    reason: str | None,
    now_ms: int,
    entropy: Entropy,
    note: str | None = None,
) -> None:
    """`amount`: what the customer paid in all, as decimal text. The decision record stays; the event tells old and new.

    In every state, and never below what was refunded. The amount it has already changes nothing.
    """
    conversion = find_held(connection, tenant, conversion_id)
    revenue_minor = _amount(connection, amount, conversion)
    if revenue_minor == conversion["revenue_minor"]:
        return
    place, before = (tenant.merchant_id, conversion_id), dict(conversion)
    kept = orjson.loads(ledger.records_of(connection, [place])[conversion_id])["commission"]
    commission_minor, arithmetic = adjusted(kept, conversion, revenue_minor)
    conversion |= {"revenue_minor": revenue_minor, "commission_minor": commission_minor}
    for share in ledger.shares_of(connection, [place])[conversion_id]:
        store.change_share(connection, share, adjusted_share(share, conversion))
    reversals.follow_refunds(connection, conversion, store.refunds_of(connection, *place))
    told = {"arithmetic": arithmetic} | {
        f"old_{name}": before[name] for name in ("revenue_minor", "commission_minor")
    }
    kind = EventType.ADJUSTED
    settle(connection, conversion, kind, now_ms, entropy, **told, **reversals.facts(conversion))
    given = {"reason": reason, "note": note}
    reversals.note_fact(connection, tenant, kind, before, conversion, given, now_ms, entropy)


def _amount(connection: Connection, amount: str, conversion: Row) -> int:
    place = (conversion["merchant_id"], conversion["program_id"])
    program = setup.programs_of(connection, [place])[place]
    try:
        revenue_minor = read_amount(amount, conversion["currency"])
    except ValueError as why:
        raise notes.invalid({"revenue_amount": str(why)}) from None
    if fault := rules.fault_in_revenue(revenue_minor, conversion, program.max_revenue_minor):
        raise notes.invalid({"revenue_amount": fault})
    return revenue_minor
