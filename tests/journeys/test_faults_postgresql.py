"""Bad luck on PostgreSQL: its server stopped, crowded, read-only or held up. Said clearly, nothing lost, and soon over.

As in `test_faults`, nothing here restarts the service. The server is these tests' own, for what happens to it.
"""

import contextlib
import itertools
import threading
import time

import httpx
import psycopg
import pytest

from refledger.store.engine import now_ms
from tests.builders import Shop, settings_for
from tests.fire.server import FAST, IMMEDIATE, OwnServer
from tests.journeys.test_faults import (
    UNLIMITED,
    assert_recovers,
    assert_says_so,
    assert_sound,
    assert_stored,
    bearer,
    click_of,
    follow,
    sale,
    track,
)
from tests.journeys.wire import Server, at_once

CUT = "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s"
names = (f"shop_{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server():
    with OwnServer(fsync="off", max_connections="40") as made:
        yield made


@pytest.fixture
def running(server, tmp_path):
    """(shop, the service's process, client), on a database of its own."""
    shop = Shop(settings_for(server.make_database(next(names)), tmp_path), now_ms)
    shop.make_affiliate("MANY", limits=UNLIMITED)
    service = Server(shop.settings, REFLEDGER_DATABASE_WAIT_S="0.5")
    with service, httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=30) as client:
        yield shop, service, client
    shop.close()


def unserved(shop, service, client, name):
    """What is answered while nothing can be stored: the names of the sales refused, and the clicks taken."""
    assert_says_so(track(client, sale(shop, name)))
    assert_says_so(client.post("/v1/programs", json={"name": "New"}, headers=bearer(shop)))
    clicks = [click_of(follow(client)) for _ in range(20)]  # kept until they can be stored
    crowd = [f"{name}{number}" for number in range(64)]
    answers = at_once(service.port, [(sale(shop, each), None) for each in crowd])
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert client.get("/healthz").status_code == 200
    return [name, *crowd], clicks


def through(running, fault):
    """A sale and a click before, during and after the fault."""
    shop, service, client = running
    before = track(client, sale(shop, "before")).json()["conversion_id"]
    clicks = [click_of(follow(client))]
    with fault:
        refused, more = unserved(shop, service, client, "during")
    after = assert_recovers(client, shop, "after")
    assert_stored(shop, clicks + more)
    assert_sound(shop, [before, after], refused)
    assert shop.rows("SELECT id FROM programs WHERE name = 'New'") == []


@contextlib.contextmanager
def stopped(server, how):
    server.stop(how)
    yield
    server.start()


@pytest.mark.parametrize("how", [FAST, IMMEDIATE], ids=["orderly", "as a crash leaves it"])
def test_a_server_that_is_stopped_and_started(running, server, how):
    through(running, stopped(server, how))


@contextlib.contextmanager
def crowded(server, database):
    """Others have every connection that the server has to give; those of the service were cut."""
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(psycopg.connect(server.url("postgres"), autocommit=True))
        one.execute(CUT, [database])
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(server.url("postgres")))
        yield


def test_a_server_out_of_connections(running, server):
    shop, _, _ = running
    through(running, crowded(server, shop.database.url.database))


@contextlib.contextmanager
def read_only(server, database):
    """As a failover leaves it that leads the service to a replica."""
    for setting in ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
        server.ask(f"ALTER DATABASE {database} {setting}")
        server.ask(CUT, database)  # whoever connects anew has it so
        if setting.startswith("SET"):
            yield


def test_a_server_that_turns_read_only(running, server):
    shop, _, _ = running
    through(running, read_only(server, shop.database.url.database))


@contextlib.contextmanager
def held_up(shop):
    """Nobody gets any further with a conversion."""
    with psycopg.connect(shop.settings.database_url) as other:
        other.execute("LOCK TABLE conversions IN ACCESS EXCLUSIVE MODE")
        yield


def test_who_waits_for_too_long_is_told_and_the_retry_finds_the_sale(running):
    """The write under way is not cancelled: it takes place once it can, and is answered to whoever asks again."""
    shop, _, client = running
    report, key = sale(shop, "slow"), {"Idempotency-Key": "slow"}
    with held_up(shop):
        assert_says_so(client.post("/v1/track-conversion", json=report, headers=key))
        assert client.get("/healthz").status_code == 200
    until_s = time.monotonic() + 5
    while (answer := client.post("/v1/track-conversion", json=report, headers=key)).status_code == 503:
        assert time.monotonic() < until_s
        time.sleep(0.1)
    assert answer.status_code == 200
    assert len(shop.rows("SELECT id FROM conversions")) == 1
    assert_sound(shop, [answer.json()["conversion_id"]])


def test_a_short_wait_is_waited_for(running):
    """The negative control."""
    shop, _, client = running
    answers = []
    with held_up(shop):
        asking = threading.Thread(target=lambda: answers.append(track(client, sale(shop, "patient"))))
        asking.start()
        time.sleep(0.3)
    asking.join()
    assert answers[0].status_code == 200
