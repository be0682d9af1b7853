"""Every table, once, for both engines: what merchants set up (`setup`), what comes in and how it was decided
(`tracking`), what is owed (`money`), what happened (`happenings`).

`merchant_id` leads every primary key, unique key and index, so that the same schema can be spread by merchant;
the routing tables (`api_key_routes`, `slug_routes`) and the installation's own counters are the exceptions, and hold
only what leads to a merchant. Ids are made by the application and are time-ordered. Times are integer milliseconds
since the epoch, UTC (`…_ms`); money is integer minor units (`…_minor`); `…_key` columns are fingerprints
(`core.fingerprints`), fixed-width stand-ins for wide or personal text; JSON is stored as text and read by its caller.
"""

from refledger.store.columns import metadata
from refledger.store.schema.happenings import audit, events, idempotency
from refledger.store.schema.money import (
    ACCOUNTS,
    disputes,
    entries,
    months,
    payout_items,
    payouts,
    refunds,
    seals,
    shares,
    standings,
    terms,
)
from refledger.store.schema.setup import (
    affiliates,
    api_key_routes,
    api_keys,
    coupons,
    door_counts,
    list_entries,
    merchants,
    policies,
    programs,
    slug_routes,
)
from refledger.store.schema.tracking import (
    acceptances,
    attempt_hours,
    attempts,
    automated_clicks,
    clicks,
    conversions,
    decisions,
    findings,
    housekeeping_marks,
    sightings,
    whereabouts,
)

# Rows that are never changed or removed; the migrations guard them with triggers.
APPEND_ONLY = (entries, events, audit)
ROUTING = (api_key_routes, slug_routes, door_counts)

__all__ = [
    "ACCOUNTS",
    "APPEND_ONLY",
    "ROUTING",
    "acceptances",
    "affiliates",
    "api_key_routes",
    "api_keys",
    "attempt_hours",
    "attempts",
    "audit",
    "automated_clicks",
    "clicks",
    "conversions",
    "coupons",
    "decisions",
    "disputes",
    "door_counts",
    "entries",
    "events",
    "findings",
    "housekeeping_marks",
    "idempotency",
    "list_entries",
    "merchants",
    "metadata",
    "months",
    "payout_items",
    "payouts",
    "policies",
    "programs",
    "refunds",
    "seals",
    "shares",
    "sightings",
    "slug_routes",
    "standings",
    "terms",
    "whereabouts",
]
