"""What the ledger keeps besides: shares, months, versions of terms, refunds, disputes, payouts, seals.

Written out, not taken from `store.schema`: history does not change when the schema does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

OF_MERCHANTS = ("shares", "months", "terms", "refunds", "disputes", "payouts", "payout_items", "seals")


def upgrade() -> None:
    _columns()
    _earned()
    _first_versions()
    _refunds_and_disputes()
    _payouts()
    _table(
        "seals",
        _text("merchant_id"),
        _number("no"),
        _text("until_cause"),
        _number("entries"),
        _text("hash"),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "no", name="pk_seals"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in OF_MERCHANTS:
            _wall(table)


def _columns() -> None:
    op.add_column("merchants", _number("sealed_ms", server_default="0"))
    op.add_column("programs", _text("terms_id", nullable=True))
    op.add_column("programs", _text("recruiter", nullable=True))
    op.add_column("programs", _number("hold_days", server_default="0"))
    op.add_column("programs", _number("approve_days", nullable=True))
    op.add_column("programs", _number("payout_minimum_minor", server_default="0"))
    op.add_column("programs", _text("time_zone", server_default="UTC"))
    op.add_column("affiliates", _text("terms_id", nullable=True))
    op.add_column("affiliates", _text("recruiter_id", nullable=True))
    op.add_column("entries", _text("payout_id", nullable=True))
    for name in ("hold_until_ms", "matures_ms", "approves_ms"):
        op.add_column("conversions", _number(name, nullable=True))
    for index, column, words in (
        ("maturing", "matures_ms", "matures_ms IS NOT NULL"),
        ("approving", "approves_ms", "approves_ms IS NOT NULL"),
        ("released", "order_id", "order_key IS NULL AND order_id IS NOT NULL"),
    ):
        few = sa.text(words)
        op.create_index(
            f"ix_conversions_{index}",
            "conversions",
            ["merchant_id", column],
            sqlite_where=few,
            postgresql_where=few,
        )


def _earned() -> None:
    _table(
        "shares",
        _text("merchant_id"),
        _text("conversion_id"),
        _text("affiliate_id"),
        _text("terms"),
        _number("commission_minor"),
        sa.PrimaryKeyConstraint("merchant_id", "conversion_id", "affiliate_id", name="pk_shares"),
        sa.CheckConstraint("commission_minor >= 0", name="ck_shares_amount"),
    )
    _table(
        "months",
        _text("merchant_id"),
        _text("affiliate_id"),
        _text("mode"),
        _text("type"),
        _number("month"),
        _text("counts"),
        _number("conversions"),
        _number("revenue_minor"),
        _number("commission_minor"),
        sa.PrimaryKeyConstraint(
            "merchant_id", "affiliate_id", "mode", "type", "month", "counts", name="pk_months"
        ),
    )
    _table(
        "terms",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("affiliate_id", nullable=True),
        _number("version"),
        _text("document"),
        _number("created_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_terms"),
    )


def _first_versions() -> None:
    """The terms that programs and affiliates have by now, as their version 1. Ids keep the time of their holders'."""
    program = (
        """'{"currency":"' || currency || '","commission":' || commission || ',"repeat_purchases":' """
        """|| repeat_purchases || ',"recruiter"\\:null,"hold_days"\\:0,"approve_days"\\:null,"time_zone":"UTC"}'"""
    )
    for table, program_id, affiliate_id, document in (
        ("programs", "id", "NULL", program),
        ("affiliates", "program_id", "id", """'{"commission":' || commission || '}'"""),
    ):
        version_id = "'terms_' || substr(id, strpos(id, '_') + 1)"
        if op.get_bind().dialect.name == "sqlite":
            version_id = "'terms_' || substr(id, instr(id, '_') + 1)"
        op.execute(f"UPDATE {table} SET terms_id = {version_id} WHERE commission IS NOT NULL")
        op.execute(
            "INSERT INTO terms (merchant_id, id, program_id, affiliate_id, version, document, created_ms) "
            f"SELECT merchant_id, terms_id, {program_id}, {affiliate_id}, 1, {document}, created_ms "
            f"FROM {table} WHERE terms_id IS NOT NULL"
        )


def _refunds_and_disputes() -> None:
    _table(
        "refunds",
        _text("merchant_id"),
        _text("mode"),
        _text("id"),
        _text("conversion_id"),
        _number("amount_minor"),
        sa.Column("is_whole", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _text("reason", nullable=True),
        _number("at_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_refunds"),
        sa.CheckConstraint("amount_minor >= 0", name="ck_refunds_amount"),
    )
    _table(
        "disputes",
        _text("merchant_id"),
        _text("mode"),
        _text("id"),
        _text("conversion_id"),
        _text("status"),
        _text("reason", nullable=True),
        _number("at_ms"),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "mode", "id", name="pk_disputes"),
        sa.CheckConstraint("status IN ('open', 'won', 'lost')", name="ck_disputes_status"),
    )
    for table in ("refunds", "disputes"):
        op.create_index(f"ix_{table}_merchant_id_conversion_id", table, ["merchant_id", "conversion_id"])
    # What was reported before refunds and disputes had rows of their own; ids as the service makes them.
    op.execute(
        "INSERT INTO refunds (merchant_id, mode, id, conversion_id, amount_minor, is_whole, reason, at_ms) "
        "SELECT merchant_id, mode, 'ref_' || substr(id, 6), id, refunded_minor, refunded, NULL, updated_ms "
        "FROM conversions WHERE CAST(refunded AS INTEGER) = 1"
    )
    op.execute(
        "INSERT INTO disputes (merchant_id, mode, id, conversion_id, status, reason, at_ms, updated_ms) "
        "SELECT merchant_id, mode, 'dis_' || substr(id, 6), id, dispute, NULL, updated_ms, updated_ms "
        "FROM conversions WHERE dispute IS NOT NULL"
    )


def _payouts() -> None:
    _table(
        "payouts",
        _text("merchant_id"),
        _text("id"),
        _text("program_id"),
        _text("mode"),
        _text("currency"),
        _text("status"),
        _number("until_ms"),
        _number("minimum_minor"),
        _number("amount_minor"),
        _number("created_ms"),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="pk_payouts"),
        sa.CheckConstraint("status IN ('open', 'completed', 'cancelled')", name="ck_payouts_status"),
    )
    _table(
        "payout_items",
        _text("merchant_id"),
        _text("payout_id"),
        _text("affiliate_id"),
        _number("amount_minor"),
        _text("status"),
        _text("reason", nullable=True),
        _text("reference", nullable=True),
        _number("updated_ms"),
        sa.PrimaryKeyConstraint("merchant_id", "payout_id", "affiliate_id", name="pk_payout_items"),
        sa.CheckConstraint("amount_minor > 0", name="ck_payout_items_amount"),
        sa.CheckConstraint(
            "status IN ('pending', 'paid', 'failed', 'cancelled')", name="ck_payout_items_status"
        ),
    )


def _table(name: str, *parts) -> None:
    op.create_table(name, *parts, sqlite_strict=True)


def _text(name: str, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, **options)


def _number(name: str, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=nullable, **options)


def _wall(table: str) -> None:
    """Only rows of the merchants that the transaction names, as for the tables of the foundation."""
    named = "(SELECT string_to_array(current_setting('refledger.merchants', true), ','))"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY merchants ON {table} "
        f"USING (merchant_id = ANY (CAST({named} AS text[])) OR '*' = ANY (CAST({named} AS text[])))"
    )
