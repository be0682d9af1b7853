"""Every table, once, for both engines.

`merchant_id` leads every primary key, unique key and index, so that the same schema can be spread by merchant;
the routing tables (`api_key_routes`, `slug_routes`) and the installation's own counters are the exceptions, and hold
only what leads to a merchant. Ids are made by the application and are time-ordered. Times are integer milliseconds
since the epoch, UTC (`…_ms`); money is integer minor units (`…_minor`); `…_key` columns are fingerprints
(`core.fingerprints`), fixed-width stand-ins for wide or personal text; JSON is stored as text and read by its caller.
"""

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint

from refledger.store.columns import flag, merchant, number, table, text_column
from refledger.store.columns import metadata as metadata

ACCOUNTS = (
    "pending",
    "held",
    "payable",
    "in_payout",
    "paid",
    "dispute_reserve",
    "expense",
    "clawback_loss",
)


# ── routing: what leads to a merchant ────────────────────────────────────────────────────────────────────────────

api_key_routes = table(
    "api_key_routes",
    text_column("key_hash", primary_key=True),
    text_column("merchant_id"),
    text_column("key_id"),
)
slug_routes = table(
    "slug_routes",
    text_column("slug", primary_key=True),
    text_column("merchant_id"),
    text_column("program_id"),
)

# Answers given before a merchant is known (bad bodies, bad keys), counted for `doctor`.
door_counts = table(
    "door_counts",
    number("hour_ms"),
    text_column("code"),
    number("answers"),
    PrimaryKeyConstraint("hour_ms", "code"),
)

# ── the merchant and what they set up ────────────────────────────────────────────────────────────────────────────

merchants = table(
    "merchants",
    text_column("merchant_id", primary_key=True),
    text_column("name"),
    text_column("fingerprint_key"),  # hex; keys every fingerprint of this merchant's data
    number("setup_version", server_default="0"),  # rises with each change of a program, affiliate or coupon
    number("lists_version", server_default="0"),  # rises with each change of `list_entries`
    number("created_ms"),
)

api_keys = table(
    "api_keys",
    merchant(),
    text_column("id"),
    text_column("kind"),  # publishable | secret
    text_column("mode"),  # live | test
    text_column("hint"),  # prefix and last four characters
    text_column("key_hash"),
    text_column("label", server_default=""),
    number("created_ms"),
    number("revoked_ms", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("kind IN ('publishable', 'secret')", name="kind"),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
)

programs = table(
    "programs",
    merchant(),
    text_column("id"),
    text_column("name"),
    text_column("slug"),
    text_column("currency"),
    text_column("site_url"),
    text_column("allowed_hosts"),  # JSON list of hosts that /r/ may send visitors to, besides the site's own
    text_column("allowed_origins"),  # JSON list; empty: any origin
    number("window_days"),
    text_column("commission"),  # JSON terms: {"purchase": {"type", "value"}, "signup": {...}}
    text_column("repeat_purchases"),  # JSON: "first" | "lifetime" | {"months": N}
    number("limit_hourly"),
    number("limit_daily"),
    text_column("attribution"),  # last | first
    number("max_revenue_minor"),
    text_column("policy_id", nullable=True),  # the overrides in force; none: the default policy
    text_column("status"),  # active | paused | archived
    number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

affiliates = table(
    "affiliates",
    merchant(),
    text_column("id"),
    text_column("program_id"),
    text_column("email"),
    text_column("name"),
    text_column("ref_code"),
    text_column("code_key"),
    text_column("status"),  # active | paused | banned
    number("limit_hourly", nullable=True),
    number("limit_daily", nullable=True),
    text_column("commission", nullable=True),  # JSON terms of their own
    text_column("known_addresses"),  # JSON list of address text
    text_column("policy_id", nullable=True),
    number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "code_key"),
    Index(None, "merchant_id", "program_id", "id"),
)

coupons = table(
    "coupons",
    merchant(),
    text_column("id"),
    text_column("program_id"),
    text_column("affiliate_id"),
    text_column("code"),
    text_column("code_key"),
    number("starts_ms", nullable=True),
    number("ends_ms", nullable=True),
    flag("active"),
    number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "code_key"),
    Index(None, "merchant_id", "program_id", "id"),
)

policies = table(
    "policies",
    merchant(),
    text_column("id"),
    text_column("program_id"),
    text_column("affiliate_id", nullable=True),
    number("version"),  # 1, 2, … within the program or the affiliate
    text_column("document"),  # JSON overrides
    number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

list_entries = table(
    "list_entries",
    merchant(),
    text_column("id"),
    text_column("program_id", nullable=True),  # none: all of the merchant's programs
    text_column("action"),  # allow | block
    text_column("kind"),  # mailbox | domain | address_range | affiliate
    text_column("value"),
    text_column("note", server_default=""),
    number("expires_ms", nullable=True),
    number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

# ── clicks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _click_columns():
    return (
        merchant(),
        text_column("id"),
        text_column("program_id"),
        text_column("affiliate_id"),
        text_column("mode"),
        text_column("source"),  # link (the redirect) | page (track-click)
        text_column(
            "address_key"
        ),  # of affiliate, mode and address unit; its own id where the address is unknown
        text_column("agent_key"),
        text_column("address", nullable=True),
        text_column("agent", nullable=True),
        text_column("url", nullable=True),
        text_column("referrer", nullable=True),
        text_column("sub_id", nullable=True),
        text_column("dest", nullable=True),  # Sec-Fetch-Dest
        number("at_ms"),
        PrimaryKeyConstraint("merchant_id", "id"),
    )


clicks = table("clicks", *_click_columns(), Index(None, "merchant_id", "address_key", "at_ms"))

# Crawlers and prefetches: kept apart, so that no query for attribution can meet them.
automated_clicks = table("automated_clicks", *_click_columns(), text_column("why"))

# ── conversions ──────────────────────────────────────────────────────────────────────────────────────────────────

conversions = table(
    "conversions",
    merchant(),
    text_column("id"),
    text_column("program_id"),
    text_column("affiliate_id"),
    text_column("mode"),
    text_column("type"),  # signup | purchase
    text_column("status"),  # what is shown: see core.conversions.shown_status
    text_column("decision"),  # the merchant's: pending | pending_review | approved | rejected
    text_column("initial"),  # pending | pending_review: what a reopened conversion returns to
    text_column("decision_reason", nullable=True),
    flag("verified"),
    text_column("via"),  # ref_code | coupon | first | merchant
    text_column("ref_code", nullable=True),
    text_column("coupon_id", nullable=True),
    text_column("email"),
    text_column("email_key"),
    text_column(
        "identity", nullable=True
    ),  # its type, while it stands as its customer's; released by a rejection
    text_column("order_key", nullable=True),  # likewise
    text_column("order_id", nullable=True),
    text_column("customer_id", nullable=True),
    number("revenue_minor"),
    text_column("currency"),
    number("commission_minor"),
    flag("refunded"),
    number("refunded_minor"),
    text_column("dispute", nullable=True),  # open | won | lost
    number("score"),
    text_column("address", nullable=True),
    text_column("agent", nullable=True),
    text_column("click_id", nullable=True),
    text_column("metadata", nullable=True),
    text_column("attempt_id", nullable=True),
    number("accepted_no", nullable=True),  # the affiliate's n-th, for limits; none: counts towards none
    number("verified_no", nullable=True),  # the n-th verified one
    number("at_ms"),
    number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    # One index for two ends: one conversion of each type stands for a customer, and everything that they did is
    # found.
    UniqueConstraint("merchant_id", "email_key", "identity"),
    UniqueConstraint("merchant_id", "order_key"),
    CheckConstraint("revenue_minor >= 0 AND commission_minor >= 0", name="amounts"),
    CheckConstraint("decision IN ('pending', 'pending_review', 'approved', 'rejected')", name="decision"),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
)

# Why it was decided so: the record of each conversion, beside the hot table.
decisions = table(
    "decisions",
    merchant(),
    text_column("conversion_id"),
    text_column("record"),
    PrimaryKeyConstraint("merchant_id", "conversion_id"),
)

# When an affiliate's n-th conversion was accepted, for limits; kept for as long as these look back. By day, so that
# what is looked up lies together however many came before.
acceptances = table(
    "acceptances",
    merchant(),
    number("day"),
    text_column("affiliate_id"),
    text_column("mode"),
    text_column("counts"),  # accepted | verified
    number("no"),
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "day", "affiliate_id", "mode", "counts", "no"),
    sqlite_with_rowid=False,
)

# Who else was seen under the same fingerprint lately (`core.fraud.sightings`).
sightings = table(
    "sightings",
    merchant(),
    text_column("key"),
    number("at_ms"),
    text_column("customer_key"),  # whose it is; of a confirmed fraud, the conversion
    PrimaryKeyConstraint("merchant_id", "key", "at_ms", "customer_key"),
    sqlite_with_rowid=False,
)

attempts = table(
    "attempts",
    merchant(),
    text_column("id"),
    text_column("program_id", nullable=True),
    text_column("affiliate_id", nullable=True),
    text_column("mode"),
    flag("verified"),
    text_column("code"),  # core.refusals.Reason
    text_column("input"),  # JSON: the request's fields without its key
    text_column("record"),  # JSON: the decision
    text_column("request_id"),
    text_column("conversion_id", nullable=True),  # what it was accepted as
    number("at_ms"),
    number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

# Unverified attempts by program and hour: kept one by one up to a ceiling, counted beyond it.
attempt_hours = table(
    "attempt_hours",
    merchant(),
    text_column("program_id"),  # '' where the program is unknown
    text_column("mode"),
    number("hour_ms"),
    number("kept"),
    number("counted"),
    PrimaryKeyConstraint("merchant_id", "program_id", "mode", "hour_ms"),
)

# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────

# An entry moves one amount from one account to another: it balances by construction.
entries = table(
    "entries",
    merchant(),
    text_column("cause"),  # the event that caused it
    text_column("kind"),
    number("line"),
    text_column("program_id"),
    text_column("affiliate_id"),
    text_column("mode"),
    text_column("currency"),
    text_column("conversion_id"),
    text_column("debit"),  # the account the amount leaves
    text_column("credit"),  # the account it reaches
    number("amount_minor"),
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "cause", "kind", "line"),
    Index(None, "merchant_id", "conversion_id"),
    CheckConstraint("amount_minor > 0 AND debit <> credit", name="moves"),
    sqlite_with_rowid=False,
)

# Where an affiliate stands, in one mode: what the accounts hold and how many conversions were accepted.
standings = table(
    "standings",
    merchant(),
    text_column("affiliate_id"),
    text_column("mode"),
    text_column("program_id"),
    text_column("currency"),
    number("accepted_count"),
    number("verified_count"),
    number("last_accepted_ms"),
    *(number(f"{account}_minor") for account in ACCOUNTS),
    PrimaryKeyConstraint("merchant_id", "affiliate_id", "mode"),
    CheckConstraint(" + ".join(f"{account}_minor" for account in ACCOUNTS) + " = 0", name="balanced"),
    CheckConstraint(
        "pending_minor >= 0 AND held_minor >= 0 AND in_payout_minor >= 0 AND dispute_reserve_minor >= 0",
        name="not_negative",
    ),
)

# ── what happened, and what was promised ─────────────────────────────────────────────────────────────────────────

events = table(
    "events",
    merchant(),
    text_column("id"),
    text_column("type"),
    text_column("mode"),
    text_column("subject_id"),
    text_column("data"),
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

idempotency = table(
    "idempotency",
    merchant(),
    text_column("key"),
    text_column("body_key"),
    number("status"),
    text_column("answer"),
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "key"),
)

audit = table(
    "audit",
    merchant(),
    text_column("id"),
    text_column("actor"),  # an API key's id, or `cli`
    text_column("mode"),
    text_column("action"),
    text_column("subject_id"),
    text_column("changes"),  # JSON
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

# Rows that are never changed or removed; the migration guards them with triggers.
APPEND_ONLY = (entries, events, audit)
ROUTING = (api_key_routes, slug_routes, door_counts)
