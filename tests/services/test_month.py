"""The demo month: made up, decided as in life, and explained throughout."""

from collections import Counter

import orjson
import pytest

from refledger.core.explanations import explain
from refledger.core.keys import hash_key
from refledger.services.ledger_check import verify
from refledger.services.made_up import AlreadyThere
from refledger.services.month import make_month
from tests.builders import Shop, settings_for

DAYS = 8
DECIDED = """
SELECT affiliates.ref_code AS ref_code, initial, record
FROM conversions
JOIN affiliates ON affiliates.id = conversions.affiliate_id
JOIN decisions ON decisions.conversion_id = conversions.id
WHERE conversions.program_id = ?"""


def month_of(shop, **more):
    # The month's times are made up: where the database has a clock of its own, it does not count.
    shop.database.has_own_clock = False
    hashes = {
        is_secret: hash_key(shop.keys[name], shop.secret)
        for is_secret, name in ((True, "secret_key"), (False, "publishable_key"))
    }
    now_ms = shop.clock()
    return make_month(shop.database, shop.tenant, shop.keys, hashes, now_ms, days=DAYS, **more)


def test_honest_and_dishonest_affiliates_are_told_apart_and_everything_is_explained(shop):
    days = []
    made = month_of(shop, tell=lambda day, of: days.append((day, of)))
    assert days[-1] == (DAYS, DAYS) and days == sorted(days)
    assert {"pending", "pending_review", "timing_too_fast", "disposable_email"} <= made["answers"].keys()

    held = Counter()
    for conversion in shop.rows(DECIDED, made["program_id"]):
        held[conversion["ref_code"], conversion["initial"]] += 1
        assert len(explain(orjson.loads(conversion["record"]))) >= 2
    for code in ("FARM", "PIXEL", "MIRROR"):
        assert held[code, "pending_review"] and not held[code, "pending"]
    assert held["MILL", "pending_review"]  # the first of a day look like anybody
    for code in ("REVIEWS", "LETTER", "DEALS"):
        assert held[code, "pending"] > 10 * held[code, "pending_review"]
    for attempt in shop.rows("SELECT record FROM attempts"):
        assert explain(orjson.loads(attempt["record"]))
    assert list(verify(shop.database)) == []


@pytest.mark.prove_on("postgresql")
def test_one_seed_makes_one_month(shop, fresh, clock, tmp_path):
    made = month_of(shop)
    with pytest.raises(AlreadyThere):
        month_of(shop)
    for seed, is_same in ((2026, True), (7, False)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with fresh(folder) as url:
            other = Shop(settings_for(url, folder), clock)
            assert (month_of(other, seed=seed)["answers"] == made["answers"]) is is_same
            other.close()
