"""Entries are chained when they are old enough, and nothing is dated before what is sealed, whatever a clock does."""

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import pytest

from refledger.core.ids import time_ms
from refledger.services import ledger_check, sealing, steps
from refledger.services.sealing import AFTER_MS, Sealing, seal_next
from tests.builders import Counter, unguard

HOUR_S = 3600


def seals_of(shop):
    return shop.rows("SELECT * FROM seals ORDER BY no")


def sealed_ms(shop):
    return shop.one("SELECT sealed_ms FROM merchants")["sealed_ms"]


def take(shop, step, conversion_id):
    with shop.database.write() as connection:
        now_ms = shop.database.now_ms(connection, shop.clock())
        steps.take(connection, shop.tenant, step, conversion_id, None, now_ms, os.urandom)


@pytest.fixture(autouse=True)
def without_limits(shop):
    shop.change_program(limits={"hourly": 100, "daily": 100})


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(sealing, "MOST_ENTRIES", 2)


def test_entries_are_sealed_when_they_are_old_enough(shop, counter, clock):
    counter.purchase("one@example.com")
    clock.now_ms += AFTER_MS - 1
    Sealing(shop.database, clock).seal_all()
    assert seals_of(shop) == [] and sealed_ms(shop) == 0
    clock.now_ms += 1
    counter.purchase("two@example.com")
    Sealing(shop.database, clock).seal_all()
    (made,) = seals_of(shop)
    assert (made["no"], made["entries"], made["at_ms"]) == (1, 1, clock())
    assert sealed_ms(shop) == time_ms(made["until_cause"]) == clock() - AFTER_MS


def test_the_hash_is_that_of_every_field(shop, counter, clock):
    """Reckoned here once more, by the words of `core.seals` and `store.seals` alone."""
    counter.purchase("one@example.com")
    clock.now_ms += AFTER_MS
    assert seal_next(shop.database, shop.merchant_id, clock())
    (entry,) = shop.rows("SELECT * FROM entries")
    texts = ["" if value is None else value for value in entry.values()]
    frame = "".join(
        f"{value};" if isinstance(value, int) else f"{len(value) or ''}:{value}" for value in texts
    )
    head = f";1;{entry['cause']};1;{clock()};"
    wanted = blake2b((head + frame).encode(), digest_size=32).hexdigest()
    assert seals_of(shop)[0]["hash"] == wanted


def test_a_cause_is_never_parted(shop, counter, clock, few):
    for number in range(5):
        counter.purchase(f"c{number}@example.com")
    shop.run(
        "INSERT INTO entries SELECT merchant_id, cause, kind, line + 1, program_id, affiliate_id, mode, currency,"
        " conversion_id, debit, credit, amount_minor, at_ms, payout_id FROM entries"
    )
    clock.now_ms += AFTER_MS
    Sealing(shop.database, clock).seal_all()
    assert [each["entries"] for each in seals_of(shop)] == [2, 2, 2, 2, 2]


def test_of_several_processes_one_wins(shop, counter, clock, few):
    for number in range(9):
        counter.purchase(f"c{number}@example.com")
    clock.now_ms += AFTER_MS
    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(Sealing(shop.database, clock).seal_all) for _ in range(4)]:
            each.result()
    Sealing(shop.database, clock).seal_all()  # whoever came second left the rest to the next round
    made = seals_of(shop)
    assert [each["no"] for each in made] == list(range(1, len(made) + 1))
    assert sum(each["entries"] for each in made) == 9


@pytest.mark.parametrize("back_s", [1, HOUR_S, 365 * 24 * HOUR_S])
def test_nothing_is_dated_before_what_is_sealed(shop, counter, clock, back_s):
    done = counter.purchase("one@example.com").id
    clock.now_ms += AFTER_MS
    Sealing(shop.database, clock).seal_all()
    limit_ms, last = sealed_ms(shop), seals_of(shop)[-1]["until_cause"]
    clock.now_ms -= AFTER_MS + back_s * 1000
    accepted = Counter(shop).purchase("two@example.com", ref_code="MARY123").id
    take(shop, "approve", done)
    take(shop, "reject", accepted)
    late = shop.rows("SELECT * FROM entries WHERE cause > ?", last)
    assert len(late) == 3 and len(shop.rows("SELECT * FROM entries")) == 4
    assert all(each["at_ms"] == time_ms(each["cause"]) > limit_ms for each in late)
    events = shop.rows("SELECT * FROM events WHERE id > ?", last)
    assert all(each["at_ms"] == time_ms(each["id"]) for each in events) and len(events) == 3


def test_the_control_a_clock_that_goes_back_without_seals(shop, counter, clock):
    counter.purchase("one@example.com")
    clock.now_ms -= HOUR_S * 1000
    counter.purchase("two@example.com", ref_code="MARY123")
    earlier, later = (row["at_ms"] for row in shop.rows("SELECT at_ms FROM entries ORDER BY cause"))
    assert later - earlier == HOUR_S * 1000


CHANGES = {
    "the time of an entry": ("UPDATE entries SET at_ms = at_ms + 1 WHERE line = 0 AND {last}", "seal 3 has"),
    "an entry removed": ("DELETE FROM entries WHERE {last}", "seal 3 was made of 2 entries"),
    "a hash": ("UPDATE seals SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE no = 2", "seal 2 has"),
    "the time of a seal": ("UPDATE seals SET at_ms = at_ms + 1 WHERE no = 2", "seal 2 has"),
    "the span of a seal": (
        "UPDATE seals SET until_cause = (SELECT until_cause FROM seals WHERE no = 1) WHERE no = 2",
        "seal 2 was made of 2",
    ),
    "the count of a seal": ("UPDATE seals SET entries = 3 WHERE no = 2", "seal 2 was made of 3"),
    "a seal removed": ("DELETE FROM seals WHERE no = 2", "seal 3 follows seal 1"),
    "the last seal removed": ("DELETE FROM seals WHERE no = 3", "the last seal, 2,"),
    "all seals removed": ("DELETE FROM seals", "the last seal, 0,"),
    "how far it is sealed": ("UPDATE merchants SET sealed_ms = sealed_ms + 1", "the last seal, 3,"),
    "two seals swapped": ("UPDATE seals SET no = 3 WHERE no = 9", "seal 2"),
}


@pytest.fixture
def chain(shop, counter, clock, few):
    """Three seals of two entries each, which anybody may change."""
    for number in range(6):
        counter.purchase(f"c{number}@example.com")
        clock.now_ms += 1
    clock.now_ms += AFTER_MS
    Sealing(shop.database, clock).seal_all()
    unguard(shop)
    return shop


@pytest.mark.parametrize("what", CHANGES)
def test_a_broken_seal_is_named(chain, what):
    sql, words = CHANGES[what]
    assert list(ledger_check.verify(chain.database)) == []
    last = "cause = (SELECT max(until_cause) FROM seals)"
    if "swapped" in what:
        chain.run("UPDATE seals SET no = 9 WHERE no = 2")
        chain.run("UPDATE seals SET no = 2 WHERE no = 3")
    chain.run(sql.format(last=last))
    found = [each for each in ledger_check.verify(chain.database) if words in each]
    assert found, what
