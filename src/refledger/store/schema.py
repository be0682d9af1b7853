"""Every table, once, for both engines.

`merchant_id` leads every primary key, unique key and index, so that the same schema can be spread by merchant;
the routing tables (`api_key_routes`, `slug_routes`) and the installation's own counters are the exceptions, and hold
only what leads to a merchant. Ids are made by the application and are time-ordered. Times are integer milliseconds
since the epoch, UTC (`…_ms`); money is integer minor units (`…_minor`); `…_key` columns are fingerprints
(`core.fingerprints`), fixed-width stand-ins for wide or personal text; JSON is stored as text and read by its caller.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Number = BigInteger().with_variant(Integer(), "sqlite")
Flag = Boolean().with_variant(Integer(), "sqlite")

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


def _table(name: str, *parts, **options) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True, **options)


def _text(name: str, **options) -> Column:
    return Column(name, Text, nullable=options.pop("nullable", False), **options)


def _number(name: str, **options) -> Column:
    return Column(name, Number, nullable=options.pop("nullable", False), **options)


def _flag(name: str, **options) -> Column:
    return Column(name, Flag, nullable=False, **options)


def _merchant() -> Column:
    return _text("merchant_id")


# ── routing: what leads to a merchant ────────────────────────────────────────────────────────────────────────────

api_key_routes = _table(
    "api_key_routes", _text("key_hash", primary_key=True), _text("merchant_id"), _text("key_id")
)
slug_routes = _table(
    "slug_routes", _text("slug", primary_key=True), _text("merchant_id"), _text("program_id")
)

# Answers given before a merchant is known (bad bodies, bad keys), counted for `doctor`.
door_counts = _table(
    "door_counts",
    _number("hour_ms"),
    _text("code"),
    _number("answers"),
    PrimaryKeyConstraint("hour_ms", "code"),
)

# ── the merchant and what they set up ────────────────────────────────────────────────────────────────────────────

merchants = _table(
    "merchants",
    _text("merchant_id", primary_key=True),
    _text("name"),
    _text("fingerprint_key"),  # hex; keys every fingerprint of this merchant's data
    _number("lists_version", server_default="0"),  # rises with each change of `list_entries`
    _number("created_ms"),
)

api_keys = _table(
    "api_keys",
    _merchant(),
    _text("id"),
    _text("kind"),  # publishable | secret
    _text("mode"),  # live | test
    _text("hint"),  # prefix and last four characters
    _text("key_hash"),
    _text("label", server_default=""),
    _number("created_ms"),
    _number("revoked_ms", nullable=True),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("kind IN ('publishable', 'secret')", name="kind"),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
)

programs = _table(
    "programs",
    _merchant(),
    _text("id"),
    _text("name"),
    _text("slug"),
    _text("currency"),
    _text("site_url"),
    _text("allowed_hosts"),  # JSON list of hosts that /r/ may send visitors to, besides the site's own
    _text("allowed_origins"),  # JSON list; empty: any origin
    _number("window_days"),
    _text("commission"),  # JSON terms: {"purchase": {"type", "value"}, "signup": {...}}
    _text("repeat_purchases"),  # JSON: "first" | "lifetime" | {"months": N}
    _number("limit_hourly"),
    _number("limit_daily"),
    _text("attribution"),  # last | first
    _number("max_revenue_minor"),
    _text("policy_id", nullable=True),  # the overrides in force; none: the default policy
    _text("status"),  # active | paused | archived
    _number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

affiliates = _table(
    "affiliates",
    _merchant(),
    _text("id"),
    _text("program_id"),
    _text("email"),
    _text("name"),
    _text("ref_code"),
    _text("code_key"),
    _text("status"),  # active | paused | banned
    _number("limit_hourly", nullable=True),
    _number("limit_daily", nullable=True),
    _text("commission", nullable=True),  # JSON terms of their own
    _text("known_addresses"),  # JSON list of address text
    _text("policy_id", nullable=True),
    _number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "code_key"),
    Index(None, "merchant_id", "program_id", "id"),
)

coupons = _table(
    "coupons",
    _merchant(),
    _text("id"),
    _text("program_id"),
    _text("affiliate_id"),
    _text("code"),
    _text("code_key"),
    _number("starts_ms", nullable=True),
    _number("ends_ms", nullable=True),
    _flag("active"),
    _number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "code_key"),
    Index(None, "merchant_id", "program_id", "id"),
)

policies = _table(
    "policies",
    _merchant(),
    _text("id"),
    _text("program_id"),
    _text("affiliate_id", nullable=True),
    _number("version"),  # 1, 2, … within the program or the affiliate
    _text("document"),  # JSON overrides
    _number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

list_entries = _table(
    "list_entries",
    _merchant(),
    _text("id"),
    _text("program_id", nullable=True),  # none: all of the merchant's programs
    _text("action"),  # allow | block
    _text("kind"),  # mailbox | domain | address_range | affiliate
    _text("value"),
    _text("note", server_default=""),
    _number("expires_ms", nullable=True),
    _number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

# ── clicks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _click_columns():
    return (
        _merchant(),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("source"),  # link (the redirect) | page (track-click)
        _text("address_key"),  # of affiliate, mode and address unit
        _text("agent_key"),
        _text("address", nullable=True),
        _text("agent", nullable=True),
        _text("url", nullable=True),
        _text("referrer", nullable=True),
        _text("sub_id", nullable=True),
        _text("dest", nullable=True),  # Sec-Fetch-Dest
        _number("at_ms"),
        PrimaryKeyConstraint("merchant_id", "id"),
    )


clicks = _table("clicks", *_click_columns(), Index(None, "merchant_id", "address_key", "at_ms"))

# Crawlers and prefetches: kept apart, so that no query for attribution can meet them.
automated_clicks = _table("automated_clicks", *_click_columns(), _text("why"))

# ── conversions ──────────────────────────────────────────────────────────────────────────────────────────────────

conversions = _table(
    "conversions",
    _merchant(),
    _text("id"),
    _text("program_id"),
    _text("affiliate_id"),
    _text("mode"),
    _text("type"),  # signup | purchase
    _text("status"),  # what is shown: see core.conversions.shown_status
    _text("decision"),  # the merchant's: pending | pending_review | approved | rejected
    _text("initial"),  # pending | pending_review: what a reopened conversion returns to
    _text("decision_reason", nullable=True),
    _flag("verified"),
    _text("via"),  # ref_code | coupon | first
    _text("ref_code", nullable=True),
    _text("coupon_id", nullable=True),
    _text("email"),
    _text("email_key"),
    _text("mailbox_key"),
    _text("identity_key", nullable=True),  # held while the conversion stands, released by a rejection
    _text("order_key", nullable=True),  # likewise
    _text("order_id", nullable=True),
    _text("customer_id", nullable=True),
    _number("revenue_minor"),
    _text("currency"),
    _number("commission_minor"),
    _flag("refunded"),
    _number("refunded_minor"),
    _text("dispute", nullable=True),  # open | won | lost
    _number("score"),
    _text("address", nullable=True),
    _text("agent", nullable=True),
    _text("click_id", nullable=True),
    _text("metadata", nullable=True),
    _text("attempt_id", nullable=True),
    _number(
        "accepted_no", nullable=True
    ),  # the affiliate's n-th accepted, for limits; none: counts towards none
    _number("verified_no", nullable=True),  # the n-th verified one
    _number("at_ms"),
    _number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "identity_key"),
    UniqueConstraint("merchant_id", "order_key"),
    Index(None, "merchant_id", "mailbox_key"),
    Index("uq_conversions_accepted_no", "merchant_id", "affiliate_id", "mode", "accepted_no", unique=True),
    Index(
        "uq_conversions_verified_no",
        "merchant_id",
        "affiliate_id",
        "mode",
        "verified_no",
        unique=True,
        sqlite_where=text("verified_no IS NOT NULL"),
        postgresql_where=text("verified_no IS NOT NULL"),
    ),
    CheckConstraint("revenue_minor >= 0 AND commission_minor >= 0", name="amounts"),
    CheckConstraint("decision IN ('pending', 'pending_review', 'approved', 'rejected')", name="decision"),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
)

# Why it was decided so: the record of each conversion, beside the hot table.
decisions = _table(
    "decisions",
    _merchant(),
    _text("conversion_id"),
    _text("record"),
    PrimaryKeyConstraint("merchant_id", "conversion_id"),
)

# Who else was seen under the same fingerprint lately (`core.fraud.sightings`).
sightings = _table(
    "sightings",
    _merchant(),
    _text("key"),
    _number("at_ms"),
    _text("subject_id"),  # the conversion
    _text("customer_key"),
    PrimaryKeyConstraint("merchant_id", "key", "at_ms", "subject_id"),
    sqlite_with_rowid=False,
)

attempts = _table(
    "attempts",
    _merchant(),
    _text("id"),
    _text("program_id", nullable=True),
    _text("affiliate_id", nullable=True),
    _text("mode"),
    _flag("verified"),
    _text("code"),  # core.refusals.Reason
    _text("input"),  # JSON: the request's fields without its key
    _text("record"),  # JSON: the decision
    _text("request_id"),
    _text("conversion_id", nullable=True),  # what it was accepted as
    _number("at_ms"),
    _number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

# Unverified attempts by program and hour: kept one by one up to a ceiling, counted beyond it.
attempt_hours = _table(
    "attempt_hours",
    _merchant(),
    _text("program_id"),  # '' where the program is unknown
    _text("mode"),
    _number("hour_ms"),
    _number("kept"),
    _number("counted"),
    PrimaryKeyConstraint("merchant_id", "program_id", "mode", "hour_ms"),
)

# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────

# An entry moves one amount from one account to another: it balances by construction.
entries = _table(
    "entries",
    _merchant(),
    _text("cause"),  # the event that caused it
    _text("kind"),
    _number("line"),
    _text("program_id"),
    _text("affiliate_id"),
    _text("mode"),
    _text("currency"),
    _text("conversion_id"),
    _text("debit"),  # the account the amount leaves
    _text("credit"),  # the account it reaches
    _number("amount_minor"),
    _number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "cause", "kind", "line"),
    Index(None, "merchant_id", "conversion_id"),
    CheckConstraint("amount_minor > 0 AND debit <> credit", name="moves"),
    sqlite_with_rowid=False,
)

# Where an affiliate stands, in one mode: what the accounts hold and how many conversions were accepted.
standings = _table(
    "standings",
    _merchant(),
    _text("affiliate_id"),
    _text("mode"),
    _text("program_id"),
    _text("currency"),
    _number("accepted_count"),
    _number("verified_count"),
    _number("last_accepted_ms"),
    *(_number(f"{account}_minor") for account in ACCOUNTS),
    PrimaryKeyConstraint("merchant_id", "affiliate_id", "mode"),
    CheckConstraint(" + ".join(f"{account}_minor" for account in ACCOUNTS) + " = 0", name="balanced"),
    CheckConstraint(
        "pending_minor >= 0 AND held_minor >= 0 AND in_payout_minor >= 0 AND dispute_reserve_minor >= 0",
        name="not_negative",
    ),
)

# ── what happened, and what was promised ─────────────────────────────────────────────────────────────────────────

events = _table(
    "events",
    _merchant(),
    _text("id"),
    _text("type"),
    _text("mode"),
    _text("subject_id"),
    _text("data"),
    _number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

idempotency = _table(
    "idempotency",
    _merchant(),
    _text("key"),
    _text("body_key"),
    _number("status"),
    _text("answer"),
    _number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "key"),
)

audit = _table(
    "audit",
    _merchant(),
    _text("id"),
    _text("actor"),  # an API key's id, or `cli`
    _text("mode"),
    _text("action"),
    _text("subject_id"),
    _text("changes"),  # JSON
    _number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

# Rows that are never changed or removed; the migration guards them with triggers.
APPEND_ONLY = (entries, events, audit)
ROUTING = (api_key_routes, slug_routes, door_counts)
