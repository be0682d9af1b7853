"""Power cuts on SQLite, simulated below it: what was answered is there, whole; what was not is whole or absent.

The service works on files whose every write is recorded. Then, for each cut, a disk is made that kept what was synced
and any part of the rest, and SQLite repairs it (`tests.powercuts`). No two lives are the same: threads take turns.

The files are written by apsw's SQLite, the only one whose writes can be seen, and opened by the standard library's.
"""

import os
from random import Random

import pytest

from tests.powercuts.cuts import Job, run, work
from tests.powercuts.disk import SECTOR, Disk, Model
from tests.powercuts.recorder import CREATE, DELETE, SYNC, SYNC_FOLDER, TRUNCATE, WRITE

LIVES, CUTS = 100, 1000
PROCESSES = os.cpu_count() or 1


def assert_cut_at_work(tally):
    """There was something to lose, and the log was written over again and again."""
    assert tally.unfinished > tally.cuts / 2
    assert tally.contents > 20
    assert tally.logs_written_over > 3
    assert tally.promises > 100


def assert_nothing_lost(tally):
    assert tally.wrong == []
    assert tally.examples == []
    assert tally.losing == 0


def test_a_power_cut_loses_nothing_that_was_answered():
    tally = work(Job(seed=1, cuts=200))
    assert_cut_at_work(tally)
    assert_nothing_lost(tally)


@pytest.mark.prove
def test_a_hundred_thousand_power_cuts_lose_nothing_that_was_answered(capsys):
    def tell(tally):
        with capsys.disabled():
            print(
                f"\r{tally.cuts} of {LIVES * CUTS} cuts, {tally.losing} lost something", end=" ", flush=True
            )

    tally = run([Job(seed, CUTS) for seed in range(LIVES)], PROCESSES, tell)
    with capsys.disabled():
        print(f"\n{tally.contents} databases found, {tally.logs_written_over} times a log was written over")
    assert tally.cuts == LIVES * CUTS
    assert_cut_at_work(tally)
    assert_nothing_lost(tally)


@pytest.mark.prove
def test_the_same_cuts_lose_much_where_the_disk_is_not_waited_for(capsys):
    """The negative control."""
    tally = run([Job(seed, CUTS, synchronous="NORMAL") for seed in range(4)], PROCESSES)
    with capsys.disabled():
        print(f"\nwith synchronous=NORMAL {tally.losing} of {tally.cuts} lost something")
    assert tally.losing > tally.cuts / 10
    assert tally.wrong == []  # lost, but never half


# ── negative controls ────────────────────────────────────────────────────────────────────────────────────────────


def test_without_waiting_for_the_disk_answers_are_lost():
    tally = work(Job(seed=2, cuts=60, synchronous="NORMAL"))
    assert tally.losing > 5
    assert tally.wrong == []


def test_a_disk_that_loses_nothing_loses_nothing_even_so():
    """What is lost above is lost by the disk: not by recording, opening or comparing."""
    assert_nothing_lost(work(Job(seed=2, cuts=60, synchronous="NORMAL", model=Model(loses=False))))


def test_a_disk_that_forgets_what_it_promised_loses_answers():
    tally = work(Job(seed=3, cuts=20, model=Model(keeps_promises=False)))
    assert tally.losing > 5


def test_a_log_written_over_before_the_database_is_on_the_disk_is_seen():
    """Each commit is waited for, but not what moves the log: the cuts reach what happens there."""
    tally = work(Job(seed=4, cuts=150, moving="OFF"))
    assert tally.losing + len(tally.wrong) > 5


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────────────────────

NEW, OLD = b"n" * 3 * SECTOR, b"o" * 3 * SECTOR


def cuts_after(*records, model=None):
    """What many cuts after these records leave."""
    disk = Disk(model or Model())
    for each in records:
        disk.do(each)
    return [disk.cut(Random(seed)) for seed in range(300)]


def made(content):
    return (CREATE, "a", 1), (WRITE, 1, 0, content), (SYNC, 1), (SYNC_FOLDER,)


def test_what_was_synced_is_kept():
    assert all(found == {"a": OLD} for found in cuts_after(*made(OLD)))


def test_what_was_not_synced_may_be_there_or_not_or_in_part():
    found = {bytes(each["a"]) for each in cuts_after(*made(OLD), (WRITE, 1, 0, NEW))}
    assert {NEW, OLD} < found
    torn = {each[:SECTOR] + each[-SECTOR:] for each in found}
    assert {NEW[:SECTOR] + OLD[:SECTOR], OLD[:SECTOR] + NEW[:SECTOR]} < torn  # either may have been first
    assert any(set(each) - set(NEW + OLD) for each in found)  # garbage


def test_a_later_write_may_be_there_without_an_earlier_one():
    found = cuts_after(*made(OLD), (WRITE, 1, 0, NEW), (WRITE, 1, len(OLD), b"later"))
    assert OLD + b"later" in [each["a"] for each in found]


def test_bytes_beside_what_is_written_stay():
    found = cuts_after(*made(OLD), (WRITE, 1, 10, b"n" * SECTOR))
    assert all(
        each["a"][:10] == OLD[:10] and each["a"][SECTOR + 10 :] == OLD[SECTOR + 10 :] for each in found
    )


def test_truncations_and_names_may_have_happened_or_not():
    assert {len(each["a"]) for each in cuts_after(*made(OLD), (TRUNCATE, 1, 7))} == {len(OLD), 7}
    found = cuts_after(*made(OLD), (DELETE, "a"), (CREATE, "b", 2))
    assert {tuple(sorted(each)) for each in found} == {(), ("a",), ("b",), ("a", "b")}


def test_a_lossless_disk_holds_all():
    found = cuts_after(*made(OLD), (WRITE, 1, 0, NEW), (CREATE, "b", 2), model=Model(loses=False))
    assert all(each == {"a": NEW, "b": b""} for each in found)
