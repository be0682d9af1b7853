"""The tables of the foundation, and the guards of what may only be added to.

Written out, not taken from `store.schema`: history does not change when the schema does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

APPEND_ONLY = ("entries", "events", "audit")
OF_MERCHANTS = (
    "merchants",
    "api_keys",
    "programs",
    "affiliates",
    "coupons",
    "policies",
    "list_entries",
    "clicks",
    "automated_clicks",
    "conversions",
    "decisions",
    "acceptances",
    "sightings",
    "attempts",
    "attempt_hours",
    "entries",
    "standings",
    "events",
    "idempotency",
    "audit",
)


def upgrade() -> None:
    _routing()
    _programs()
    _clicks()
    _conversions()
    _attempts()
    _money()
    _events()
    for table in APPEND_ONLY:
        _guard(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in OF_MERCHANTS:
            _wall(table)


def _table(name: str, *parts, **options) -> None:
    op.create_table(name, *parts, sqlite_strict=True, **options)


def _text(name: str, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, **options)


def _number(name: str, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=nullable, **options)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _routing() -> None:
    _table(
        "api_key_routes",
        _text("key_hash"),
        _text("merchant_id"),
        _text("key_id"),
        sa.PrimaryKeyConstraint("key_hash", name="pk_api_key_routes"),
    )
    _table(
        "slug_routes",
        _text("slug"),
        _text("merchant_id"),
        _text("program_id"),
        sa.PrimaryKeyConstraint("slug", name="pk_slug_routes"),
    )
    _table(
        "door_counts",
        _number("hour_ms"),
        _text("code"),
        _number("answers"),
        sa.PrimaryKeyConstraint("hour_ms", "code", name="pk_door_counts"),
    )
    _table(
        "merchants",
        _text("merchant_id"),
        _text("name"),
        _text("fingerprint_key"),
        _number("setup_version", server_default="0"),
        _number("lists_version", server_default="0"),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_merchants"),
    )
    _table(
        "api_keys",
        _text("merchant_id"),
        _text("id"),
        _text("kind"),
        _text("mode"),
        _text("hint"),
        _text("key_hash"),
        _text("label", server_default=""),
        _number("created_ms"),
        _number("revoked_ms", nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_api_keys"),
        sa.CheckConstraint("kind IN ('publishable', 'secret')", name="ck_api_keys_kind"),
        sa.CheckConstraint("mode IN ('live', 'test')", name="ck_api_keys_mode"),
    )


def _programs() -> None:
    _table(
        "programs",
        _text("merchant_id"),
        _text("id"),
        _text("name"),
        _text("slug"),
        _text("currency"),
        _text("site_url"),
        _text("allowed_hosts"),
        _text("allowed_origins"),
        _number("window_days"),
        _text("commission"),
        _text("repeat_purchases"),
        _number("limit_hourly"),
        _number("limit_daily"),
        _text("attribution"),
        _number("max_revenue_minor"),
        _text("policy_id", nullable=True),
        _text("status"),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_programs"),
    )
    _table(
        "affiliates",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("email"),
        _text("name"),
        _text("ref_code"),
        _text("code_key"),
        _text("status"),
        _number("limit_hourly", nullable=True),
        _number("limit_daily", nullable=True),
        _text("commission", nullable=True),
        _text("known_addresses"),
        _text("policy_id", nullable=True),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_affiliates"),
        sa.UniqueConstraint("merchant_id", "code_key", name="uq_affiliates_merchant_id_code_key"),
    )
    op.create_index(
        "ix_affiliates_merchant_id_program_id_id", "affiliates", ["merchant_id", "program_id", "id"]
    )
    _table(
        "coupons",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id"),
        _text("code"),
        _text("code_key"),
        _number("starts_ms", nullable=True),
        _number("ends_ms", nullable=True),
        _flag("active"),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_coupons"),
        sa.UniqueConstraint("merchant_id", "code_key", name="uq_coupons_merchant_id_code_key"),
    )
    op.create_index("ix_coupons_merchant_id_program_id_id", "coupons", ["merchant_id", "program_id", "id"])
    _table(
        "policies",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id", nullable=True),
        _number("version"),
        _text("document"),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_policies"),
    )
    _table(
        "list_entries",
        _text("merchant_id"),
        _text("id"),
        _text("program_id", nullable=True),
        _text("action"),
        _text("kind"),
        _text("value"),
        _text("note", server_default=""),
        _number("expires_ms", nullable=True),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_list_entries"),
    )


def _clicks() -> None:
    _table(
        "clicks",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("source"),
        _text("address_key"),
        _text("agent_key"),
        _text("address", nullable=True),
        _text("agent", nullable=True),
        _text("url", nullable=True),
        _text("referrer", nullable=True),
        _text("sub_id", nullable=True),
        _text("dest", nullable=True),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_clicks"),
    )
    op.create_index(
        "ix_clicks_merchant_id_address_key_at_ms", "clicks", ["merchant_id", "address_key", "at_ms"]
    )
    _table(
        "automated_clicks",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("source"),
        _text("address_key"),
        _text("agent_key"),
        _text("address", nullable=True),
        _text("agent", nullable=True),
        _text("url", nullable=True),
        _text("referrer", nullable=True),
        _text("sub_id", nullable=True),
        _text("dest", nullable=True),
        _number("at_ms"),
        _text("why"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_automated_clicks"),
    )


def _conversions() -> None:
    _table(
        "conversions",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("type"),
        _text("status"),
        _text("decision"),
        _text("initial"),
        _text("decision_reason", nullable=True),
        _flag("verified"),
        _text("via"),
        _text("ref_code", nullable=True),
        _text("coupon_id", nullable=True),
        _text("email"),
        _text("email_key"),
        _text("identity", nullable=True),
        _text("order_key", nullable=True),
        _text("order_id", nullable=True),
        _text("customer_id", nullable=True),
        _number("revenue_minor"),
        _text("currency"),
        _number("commission_minor"),
        _flag("refunded"),
        _number("refunded_minor"),
        _text("dispute", nullable=True),
        _number("score"),
        _text("address", nullable=True),
        _text("agent", nullable=True),
        _text("click_id", nullable=True),
        _text("metadata", nullable=True),
        _text("attempt_id", nullable=True),
        _number("accepted_no", nullable=True),
        _number("verified_no", nullable=True),
        _number("at_ms"),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_conversions"),
        sa.CheckConstraint("revenue_minor >= 0 AND commission_minor >= 0", name="ck_conversions_amounts"),
        sa.CheckConstraint(
            "decision IN ('pending', 'pending_review', 'approved', 'rejected')",
            name="ck_conversions_decision",
        ),
        sa.CheckConstraint("mode IN ('live', 'test')", name="ck_conversions_mode"),
        sa.UniqueConstraint(
            "merchant_id",
            "email_key",
            "identity",
            name="uq_conversions_merchant_id_email_key_identity",
        ),
        sa.UniqueConstraint("merchant_id", "order_key", name="uq_conversions_merchant_id_order_key"),
    )
    _table(
        "decisions",
        _text("merchant_id"),
        _text("conversion_id"),
        _text("record"),
        sa.PrimaryKeyConstraint("merchant_id", "conversion_id", name="pk_decisions"),
    )
    _table(
        "acceptances",
        _text("merchant_id"),
        _number("day"),
        _text("affiliate_id"),
        _text("mode"),
        _text("counts"),
        _number("no"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint(
            "merchant_id", "day", "affiliate_id", "mode", "counts", "no", name="pk_acceptances"
        ),
        sqlite_with_rowid=False,
    )
    _table(
        "sightings",
        _text("merchant_id"),
        _text("key"),
        _number("at_ms"),
        _text("customer_key"),
        sa.PrimaryKeyConstraint("merchant_id", "key", "at_ms", "customer_key", name="pk_sightings"),
        sqlite_with_rowid=False,
    )


def _attempts() -> None:
    _table(
        "attempts",
        _text("merchant_id"),
        _text("id"),
        _text("program_id", nullable=True),
        _text("affiliate_id", nullable=True),
        _text("mode"),
        _flag("verified"),
        _text("code"),
        _text("input"),
        _text("record"),
        _text("request_id"),
        _text("conversion_id", nullable=True),
        _number("at_ms"),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_attempts"),
    )
    _table(
        "attempt_hours",
        _text("merchant_id"),
        _text("program_id"),
        _text("mode"),
        _number("hour_ms"),
        _number("kept"),
        _number("counted"),
        sa.PrimaryKeyConstraint("merchant_id", "program_id", "mode", "hour_ms", name="pk_attempt_hours"),
    )
    _table(
        "idempotency",
        _text("merchant_id"),
        _text("key"),
        _text("body_key"),
        _number("status"),
        _text("answer"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "key", name="pk_idempotency"),
    )


def _money() -> None:
    _table(
        "entries",
        _text("merchant_id"),
        _text("cause"),
        _text("kind"),
        _number("line"),
        _text("program_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("currency"),
        _text("conversion_id"),
        _text("debit"),
        _text("credit"),
        _number("amount_minor"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "cause", "kind", "line", name="pk_entries"),
        sa.CheckConstraint("amount_minor > 0 AND debit <> credit", name="ck_entries_moves"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_entries_merchant_id_conversion_id", "entries", ["merchant_id", "conversion_id"])
    _table(
        "standings",
        _text("merchant_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("program_id"),
        _text("currency"),
        _number("accepted_count"),
        _number("verified_count"),
        _number("last_accepted_ms"),
        _number("pending_minor"),
        _number("held_minor"),
        _number("payable_minor"),
        _number("in_payout_minor"),
        _number("paid_minor"),
        _number("dispute_reserve_minor"),
        _number("expense_minor"),
        _number("clawback_loss_minor"),
        sa.PrimaryKeyConstraint("merchant_id", "affiliate_id", "mode", name="pk_standings"),
        sa.CheckConstraint(
            "pending_minor + held_minor + payable_minor + in_payout_minor + paid_minor + "
            "dispute_reserve_minor + expense_minor + clawback_loss_minor = 0",
            name="ck_standings_balanced",
        ),
        sa.CheckConstraint(
            "pending_minor >= 0 AND held_minor >= 0 AND in_payout_minor >= 0 AND dispute_reserve_minor >= 0",
            name="ck_standings_not_negative",
        ),
    )


def _events() -> None:
    _table(
        "events",
        _text("merchant_id"),
        _text("id"),
        _text("type"),
        _text("mode"),
        _text("subject_id"),
        _text("data"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_events"),
    )
    _table(
        "audit",
        _text("merchant_id"),
        _text("id"),
        _text("actor"),
        _text("mode"),
        _text("action"),
        _text("subject_id"),
        _text("changes"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_audit"),
    )


def _guard(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} may only be added to'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' may only be added to'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _wall(table: str) -> None:
    """Only rows of the merchants that the transaction names (`store.engine.see`). The table's owner passes by it."""
    named = "(SELECT string_to_array(current_setting('refledger.merchants', true), ','))"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY merchants ON {table} "
        f"USING (merchant_id = ANY (CAST({named} AS text[])) OR '*' = ANY (CAST({named} AS text[])))"
    )
