"""What comes in: clicks, conversions with what is kept of their decisions, attempts."""

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint, text

from refledger.store.columns import flag, merchant, number, table, text_column

# ── clicks ────────────────────────────────────────────────────────────


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

# ── conversions ────────────────────────────────────────────────────────────

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
    text_column("email"),  # '' once it was dropped
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
    text_column("leading_code", nullable=True),  # the signal that asked for the review
    number("hold_until_ms", nullable=True),  # an approved commission is held until then
    number("matures_ms", nullable=True),  # the same, while it lies in `held`
    number("approves_ms", nullable=True),  # when it is approved by itself, while it waits for that
    PrimaryKeyConstraint("merchant_id", "id"),
    # One index for two ends: one conversion of each type stands for a customer, and everything that they did is
    # found.
    UniqueConstraint("merchant_id", "email_key", "identity"),
    UniqueConstraint("merchant_id", "order_key"),
    # The queue of what a person has to look at: of the few rows that wait, and of no others.
    Index(
        "ix_conversions_held",
        "merchant_id",
        "id",
        sqlite_where=text("decision = 'pending_review'"),
        postgresql_where=text("decision = 'pending_review'"),
    ),
    # What time alone brings about: of the rows that wait for it, and of no others.
    Index(
        "ix_conversions_maturing",
        "merchant_id",
        "matures_ms",
        sqlite_where=text("matures_ms IS NOT NULL"),
        postgresql_where=text("matures_ms IS NOT NULL"),
    ),
    Index(
        "ix_conversions_approving",
        "merchant_id",
        "approves_ms",
        sqlite_where=text("approves_ms IS NOT NULL"),
        postgresql_where=text("approves_ms IS NOT NULL"),
    ),
    # By order where the order stands for nobody, as after a rejection: a refund may name it all the same.
    Index(
        "ix_conversions_released",
        "merchant_id",
        "order_id",
        sqlite_where=text("order_key IS NULL AND order_id IS NOT NULL"),
        postgresql_where=text("order_key IS NULL AND order_id IS NOT NULL"),
    ),
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

# What was noticed about accepted conversions: a row for each signal that fired.
findings = table(
    "findings",
    merchant(),
    text_column("code"),
    text_column("conversion_id"),
    text_column("program_id"),
    text_column("mode"),
    text_column("effect"),  # counted | shadow | evidence: what followed from it
    number("points"),
    PrimaryKeyConstraint("merchant_id", "code", "conversion_id"),
    sqlite_with_rowid=False,
)

# Where a mailbox was when it last converted, by the operator's city database; kept for a day, for journeys too fast.
whereabouts = table(
    "whereabouts",
    merchant(),
    text_column("mailbox_key"),
    number("at_ms"),
    number("latitude_mdeg"),  # thousandths of a degree
    number("longitude_mdeg"),
    number("radius_km"),
    flag("masked"),  # behind a VPN, Tor, a proxy or a hosting network: the place says nothing
    PrimaryKeyConstraint("merchant_id", "mailbox_key", "at_ms"),
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
    text_column(
        "email_key", nullable=True
    ),  # as in `conversions`, where the customer and the order are known
    text_column("order_key", nullable=True),
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

# How far housekeeping has come in dropping what is personal: every row of that kind up to this id is done.
housekeeping_marks = table(
    "housekeeping_marks",
    merchant(),
    text_column("kind"),
    text_column("until_id"),
    PrimaryKeyConstraint("merchant_id", "kind"),
)
