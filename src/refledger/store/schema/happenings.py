"""What happened, what was promised, and who changed what."""

from sqlalchemy import PrimaryKeyConstraint

from refledger.store.columns import merchant, number, table, text_column

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
