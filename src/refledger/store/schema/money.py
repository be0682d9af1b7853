"""What is owed: entries, and where each affiliate stands."""

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint

from refledger.store.columns import flag, merchant, number, table, text_column

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
    text_column("conversion_id"),  # '' where a payout moves what many conversions earned
    text_column("debit"),  # the account the amount leaves
    text_column("credit"),  # the account it reaches
    number("amount_minor"),
    number("at_ms"),
    text_column("payout_id", nullable=True),
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

# What a recruiter earns of the conversions of an affiliate they recruited: a second commission of the same conversion.
shares = table(
    "shares",
    merchant(),
    text_column("conversion_id"),
    text_column("affiliate_id"),  # the recruiter
    text_column("terms"),  # JSON: what was agreed at that time, as in the conversion's record
    number("commission_minor"),
    PrimaryKeyConstraint("merchant_id", "conversion_id", "affiliate_id"),
    CheckConstraint("commission_minor >= 0", name="amount"),
)

# An affiliate's conversions of one type in a month of the program's time zone: what tiers, bonuses and caps look at.
# Kept where terms ask for it.
months = table(
    "months",
    merchant(),
    text_column("affiliate_id"),
    text_column("mode"),
    text_column("type"),
    number("month"),  # 202611; 0: of all months
    text_column("counts"),  # accepted | verified
    number("conversions"),
    number("revenue_minor"),
    number("commission_minor"),
    PrimaryKeyConstraint("merchant_id", "affiliate_id", "mode", "type", "month", "counts"),
)

# Every version of a program's or an affiliate's terms.
terms = table(
    "terms",
    merchant(),
    text_column("id"),
    text_column("program_id"),
    text_column("affiliate_id", nullable=True),
    number("version"),  # 1, 2, … within the program or the affiliate
    text_column("document"),  # JSON
    number("created_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
)

refunds = table(
    "refunds",
    merchant(),
    text_column("mode"),
    text_column("id"),  # the merchant's own, or the payment provider's
    text_column("conversion_id"),
    number("amount_minor"),
    flag("is_whole"),  # everything that was left
    text_column("reason", nullable=True),
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "mode", "id"),
    Index(None, "merchant_id", "conversion_id"),
    CheckConstraint("amount_minor >= 0", name="amount"),
)

disputes = table(
    "disputes",
    merchant(),
    text_column("mode"),
    text_column("id"),  # the merchant's own, or the payment provider's
    text_column("conversion_id"),
    text_column("status"),  # open | won | lost
    text_column("reason", nullable=True),
    number("at_ms"),
    number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "mode", "id"),
    Index(None, "merchant_id", "conversion_id"),
    CheckConstraint("status IN ('open', 'won', 'lost')", name="status"),
)

payouts = table(
    "payouts",
    merchant(),
    text_column("id"),
    text_column("program_id"),
    text_column("mode"),
    text_column("currency"),
    text_column("status"),  # open | completed | cancelled
    number("until_ms"),  # what was payable before this time
    number("minimum_minor"),
    number("amount_minor"),  # the sum of its items, frozen
    number("created_ms"),
    number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "id"),
    CheckConstraint("status IN ('open', 'completed', 'cancelled')", name="status"),
)

payout_items = table(
    "payout_items",
    merchant(),
    text_column("payout_id"),
    text_column("affiliate_id"),
    number("amount_minor"),
    text_column("status"),  # pending | paid | failed | cancelled
    text_column("reason", nullable=True),
    text_column("reference", nullable=True),  # the bank's or the payment provider's
    number("updated_ms"),
    PrimaryKeyConstraint("merchant_id", "payout_id", "affiliate_id"),
    CheckConstraint("amount_minor > 0", name="amount"),
    CheckConstraint("status IN ('pending', 'paid', 'failed', 'cancelled')", name="status"),
)

# The entries of a merchant up to a time, chained by hash: what is changed, removed or inserted behind it is found.
seals = table(
    "seals",
    merchant(),
    number("no"),  # 1, 2, …
    text_column("until_cause"),  # entries of causes up to this one, after the seal before
    number("entries"),
    text_column("hash"),  # of the hash before and of every entry
    number("at_ms"),
    PrimaryKeyConstraint("merchant_id", "no"),
)
