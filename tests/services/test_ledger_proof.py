"""Every row of the money tables changed, removed, inserted or swapped in turn, in each column that money follows from:
the database refuses it, or it is found.
"""

import os
from itertools import pairwise

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from refledger.services import ledger_check, payouts, reversals, steps
from refledger.services.reversals import Sale
from refledger.services.sealing import AFTER_MS, Sealing
from refledger.store.engine import EVERYONE
from refledger.store.schema import ACCOUNTS, metadata
from tests.builders import unguard

# Where nothing else would name it, a change of another column changes no money.
COLUMNS = {
    "entries": metadata.tables["entries"].columns.keys(),
    "standings": [
        "merchant_id", "affiliate_id", "mode", "program_id", "currency", "accepted_count", "verified_count",
        *(f"{account}_minor" for account in ACCOUNTS),
    ],
    "conversions": [
        "merchant_id", "id", "program_id", "affiliate_id", "mode", "status", "decision", "revenue_minor",
        "commission_minor", "currency", "refunded", "refunded_minor", "dispute", "matures_ms",
    ],
    "refunds": ["merchant_id", "mode", "conversion_id", "amount_minor"],
    "disputes": ["merchant_id", "mode", "conversion_id", "status"],
    "shares": ["merchant_id", "conversion_id", "affiliate_id", "terms", "commission_minor"],
    "payouts": ["merchant_id", "id", "program_id", "mode", "currency", "status", "amount_minor"],
    "payout_items": ["merchant_id", "payout_id", "affiliate_id", "amount_minor", "status"],
    "seals": metadata.tables["seals"].columns.keys(),
}  # fmt: skip
OTHER = {
    "terms": '{"value":"6","most":"50"}',
    "mode": "test",
    "status": "won",
    "decision": "rejected",
    "dispute": "won",
    "currency": "EUR",
}


@pytest.fixture
def whole(shop, counter):
    """Everything that can happen to money: shares, a part refunded, disputes, a payout that is paid in part; sealed."""
    shop.change_program(
        limits={"hourly": 100, "daily": 100}, recruiter={"value": "5", "most": "50"}, payout_minimum="0.01"
    )
    ids = [counter.purchase("none@example.com", ref_code="MARY123").id]
    shop.change_affiliate(shop.john_id, recruiter_id=shop.mary_id)
    ids += [counter.purchase(f"c{number}@example.com").id for number in range(4)]

    def do(function, *arguments):
        shop.clock.now_ms += 1000
        with shop.database.write() as connection:
            return function(connection, shop.tenant, *arguments, shop.clock(), os.urandom)

    for conversion_id in ids[:4]:
        do(steps.take, "approve", conversion_id, None)
    do(reversals.refund, Sale(ids[1]), "re_1", "33.33", None)
    do(reversals.refund, Sale(ids[2]), "re_2", None, None)
    payout_id, _ = do(payouts.create, {"program_id": shop.program_id})
    do(payouts.take_step, payout_id, shop.john_id, "paid", {"reference": "1"})
    do(reversals.dispute, Sale(ids[0]), "dp_1", "open", None)
    do(reversals.dispute, Sale(ids[3]), "dp_2", "lost", None)
    shop.clock.now_ms += AFTER_MS
    Sealing(shop.database, shop.clock).seal_all()
    unguard(shop)
    return shop


def rows_of(shop, table):
    return shop.rows(f"SELECT * FROM {table}")


def put(shop, table, rows):
    with shop.database.write(EVERYONE) as connection:
        connection.execute(text(f"DELETE FROM {table}"))
        if rows:
            connection.execute(insert(metadata.tables[table]), rows)


def changed(column, value):
    """Another value of the kind that the column holds."""
    if isinstance(value, bool):
        return not value
    if column == "refunded":
        return 1 - value
    if isinstance(value, int):
        return value + 1
    if value is None and column.endswith("_ms"):
        return 1
    other = OTHER.get(column, f"{value}x")
    return other if other != value else {"won": "lost", "rejected": "approved"}.get(value, f"{value}x")


def tamperings(table, rows):
    """(what, rows) of the table as somebody might leave it."""
    for at, row in enumerate(rows):
        others = rows[:at] + rows[at + 1 :]
        yield f"row {at} removed", others
        keys = [column.name for column in metadata.tables[table].primary_key.columns]
        yield f"row {at} inserted again", [*rows, row | {keys[-1]: changed(keys[-1], row[keys[-1]])}]
        for column in COLUMNS[table]:
            yield f"{column} of row {at} changed", [*others, row | {column: changed(column, row[column])}]
    for at, (one, other) in enumerate(pairwise(rows)):
        rest = rows[:at] + rows[at + 2 :]
        for column in COLUMNS[table]:
            if one[column] != other[column]:
                swapped = [one | {column: other[column]}, other | {column: one[column]}]
                yield f"{column} of rows {at} and {at + 1} swapped", rest + swapped


@pytest.mark.prove_on("postgresql")
@pytest.mark.parametrize("table", COLUMNS)
def test_every_row_is_guarded_or_proven(whole, table):
    rows, missed, tried = rows_of(whole, table), [], 0
    assert len(rows) >= (1 if table == "payouts" else 2) or table == "seals"
    for what, tampered in tamperings(table, rows):
        if sorted(map(repr, tampered)) == sorted(map(repr, rows)):
            continue  # two rows that differ in nothing but what was swapped
        tried += 1
        try:
            put(whole, table, tampered)
        except IntegrityError:
            continue
        if not list(ledger_check.verify(whole.database)):
            missed.append(what)
    put(whole, table, rows)
    assert list(ledger_check.verify(whole.database)) == []
    assert tried > len(rows) and missed == []
