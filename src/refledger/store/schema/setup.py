"""What leads to a merchant, and what merchants set up."""

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint

from refledger.store.columns import flag, merchant, number, table, text_column

# ── routing: what leads to a merchant ────────────────────────────────────────────────────────────

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

# ── the merchant and what they set up ────────────────────────────────────────────────────────────

merchants = table(
    "merchants",
    text_column("merchant_id", primary_key=True),
    text_column("name"),
    text_column("fingerprint_key"),  # hex; keys every fingerprint of this merchant's data
    number("setup_version", server_default="0"),  # rises with each change of a program, affiliate or coupon
    number("lists_version", server_default="0"),  # rises with each change of `list_entries`
    number("created_ms"),
    number(
        "sealed_ms", server_default="0"
    ),  # entries up to this time are sealed: no event is dated before it any more
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
    text_column("terms_id", nullable=True),  # the version of the terms in force
    text_column("recruiter", nullable=True),  # JSON: {"value", "most"}, what recruiters earn; none: nothing
    number("hold_days", server_default="0"),  # how long after the sale an approved commission is held
    number("approve_days", nullable=True),  # after how many days a verified pending one is approved by itself
    number("payout_minimum_minor", server_default="0"),
    text_column("time_zone", server_default="UTC"),  # of its months and periods; a name of the IANA database
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
    text_column("terms_id", nullable=True),
    text_column("recruiter_id", nullable=True),  # the affiliate who earns a share of what this one earns
    text_column("seen_addresses", server_default="[]"),  # JSON: [[address, last seen in ms, where], …]
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
