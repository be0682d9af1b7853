"""The queue of what a person has to look at: grouped, found by its own index, and never emptied by time."""

import os

import pytest
from sqlalchemy import event

from refledger.services import queue, reports, steps
from refledger.services.housekeeping import Housekeeping
from refledger.store import record
from refledger.store.engine import EVERYONE
from tests.builders import PURCHASE

DAY_MS = 86_400_000
INDEX = "ix_conversions_held"


@pytest.fixture
def shop(shop):
    shop.change_program(limits={"hourly": 1000, "daily": 1000})
    return shop


def waiting(shop, limit=50, tenant=None, **filters):
    with shop.database.read(shop.merchant_id) as connection:
        return queue.waiting(connection, tenant or shop.tenant, filters, limit)


def take(shop, step, *conversion_ids, reason=None):
    with shop.database.write(shop.merchant_id) as connection:
        for each in conversion_ids:
            steps.take(connection, shop.tenant, step, each, reason, shop.clock(), os.urandom)


def told(groups):
    names = ("ref_code", "leading_code", "waiting", "commission_minor")
    return [tuple(each[name] for name in names) for each in groups]


@pytest.fixture
def held(shop, counter, clock):
    """John: two that look like tests, one with a number behind a plus. Mary: a larger one, and one that is fine."""
    found = []
    for email, ref_code, amount in [
        ("test1@example.com", "JOHN123", 10),
        ("test2@example.net", "JOHN123", 20),
        ("joe+1@example.com", "JOHN123", 30),
        ("test3@example.org", "MARY123", 500),
        ("fine@example.com", "MARY123", 900),
    ]:
        reply = counter.report(
            ref_code=ref_code, customer_email=email, **PURCHASE | {"revenue_amount": amount}
        )
        found.append(reply.id)
        clock.advance_s(60)
    return found


def test_by_affiliate_and_leading_signal_the_largest_sums_first(shop, held):
    groups, more = waiting(shop)
    assert told(groups) == [
        ("MARY123", "email.test_pattern", 1, 5000),
        ("JOHN123", "email.test_pattern", 2, 300),
        ("JOHN123", "email.plus_numeric", 1, 300),
    ]
    assert not more


def test_of_equal_sums_the_oldest_comes_first(shop, held):
    johns, _ = waiting(shop, affiliate_id=shop.john_id)
    assert [each["leading_code"] for each in johns] == ["email.test_pattern", "email.plus_numeric"]
    tests = johns[0]
    assert (tests["revenue_minor"], tests["currency"], tests["program_id"]) == (3000, "USD", shop.program_id)
    assert tests["conversion_ids"] == [held[1], held[0]]
    assert (tests["oldest_ms"], tests["newest_ms"]) == (shop.clock() - 300_000, shop.clock() - 240_000)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"signal": "email.plus_numeric"}, [("JOHN123", "email.plus_numeric", 1, 300)]),
        ({"signal": "email.role"}, []),
        ({"program_id": "prog_unknown"}, []),
        ({"affiliate_id": "aff_unknown"}, []),
    ],
)
def test_filters(shop, held, filters, expected):
    assert told(waiting(shop, **filters)[0]) == expected


def test_there_may_be_more(shop, held):
    groups, more = waiting(shop, limit=2)
    assert (len(groups), more) == (2, True)
    assert waiting(shop, limit=3)[1] is False


def test_so_many_ids_of_each_the_newest(shop, held, monkeypatch):
    monkeypatch.setattr(queue, "MOST_IDS", 1)
    groups, _ = waiting(shop, affiliate_id=shop.john_id)
    assert [each["conversion_ids"] for each in groups] == [[held[1]], [held[2]]]


def test_what_is_decided_paid_back_or_disputed_waits_no_more(shop, held):
    take(shop, "approve", held[0])
    take(shop, "reject", held[1], reason="fraud")
    take(shop, "refund", held[2])
    take(shop, "chargeback", held[3])
    assert waiting(shop) == ([], False)
    take(shop, "reopen", held[1])
    assert told(waiting(shop)[0]) == [("JOHN123", "email.test_pattern", 1, 200)]


def test_modes_and_currencies_are_apart(shop, counter, held):
    program_id = shop.make_program(name="Other", currency="JPY")
    shop.make_affiliate("OTHER1", program_id)
    sale = {"program_id": program_id, "ref_code": "OTHER1", "customer_email": "test9@example.com"}
    counter.report(**sale | PURCHASE | {"revenue_amount": 70000})
    assert [(each["currency"], each["commission_minor"]) for each in waiting(shop)[0][:2]] == [
        ("JPY", 7000),
        ("USD", 5000),
    ]
    assert waiting(shop, tenant=shop.tenant_in("test")) == ([], False)


def test_the_signal_of_what_waits_narrows_a_listing_to_its_group(shop, held):
    with shop.database.read(shop.merchant_id) as connection:
        for group in waiting(shop)[0]:
            filters = {
                "status": "pending_review",
                "affiliate_id": group["affiliate_id"],
                "signal": group["leading_code"],
            }
            page, _ = reports.list_conversions(connection, shop.tenant, filters, 50, None)
            assert [row["id"] for row in page] == group["conversion_ids"]


def test_nothing_is_released_because_nobody_looked(shop, held, clock):
    """However much time passes and whatever the service does on the side."""
    names = ("decision", "status", "commission_minor", "leading_code", "updated_ms")
    sql = f"SELECT {', '.join(names)} FROM conversions ORDER BY id"
    before, groups, entries = shop.rows(sql), waiting(shop), shop.rows("SELECT * FROM entries")
    for days in (1, 30, 90, 365, 4000):
        clock.now_ms += days * DAY_MS
        Housekeeping(shop.database, clock).forget()
        assert waiting(shop) == groups and shop.rows(sql) == before
    assert shop.rows("SELECT * FROM entries") == entries
    assert shop.one("SELECT sum(payable_minor) AS owed FROM standings")["owed"] == 0


# ── how it is found ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def crowded(shop, held):
    """A merchant with thousands of conversions that were decided long ago."""
    (row,) = shop.rows("SELECT * FROM conversions WHERE id = ?", held[4])
    decided = {"decision": "approved", "status": "approved", "identity": None, "order_key": None}
    copies = [
        row | decided | {"id": f"conv_{number:026d}", "email_key": f"key {number}"} for number in range(3000)
    ]
    with shop.database.write(EVERYONE) as connection:
        record.insert_conversions(connection, copies)
        connection.exec_driver_sql("ANALYZE")
    return shop


def plans(shop, read):
    """How the engine would find what `read` asks for: a text for each statement."""
    asked = []
    with shop.database.read(shop.merchant_id) as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        read(connection)
        raw = connection.connection.driver_connection
        explain = "EXPLAIN QUERY PLAN " if shop.database.is_sqlite else "EXPLAIN "
        return ["\n".join(str(line) for line in raw.execute(explain + sql, given)) for sql, given in asked]


def test_what_waits_is_found_among_what_waits_alone(crowded, engine):
    tenant = crowded.tenant
    found = plans(crowded, lambda connection: queue.waiting(connection, tenant, {}, 50))
    assert len(found) == 2 and all(INDEX in plan for plan in found), found
    filters = {"status": "pending_review", "signal": "email.test_pattern"}
    (listed,) = plans(
        crowded, lambda connection: reports.list_conversions(connection, tenant, filters, 50, None)
    )
    assert INDEX in listed
    (control,) = plans(
        crowded,
        lambda connection: reports.list_conversions(connection, tenant, {"status": "approved"}, 50, None),
    )
    assert INDEX not in control
