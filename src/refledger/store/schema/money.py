"""What is owed: entries, and where each affiliate stands."""

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint

from refledger.store.columns import merchant, number, table, text_column

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
