"""What the fraud engine keeps besides: findings, whereabouts, addresses of affiliates, keys of attempts.

Written out, not taken from `store.schema`: history does not change when the schema does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("conversions", sa.Column("leading_code", sa.Text()))
    op.add_column("affiliates", sa.Column("seen_addresses", sa.Text(), nullable=False, server_default="[]"))
    for name in ("email_key", "order_key"):
        op.add_column("attempts", sa.Column(name, sa.Text()))
    held = sa.text("decision = 'pending_review'")
    op.create_index(
        "ix_conversions_held",
        "conversions",
        ["merchant_id", "id"],
        sqlite_where=held,
        postgresql_where=held,
    )
    _findings()
    _whereabouts()
    op.create_table(
        "housekeeping_marks",
        _text("merchant_id"),
        _text("kind"),
        _text("until_id"),
        sa.PrimaryKeyConstraint("merchant_id", "kind", name="pk_housekeeping_marks"),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("findings", "whereabouts", "housekeeping_marks"):
            _wall(table)


def _findings() -> None:
    op.create_table(
        "findings",
        _text("merchant_id"),
        _text("code"),
        _text("conversion_id"),
        _text("program_id"),
        _text("mode"),
        _text("effect"),
        _number("points"),
        sa.PrimaryKeyConstraint("merchant_id", "code", "conversion_id", name="pk_findings"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _whereabouts() -> None:
    op.create_table(
        "whereabouts",
        _text("merchant_id"),
        _text("mailbox_key"),
        _number("at_ms"),
        _number("latitude_mdeg"),
        _number("longitude_mdeg"),
        _number("radius_km"),
        sa.Column("masked", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "mailbox_key", "at_ms", name="pk_whereabouts"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _wall(table: str) -> None:
    """Only rows of the merchants that the transaction names, as for the tables of the foundation."""
    named = "(SELECT string_to_array(current_setting('refledger.merchants', true), ','))"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY merchants ON {table} "
        f"USING (merchant_id = ANY (CAST({named} AS text[])) OR '*' = ANY (CAST({named} AS text[])))"
    )
