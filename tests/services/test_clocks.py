"""Machines that share a PostgreSQL share its clock: what theirs says does not count. SQLite has its process's alone."""

import pytest
from starlette.testclient import TestClient

from refledger.app import create
from refledger.services.housekeeping import KEPT_MS, Housekeeping
from tests.builders import AGENT

AHEAD_MS = 300_000


@pytest.fixture
def theirs(engine):
    """How far the stored times are from those of the clock that is right."""
    return AHEAD_MS if engine == "sqlite" else 0


@pytest.fixture
def fast(clock):
    """A clock that is five minutes ahead."""
    return lambda: clock() + AHEAD_MS


@pytest.fixture
def client(shop, fast):
    with TestClient(create(shop.settings, clock=fast)) as opened:
        yield opened


def test_a_merchants_steps_are_dated_by_the_clock_that_counts(shop, counter, client, clock, theirs):
    conversion_id = counter.purchase().id
    clock.advance_s(3600)
    for headers in ({}, {"Idempotency-Key": "once"}):
        step = "reject" if headers else "approve"
        secret = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
        client.post(f"/v1/conversions/{conversion_id}/{step}", json={}, headers=secret | headers)
    made = client.post("/v1/programs", json={"name": "New"}, headers=secret).json()
    expected = {clock() + theirs}
    assert {row["updated_ms"] for row in shop.rows("SELECT updated_ms FROM conversions")} == expected
    noted = shop.rows(
        "SELECT at_ms FROM audit WHERE action = 'conversion.approved' OR subject_id = ?", made["id"]
    )
    assert len(noted) == 2 and {row["at_ms"] for row in noted} == expected
    assert {row["at_ms"] for row in shop.rows("SELECT at_ms FROM idempotency")} == expected


def test_clicks_are_dated_by_the_clock_that_counts(shop, fast, clock, theirs):
    report = shop.report(ref_code="JOHN123")
    page = {"Origin": "https://shop.example", "User-Agent": AGENT}
    with TestClient(create(shop.settings, clock=fast)) as client:  # at its end what was answered is stored
        for headers in (page, page | {"Sec-Purpose": "prefetch"}):
            assert client.post("/v1/track-click", json=report, headers=headers).status_code == 202
    for table in ("clicks", "automated_clicks"):
        assert [row["at_ms"] for row in shop.rows(f"SELECT at_ms FROM {table}")] == [clock() + theirs]


def test_nothing_is_forgotten_before_its_time(shop, counter, clock, fast, engine):
    assert counter.purchase().code == "pending"
    clock.advance_s((KEPT_MS["acceptances"] - AHEAD_MS // 2) / 1000)
    Housekeeping(shop.database, fast).forget()
    kept = len(shop.rows("SELECT * FROM acceptances"))
    assert kept == (0 if engine == "sqlite" else 1)
    clock.advance_s(AHEAD_MS / 1000)
    Housekeeping(shop.database, clock).forget()
    assert shop.rows("SELECT * FROM acceptances") == []
