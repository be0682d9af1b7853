"""The other engine: the same statements, locks and money on a real PostgreSQL."""

import os
import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from refledger.core.refusals import Refused
from refledger.services import ledger_check, reports, review, steps
from refledger.store import migrate
from refledger.store.engine import Database, is_conflict, now_ms
from refledger.store.schema import APPEND_ONLY, conversions, merchants
from refledger.web.tracking import Words
from tests.builders import ADDRESS, AGENT, Counter, Shop, settings_for


@pytest.fixture
def shop(postgresql_url, tmp_path):
    """Times are the database's own here: a clock that is set counts for the set-up alone."""
    made = Shop(settings_for(postgresql_url, tmp_path), now_ms)
    yield made
    made.close()


@pytest.fixture
def counter(shop):
    return Counter(shop)


def sound(shop):
    return list(ledger_check.verify(shop.database))


def test_migrations_run_once(postgresql_url):
    database = Database(postgresql_url)
    assert not migrate.upgrade(database)
    database.close()


def test_what_may_happen_to_reports(shop, counter):
    shop.change_program(limits={"hourly": 100, "daily": 100})
    answers = [
        (counter.signup(), "pending"),
        (counter.purchase(), "pending"),
        (counter.purchase(), "duplicate"),
        (counter.coupon_sale(), "pending"),
        (counter.coupon_sale(), "pending_review"),
        (counter.purchase("squat@example.com", order_id="1"), "pending"),
        (counter.purchase("squat@example.com", order_id="1", secret=True), "pending"),
        (counter.purchase("again@example.com", idempotency_key="k"), "pending"),
        (counter.purchase("again@example.com", idempotency_key="k"), "replayed"),
        (counter.purchase("other@example.com", idempotency_key="k"), "idempotency_mismatch"),
        (counter.purchase("trial@example.com", dry_run=True, secret=True), "pending"),
        (counter.purchase("a@tempmail.com"), "disposable_email"),
        (counter.purchase("x@example.com", ref_code="NOBODY"), "invalid_affiliate"),
        (counter.purchase("test1@example.com"), "pending_review"),
    ]
    shop.click()
    visitor = {"customer_ip": ADDRESS, "customer_user_agent": AGENT}
    answers.append((counter.purchase("fast@example.com", **visitor), "timing_too_fast"))
    shop.list_entry("block", "domain", "bad.example.org")
    answers.append((counter.purchase("x@bad.example.org"), "blocked"))
    shop.change_program(attribution="first", policy={"review_at": 60}, limits={"hourly": 1, "daily": 1})
    answers.append((counter.purchase("late@example.com"), "rate_limited"))
    assert [reply.code for reply, _ in answers] == [code for _, code in answers]
    assert sound(shop) == []


def test_what_a_merchant_may_do(shop, counter):
    shop.change_program(limits={"hourly": 2, "daily": 2})
    first, second = (counter.purchase(f"{name}@example.com", order_id=name).id for name in "ab")
    assert counter.purchase("c@example.com", order_id="c").code == "rate_limited"
    for step in ("reject", "reopen", "approve", "chargeback", "refund"):
        with shop.database.write() as connection:
            steps.take(connection, shop.tenant, step, first, "fraud", now_ms(), os.urandom)
    with shop.database.write() as connection:
        results = steps.take_each(
            connection, shop.tenant, "approve", [first, second, "conv_x"], None, now_ms(), os.urandom
        )
        assert [each.refusal is None for each in results] == [False, True, False]
        (attempt,), _, not_kept = reports.list_attempts(connection, shop.tenant, {}, 50, None)
        arguments = (connection, shop.tenant, attempt["id"], None, now_ms(), os.urandom, Words())
        assert (attempt["code"], not_kept) == ("rate_limited", 0)
        assert steps.accept_attempt(*arguments)["status"] == "pending"
        with pytest.raises(Refused):
            steps.accept_attempt(*arguments)
        held = review.balance(connection, shop.tenant, shop.john_id)
        page, more = reports.list_conversions(connection, shop.tenant, {"email": "a@example.com"}, 1, None)
    assert {name: amount for name, amount in held.items() if amount} == {
        "payable": 999,
        "pending": 999,
        "expense": -1998,
    }
    assert ([row["id"] for row in page], more) == ([first], False)
    assert sound(shop) == []


def test_many_at_once_are_decided_one_after_the_other(shop):
    """Of each customer one sale, of each affiliate the limit, over many connections."""
    shop.change_program(limits={"hourly": 5, "daily": 5})
    codes, guard = [], threading.Lock()

    def report():
        counter = Counter(shop)
        for number in range(12):
            while True:
                try:
                    reply = counter.purchase(f"{number}@example.com")
                    break
                except Exception as error:
                    if not is_conflict(error):
                        raise
            with guard:
                codes.append(reply.code)

    threads = [threading.Thread(target=report) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 72
    assert {code: codes.count(code) for code in set(codes)} == {
        "pending": 5,
        "duplicate": 25,
        "rate_limited": 42,
    }
    assert sound(shop) == []


def how_many(connection):
    return connection.execute(select(func.count()).select_from(merchants)).scalar_one()


@pytest.mark.parametrize("pool", ["reader", "writer"])
def test_a_read_sees_one_moment(shop, tmp_path, pool):
    """The control: a transaction of the writing pool sees what is committed meanwhile."""
    engine = getattr(shop.database, pool)
    with engine.connect() as connection:
        before = how_many(connection)
        Shop(shop.settings, now_ms).close()
        assert how_many(connection) == before + (pool == "writer")


def test_a_read_writes_nothing(shop):
    with pytest.raises(Exception, match="read-only"), shop.database.reader.connect() as connection:
        connection.execute(conversions.delete())


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
@pytest.mark.parametrize("deed", ["UPDATE {} SET at_ms = 2", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_may_only_be_added_to_refuses_change(shop, counter, table, deed):
    """The control: without its triggers the table would change."""
    assert counter.purchase().code == "pending"
    before = shop.rows(f"SELECT * FROM {table.name}")
    with pytest.raises(DBAPIError, match="may only be added to"), shop.database.write() as connection:
        connection.exec_driver_sql(deed.format(table.name))
    assert before and shop.rows(f"SELECT * FROM {table.name}") == before
    shop.run(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
    shop.run(deed.format(table.name))
    assert shop.rows(f"SELECT * FROM {table.name}") != before
