"""What a person has to look at, and how well each signal chose it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.precision import Precision, precision
from refledger.core.fraud.signal import Signal
from refledger.core.ids import FIRST, make_id
from refledger.services.credentials import Tenant
from refledger.store import findings
from refledger.store import queue as store
from refledger.store.engine import Connection

MOST_IDS = 50  # of each group; the listing of conversions has them all


@dataclass(slots=True)
class Usefulness:
    """Of one signal: on how many conversions it fired, by effect; what was decided about them; what it holds now."""

    signal: Signal
    hits: Counter[str] = field(default_factory=Counter)
    decided: int = 0
    undecided: int = 0
    confirmed: int = 0
    cleared: int = 0
    held: int = 0
    held_minor: Counter[str] = field(default_factory=Counter)  # currency → commission

    @property
    def precision(self) -> Precision | None:
        return precision(self.confirmed, self.cleared)


def waiting(
    connection: Connection, tenant: Tenant, filters: Mapping[str, Any], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """The groups that wait, with the newest `conversion_ids` of each; and whether there are more groups."""
    place = (connection, tenant.merchant_id, tenant.mode)
    groups, more = store.groups(*place, by_column(filters), limit)
    affiliate_ids = {group["affiliate_id"] for group in groups}
    ids = store.newest_ids(*place, sorted(affiliate_ids), MOST_IDS)
    for group in groups:
        group["conversion_ids"] = ids[group["affiliate_id"], group["leading_code"], group["currency"]]
    return groups, more


def by_column(filters: Mapping[str, Any]) -> dict[str, Any]:
    """`signal` by the name under which it is kept."""
    return {"leading_code" if name == "signal" else name: value for name, value in filters.items()}


def usefulness(connection: Connection, tenant: Tenant, filters: Mapping[str, Any]) -> list[Usefulness]:
    """Of every signal, in the catalogue's order, for conversions recorded within the time asked for."""
    found = {signal.code: Usefulness(signal) for signal in SIGNALS}
    first, beyond = (
        None if at_ms is None else make_id("conv", max(0, at_ms), FIRST)
        for at_ms in (filters.get("created_from", 0), filters.get("created_to"))
    )
    for tally in findings.tallies(
        connection, tenant.merchant_id, tenant.mode, list(found), filters.get("program_id"), first, beyond
    ):
        useful = found[tally.code]
        useful.hits[tally.effect] += tally.hits
        useful.decided += tally.decided
        useful.undecided += tally.undecided
        useful.confirmed += tally.confirmed
        useful.cleared += tally.cleared
        useful.held += tally.held
        if tally.held:
            useful.held_minor[tally.currency] += tally.held_minor
    return list(found.values())
