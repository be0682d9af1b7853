"""The demo year: everything that happens to money, and at the end every cent is where it should be."""

import pytest

from refledger.core.keys import hash_key
from refledger.services.ledger_check import verify
from refledger.services.made_up import AlreadyThere
from refledger.services.year import SealedMeanwhile, make_year, sums

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


def year_of(shop, **more):
    # The year's times are made up: where the database has a clock of its own, it does not count.
    shop.database.has_own_clock = False
    hashes = {
        is_secret: hash_key(shop.keys[name], shop.secret)
        for is_secret, name in ((True, "secret_key"), (False, "publishable_key"))
    }
    return make_year(shop.database, shop.tenant, shop.keys, hashes, shop.clock(), seed=7, months=1, **more)


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
