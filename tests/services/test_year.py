"""The demo year: everything that happens to money, and at the end every cent is where it should be."""

import random
import shutil

import pytest

from refledger.core.keys import hash_key
from refledger.services.ledger_check import verify
from refledger.services.made_up import AlreadyThere
from refledger.services.year import SealedMeanwhile, make_year, sums
from refledger.store.schema import metadata
from tests.builders import Shop, settings_for, unguard
from tests.conftest import Clock

HAPPENS = {
    "sale",
    "approve by hand",
    "reject by hand",
    "part refunded",
    "refunded",
    "adjusted",
    "dispute open",
}
HAPPENS |= {"terms changed", "payout", "payout paid"}

BALANCES = """
SELECT ref_code, currency, pending_minor, held_minor, payable_minor, in_payout_minor, paid_minor,
       dispute_reserve_minor, expense_minor, accepted_count, verified_count
FROM standings JOIN affiliates ON affiliates.id = standings.affiliate_id
WHERE mode = 'live' AND ref_code NOT LIKE '%123'"""
ENTRIES = """
SELECT ref_code, kind, entries.currency, debit, credit, amount_minor, at_ms
FROM entries JOIN affiliates ON affiliates.id = entries.affiliate_id"""


def year_of(shop, **more):
    # The year's times are made up: where the database has a clock of its own, it does not count.
    shop.database.has_own_clock = False
    hashes = {
        is_secret: hash_key(shop.keys[name], shop.secret)
        for is_secret, name in ((True, "secret_key"), (False, "publishable_key"))
    }
    return make_year(shop.database, shop.tenant, shop.keys, hashes, shop.clock(), seed=7, months=1, **more)


@pytest.mark.prove_on("postgresql")
def test_a_short_year_ends_balanced_and_its_statements_add_up_to_its_payouts(shop):
    days = []
    happened = year_of(shop, tell=lambda day, of: days.append((day, of)))
    assert days[-1] == (52, 52) and days == sorted(days)
    assert happened.keys() >= HAPPENS
    assert list(verify(shop.database)) == []
    with shop.database.read(shop.merchant_id) as connection:
        found = sums(connection, shop.tenant, shop.clock())
    assert [each.program["currency"] for each in found] == ["USD", "EUR"]
    for each in found:
        assert each.by_payouts_minor == each.by_statements_minor > 0
    with pytest.raises(AlreadyThere):
        year_of(shop)


def test_nothing_is_written_into_what_is_sealed(shop):
    shop.run("UPDATE merchants SET sealed_ms = ?", shop.clock())
    with pytest.raises(SealedMeanwhile):
        year_of(shop)
    assert not shop.rows("SELECT id FROM programs WHERE slug LIKE 'demo-year%'")


def test_the_same_year_ends_alike_on_either_engine(template, postgresql_databases, tmp_path):
    """A differential replay: by codes and accounts, for ids differ with the merchant."""
    shutil.copyfile(template, tmp_path / "refledger.db")
    ends = []
    with postgresql_databases.fresh() as on_postgresql:
        for url in (f"sqlite:///{tmp_path / 'refledger.db'}", on_postgresql):
            shop = Shop(settings_for(url, tmp_path), Clock())
            happened = year_of(shop)
            found = [sorted(tuple(row.values()) for row in shop.rows(sql)) for sql in (BALANCES, ENTRIES)]
            ends.append((happened, *found))
            shop.close()
    assert ends[0] == ends[1] and len(ends[0][1]) == 7


AMOUNTS = {
    "entries": ["amount_minor", "at_ms"],
    "conversions": ["commission_minor", "revenue_minor", "refunded_minor"],
    "refunds": ["amount_minor"],
    "shares": ["commission_minor"],
    "payouts": ["amount_minor"],
    "payout_items": ["amount_minor"],
    "standings": ["accepted_count"],  # one account alone the database itself refuses
}


@pytest.mark.prove_on("postgresql")
def test_any_single_altered_row_is_found(shop):
    """One row of each kind, somewhere in the year, altered by one; put right again, nothing is found."""
    year_of(shop)
    unguard(shop)
    chance = random.Random(5)
    for table, columns in AMOUNTS.items():
        key = ", ".join(column.name for column in metadata.tables[table].primary_key)
        keys = shop.rows(f"SELECT {key} FROM {table} ORDER BY {key}")
        for column in columns:
            chosen = chance.choice(keys)
            where = " AND ".join(f"{name} = ?" for name in chosen)
            for by, is_found in ((1, True), (-1, False)):
                shop.run(f"UPDATE {table} SET {column} = {column} + {by} WHERE {where}", *chosen.values())
                assert bool(list(verify(shop.database))) is is_found, (table, column, chosen)
