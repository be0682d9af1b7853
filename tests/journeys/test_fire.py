"""Exact under fire: processes killed, clocks wrong, the database restarted, clients without patience.

Afterwards the client's log and the database are held against each other (`tests.fire.checker`). The database's clock
runs fast, so that the windows of the limits open again and again.
"""

import shutil
from copy import deepcopy
from dataclasses import replace

import pytest

from tests.builders import forget_numbers
from tests.fire.burn import Plan, burn
from tests.fire.checker import Stored, check
from tests.fire.server import OwnServer


@pytest.fixture(scope="module")
def own_server():
    with OwnServer() as made:
        yield made


@pytest.fixture(scope="module")
def short(own_server, tmp_path_factory):
    """One short fire, for several questions."""
    plan = Plan(seconds=7, sales=80, restarts=(2.6, 4.6))
    return burn(own_server.make_database("short"), tmp_path_factory.mktemp("short"), plan, own_server)


def statuses(burnt):
    return {each.status for each in burnt.story.tries}


def test_exact_under_fire(short):
    assert {None, 200, 409, 503} <= statuses(short)
    assert (short.kills >= 2, short.restarts) == (True, 2), short.in_words()
    assert short.wrong() == [], short.in_words()


@pytest.mark.prove
def test_exact_under_fire_for_long(own_server, tmp_path, capsys):
    def tell(words):
        with capsys.disabled():
            print(f"\n{words}", end="", flush=True)

    plan = Plan(seconds=240, sales=5000, processes=4, restarts=(60, 150), tell=tell)
    burnt = burn(own_server.make_database("long"), tmp_path, plan, own_server)
    tell(burnt.in_words())
    assert {None, 200, 409, 429, 503} <= statuses(burnt)
    assert (burnt.kills > 50, burnt.restarts) == (True, 2), burnt.in_words()
    assert burnt.wrong() == []


@pytest.mark.parametrize("seconds", [4, pytest.param(120, marks=pytest.mark.prove)])
def test_one_process_on_sqlite_under_the_same_fire(template, tmp_path, seconds):
    """There its own clock counts."""
    shutil.copyfile(template, tmp_path / "refledger.db")
    url = f"sqlite:///{tmp_path / 'refledger.db'}"
    burnt = burn(url, tmp_path, Plan(seconds, sales=60, processes=1, kill_every_s=1.5))
    assert burnt.kills >= 2, burnt.in_words()
    assert burnt.wrong() == [], burnt.in_words()


# ── negative controls: without a safety ──────────────────────────────────────────────────────────────────────────


SCARCE = {"limits": ((5, 1000, 1),) * 2, "factor": 3600}  # five an hour, and an hour is a second


def calm(own_server, folder, name, prepare=lambda shop: None, **plan):
    """Nobody is killed: what is wrong afterwards has another cause."""
    given = {"seconds": 2, "sales": 60, "processes": 2, "kill_every_s": None, **plan}
    return burn(own_server.make_database(name), folder, Plan(**given), prepare=prepare)


def test_processes_that_hold_nothing_exceed_limits(own_server, tmp_path):
    """With the index of their numbers gone too, which is the second wall."""
    burnt = calm(own_server, tmp_path, "unheld", forget_numbers, unsafe="hold", **SCARCE)
    assert any("is one above" in each for each in burnt.wrong()), burnt.in_words()


@pytest.mark.prove
def test_the_same_processes_that_hold_what_they_decide_about_do_not(own_server, tmp_path):
    """The control's own control."""
    assert calm(own_server, tmp_path, "held", forget_numbers, **SCARCE).wrong() == []


def test_processes_that_go_by_their_own_clocks_are_found_out(own_server, tmp_path):
    """Five minutes apart, and dated by them: before they were sent, or after the answer."""
    burnt = calm(own_server, tmp_path, "clocks", unsafe="the database's clock")
    found = burnt.wrong()
    assert any("is dated" in each for each in found), burnt.in_words()


# ── negative controls: with something altered afterwards, each of which must be seen ─────────────────────────────


def first(items, holds):
    return next(each for each in items if holds(each))


def acknowledged(story, stored):
    """A conversion that was, with its sale."""
    ids = story.acknowledged()
    row = first(stored.conversions, lambda row: row["id"] in ids)
    return row, first(story.sales.values(), lambda sale: sale.email == row["email"])


def lose_one(story, stored):
    stored.conversions.remove(acknowledged(story, stored)[0])


def store_one_twice(story, stored):
    stored.conversions.append(acknowledged(story, stored)[0] | {"id": "conv_another"})


def forget_an_event(story, stored):
    stored.events.pop()


def tell_twice(story, stored):
    stored.events.append(stored.events[0])


def store_what_nobody_sent(story, stored):
    stored.conversions[0] = stored.conversions[0] | {"email": "nobody@example.com"}


def alter_a_byte(story, stored):
    told = first(story.tries, lambda each: each.keyed and each.status == 200)
    told.body = told.body.replace("{", "{ ", 1)


def forget_an_answer(story, stored):
    told = first(story.tries, lambda each: each.keyed and each.status == 200)
    body = told.body
    stored.idempotency[:] = [row for row in stored.idempotency if row["answer"] != body]


def answer_twice_as_the_first(story, stored):
    told = first(story.tries, lambda each: each.replayed)
    twin = replace(told, replayed=False)
    story.tries += [twin, twin]


def date_one_before_it_was_sent(story, stored):
    row, _ = acknowledged(story, stored)
    stored.conversions[stored.conversions.index(row)] = row | {"at_ms": row["at_ms"] - 10**6}


def date_one_after_its_answer(story, stored):
    row, _ = acknowledged(story, stored)
    stored.conversions[stored.conversions.index(row)] = row | {"at_ms": row["at_ms"] + 10**8}


def call_a_new_one_a_duplicate(story, stored):
    told = first(story.tries, lambda each: each.status == 409)
    email = story.sales[told.sale].email
    stored.conversions[:] = [row for row in stored.conversions if row["email"] != email]


def refuse_where_there_is_room(story, stored):
    """FIRE0 may have a million."""
    sale = first(story.sales.values(), lambda sale: sale.ref_code == "FIRE0")
    stored.attempts.append(
        {"request_id": "req_x", "at_ms": 1, "input": f'{{"customer_email":"{sale.email}"}}'}
    )


def refuse_and_leave_nothing(story, stored):
    told = first(story.tries, lambda each: each.status == 200)
    told.status, told.retry_after, told.body = 429, "60", '{"request_id":"req_x"}'


def answer_with_a_fault(story, stored):
    first(story.tries, lambda each: each.status == 200).status = 500


def say_no_time_to_come_again(story, stored):
    first(story.tries, lambda each: each.status == 503).retry_after = None


def give_one_up(story, stored):
    story.given_up.append(1)


ALTERED = [
    lose_one, store_one_twice, forget_an_event, tell_twice, store_what_nobody_sent, alter_a_byte, forget_an_answer,
    answer_twice_as_the_first, date_one_before_it_was_sent, date_one_after_its_answer, call_a_new_one_a_duplicate,
    refuse_where_there_is_room, refuse_and_leave_nothing, answer_with_a_fault, say_no_time_to_come_again, give_one_up,
]  # fmt: skip


@pytest.mark.parametrize("alter", ALTERED, ids=lambda each: each.__name__)
def test_the_checker_sees(short, alter):
    story, stored = deepcopy(short.story), Stored.of(short.url)
    assert check(story, stored, short.targets, short.clock) == []
    alter(story, stored)
    assert check(story, stored, short.targets, short.clock) != []


def test_the_checker_sees_one_too_many(short):
    """The same conversions, where fewer were allowed."""
    targets = [replace(each, hourly=0, daily=0) for each in short.targets]
    found = check(short.story, Stored.of(short.url), targets, short.clock)
    assert any("is one above" in each for each in found)
