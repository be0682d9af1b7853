"""PostgreSQL that answers late, or not at all, or is full: everybody hears, nothing is lost, and it is over soon after.

What was answered 503 may have been stored all the same, by a write that was under way: whoever asks again learns it.
"""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from refledger import app
from refledger.store import engine
from refledger.store.engine import Database, is_unavailable, now_ms
from refledger.web.api import door
from tests.builders import Shop, settings_for
from tests.fire.proxy import Proxy
from tests.fire.server import OwnServer
from tests.journeys.checks import faults, lost
from tests.journeys.test_faults import (
    UNLIMITED,
    assert_says_so,
    assert_stored,
    bearer,
    click_of,
    follow,
    sale,
    track,
)
from tests.journeys.wire import Server, at_once

WAIT_S = 0.5
PROMISED_S, BUSY_S = 5, 15  # until it serves again: what is promised, and what is granted to a busy machine
names = (f"slow_{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def own_server():
    with OwnServer(fsync="off") as made:
        yield made


@pytest.fixture
def shop(own_server, tmp_path):
    made = Shop(settings_for(own_server.make_database(next(names)), tmp_path, log_level="error"), now_ms)
    for code in ("MANY", "OTHER"):
        made.make_affiliate(code, limits=UNLIMITED)
    yield made
    made.close()


def unbounded():
    """The service with transactions that wait for any lock, and hold what they have, for ever."""
    engine.SEE = "SELECT set_config('refledger.merchants', %s, true), CAST(%s AS text)"
    engine.CLOCK = """
    SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint), CAST(%s AS text), CAST(%s AS text)"""
    return app.create()


@contextlib.contextmanager
def serving(settings, wait_s=WAIT_S, factory="refledger.app:create"):
    """(its process, client)."""
    service = Server(settings, factory, REFLEDGER_DATABASE_WAIT_S=str(wait_s), REFLEDGER_BODY_TIMEOUT_S="1")
    with service, httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=60) as client:
        yield service, client


@pytest.fixture
def running(shop):
    with serving(shop.settings) as (service, client):
        yield shop, service, client


def name_of(shop):
    return shop.database.url.database


def recovers(client, report):
    """The conversion's id: retried until it is decided, within what is promised."""
    began_s = time.monotonic()
    key = {"Idempotency-Key": report["order_id"]}
    while (answer := client.post("/v1/track-conversion", json=report, headers=key)).status_code == 503:
        assert time.monotonic() - began_s < BUSY_S, "it does not recover"
        time.sleep(0.05)
    print(f"served again after {time.monotonic() - began_s:.2f} s of {PROMISED_S}")
    assert answer.status_code == 200, answer.text
    return answer.json()["conversion_id"]


def through(running, fault, clients=256):
    """256 clients at once during the fault: each hears; afterwards each may ask again, and is decided once."""
    shop, service, client = running
    before, clicks = track(client, sale(shop, "before")).json()["conversion_id"], [click_of(follow(client))]
    crowd = [sale(shop, f"crowd{number}") for number in range(clients)]
    requests = [(report, {"Idempotency-Key": report["order_id"]}) for report in crowd]
    with fault:
        for answer in at_once(service.port, requests):
            assert answer.status in (200, 503), answer.content
            assert answer.status == 200 or int(answer.headers["retry-after"]) >= 1
        assert_says_so(client.post("/v1/programs", json={"name": "New"}, headers=bearer(shop)))
        assert_says_so(client.get("/v1/conversions", headers=bearer(shop)))
        clicks += [click_of(follow(client)) for _ in range(20)]
        assert client.get("/healthz").status_code == 200
    after = recovers(client, sale(shop, "after"))
    ids = [recovers(client, report) for report in crowd[:16]]
    assert client.get("/v1/conversions", headers=bearer(shop)).status_code == 200
    assert_stored(shop, clicks)
    assert lost(shop.settings.database_url, dict.fromkeys([before, after, *ids], 999)) == []
    assert faults(shop.settings.database_url) == []


# ── silent ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def frozen(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def frozen_whole(server):
    """The server with all that serve its clients. Itself first: whom it would start meanwhile nobody could name."""
    own = server.process.pid
    with frozen([own]):
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        with frozen([int(child) for child in children]):
            yield


def test_a_server_that_is_frozen(running, own_server):
    """Neither an answer nor an end of the connection."""
    shop, _, client = running
    track(client, sale(shop, "first"))
    follow(client)
    through(running, frozen_whole(own_server))


def patient():
    """The service with a management API that waits for its answers as long as they take."""
    door._in_time = lambda house, answering: answering
    return app.create()


@pytest.mark.prove
def test_without_an_end_to_its_patience_the_management_api_keeps_silent_too(shop, own_server):
    """The negative control."""
    with serving(shop.settings, factory="tests.journeys.test_slow_postgresql:patient") as (_, client):
        assert client.get("/v1/conversions", headers=bearer(shop)).status_code == 200
        with (
            frozen_whole(own_server),
            pytest.raises(httpx.ReadTimeout),
        ):
            client.get("/v1/conversions", headers=bearer(shop), timeout=5)
        assert client.get("/v1/conversions", headers=bearer(shop)).status_code == 200


@pytest.fixture
def far(shop, own_server):
    """The same, over a network: (running, proxy)."""
    with Proxy(f"{own_server.folder}/.s.PGSQL.5432") as proxy:
        url = own_server.url(name_of(shop), "127.0.0.1", proxy.port)
        settings = shop.settings.model_copy(update={"database_url": url})
        with serving(settings) as (service, client):
            yield (shop, service, client), proxy


def test_a_network_that_keeps_silent(far):
    running, proxy = far
    through(running, proxy.silent())


def test_a_network_that_is_slow(far):
    """A group takes seconds: whoever waits too long is told so, and the others are answered."""
    (shop, service, client), proxy = far
    with proxy.slow(0.05):
        statuses = {track(client, sale(shop, f"late{number}")).status_code for number in range(3)}
        crowd = at_once(service.port, [(sale(shop, f"crowd{number}"), None) for number in range(64)])
    assert statuses | {answer.status for answer in crowd} <= {200, 503}
    recovers(client, sale(shop, "after"))
    acknowledged = [answer.body["conversion_id"] for answer in crowd if answer.status == 200]
    assert lost(shop.settings.database_url, dict.fromkeys(acknowledged, 999)) == []
    assert faults(shop.settings.database_url) == []


def test_a_server_that_is_gone_without_a_word_is_given_up(far):
    """By the system, below us: a connection asks whether the other end lives, and is ended where none answers."""
    (shop, _, _), proxy = far
    database = Database(f"postgresql://refledger@127.0.0.1:{proxy.port}/{name_of(shop)}", wait_s=3)
    with database.read() as connection:
        handle = connection.connection.driver_connection.pgconn.socket
        with socket.socket(fileno=os.dup(handle)) as tcp:
            assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            options = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT]
            assert [tcp.getsockopt(socket.IPPROTO_TCP, each) for each in options] == [3, 3, 2, 6000]
    database.close()


# ── held up by somebody ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", ["55P03", "25P03"])
def test_waiting_too_long_is_no_fault(state):
    error = Exception(state)
    error.sqlstate = state
    assert is_unavailable(error)


@contextlib.contextmanager
def held(shop, statement):
    with psycopg.connect(shop.settings.database_url) as other:
        other.execute(statement)
        yield other


LOCKED = {
    "a table": "LOCK TABLE standings IN ACCESS EXCLUSIVE MODE",
    "what is read first": "LOCK TABLE merchants IN ACCESS EXCLUSIVE MODE",
    "a row": "SELECT 1 FROM standings FOR UPDATE",
}


@pytest.mark.parametrize("statement", LOCKED.values(), ids=LOCKED)
def test_a_lock_that_somebody_keeps(running, statement):
    """Nothing of what was refused is stored: the write gave up, it was not cut off."""
    shop, service, client = running
    first = track(client, sale(shop, "first")).json()["conversion_id"]
    follow(client)
    with held(shop, statement):
        answers = at_once(service.port, [(sale(shop, f"crowd{number}"), None) for number in range(256)])
        assert {answer.status for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
        time.sleep(3 * WAIT_S)  # whatever still waited has given up
        click = click_of(follow(client))
    after = recovers(client, sale(shop, "after"))
    assert_stored(shop, [click])
    assert {row["id"] for row in shop.rows("SELECT id FROM conversions")} == {first, after}
    assert faults(shop.settings.database_url) == []


ONE_AFFILIATE = """
SELECT 1 FROM standings JOIN affiliates ON id = affiliate_id WHERE ref_code = 'MANY' FOR UPDATE OF standings"""


@contextlib.contextmanager
def stuck(shop, service, client, waves=1):
    """Reports of one affiliate wait for somebody, in so many waves: each wave is a group, and holds a thread."""
    for code in ("MANY", "OTHER"):
        track(client, sale(shop, f"first{code}", ref_code=code))
    asking = []
    with held(shop, ONE_AFFILIATE):
        for wave in range(waves):
            requests = [(sale(shop, f"stuck{wave}x{number}"), None) for number in range(8)]
            asking.append(threading.Thread(target=at_once, args=(service.port, requests)))
            asking[-1].start()
            awaited(shop, f"SELECT 1 FROM ({LOCKED_OUT}) AS waiting HAVING count(*) > {wave}")
        yield
    for each in asking:
        each.join()


def test_who_waits_for_one_affiliate_does_not_hold_up_the_others(running):
    """While nothing gives way the others are served."""
    shop, service, client = running
    with stuck(shop, service, client):
        recovers(client, sale(shop, "free", ref_code="OTHER"))
    recovers(client, sale(shop, "after"))
    assert faults(shop.settings.database_url) == []


@pytest.mark.prove
def test_without_a_bound_they_are_held_up(shop):
    """The negative control: whoever asks is told to come again, and again."""
    unsafe = "tests.journeys.test_slow_postgresql:unbounded"
    with serving(shop.settings, factory=unsafe) as (service, client), stuck(shop, service, client, waves=2):
        for _ in range(3):
            assert_says_so(track(client, sale(shop, "free", ref_code="OTHER")))


@contextlib.contextmanager
def falling_silent(shop, service, client):
    """The process is frozen in the middle of a transaction, and holds an affiliate. Yields what its client heard."""
    track(client, sale(shop, "before"))
    heard, pid = [], service.process.pid
    asking = threading.Thread(target=lambda: heard.append(track(client, sale(shop, "frozen"))))
    with contextlib.ExitStack() as frost:
        with held(shop, "LOCK TABLE standings IN ACCESS EXCLUSIVE MODE"):
            asking.start()
            awaited(shop, LOCKED_OUT)
            frost.enter_context(frozen([pid]))
        awaited(shop, "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = ?")
        yield heard
    asking.join()


def test_a_frozen_process_lets_go_of_what_it_holds(shop):
    """Its machine may be gone: another process serves the same affiliate after a while. Thawed, it serves again."""
    with serving(shop.settings, wait_s=2) as (service, client), serving(shop.settings) as (_, another):
        with falling_silent(shop, service, client) as heard:
            assert_says_so(track(another, sale(shop, "held")))
            recovers(another, sale(shop, "meanwhile"))
        assert_says_so(heard[0])
        recovers(client, sale(shop, "thawed"))
    orders = {row["order_id"] for row in shop.rows("SELECT order_id FROM conversions")}
    assert orders == {"before", "meanwhile", "thawed"}
    assert faults(shop.settings.database_url) == []


@pytest.mark.prove
def test_without_a_bound_it_keeps_what_it_holds(shop):
    """The negative control: nobody else serves that affiliate until it is thawed."""
    unsafe = "tests.journeys.test_slow_postgresql:unbounded"
    with (
        serving(shop.settings, 2, unsafe) as (service, client),
        serving(shop.settings) as (_, another),
        falling_silent(shop, service, client),
    ):
        until_s = time.monotonic() + 8
        while time.monotonic() < until_s:
            assert_says_so(track(another, sale(shop, "held")))


LOCKED_OUT = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = ?"


def awaited(shop, sql):
    until_s = time.monotonic() + BUSY_S
    while not shop.rows(sql, name_of(shop)):
        assert time.monotonic() < until_s, sql
        time.sleep(0.02)


# ── failed over ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_connections_to_a_server_that_leads_no_more_are_given_up(running, own_server):
    """They still answer, and would refuse every write for as long as they are used."""
    shop, service, client = running
    before = track(client, sale(shop, "before")).json()["conversion_id"]
    own_server.ask(f"ALTER DATABASE {name_of(shop)} SET default_transaction_read_only = on")
    own_server.ask(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s", name_of(shop)
    )
    crowd = at_once(service.port, [(sale(shop, f"crowd{number}"), None) for number in range(256)])
    assert {answer.status for answer in crowd} == {503}
    for _ in range(3):
        assert client.get("/v1/conversions", headers=bearer(shop)).status_code == 200
    own_server.ask(f"ALTER DATABASE {name_of(shop)} RESET default_transaction_read_only")
    after = recovers(client, sale(shop, "after"))
    assert {row["id"] for row in shop.rows("SELECT id FROM conversions")} == {before, after}


# ── full ─────────────────────────────────────────────────────────────────────────────────────────────────────────

FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_room();
"""


@pytest.mark.parametrize("table", ["conversions", "sightings", "idempotency"])
def test_a_full_disk_as_postgresql_says_it(running, table):
    """At any of the tables: nothing of the group is stored."""
    shop, service, client = running
    first = track(client, sale(shop, "first")).json()["conversion_id"]
    shop.run(FULL.format(table=table))
    requests = [(sale(shop, f"crowd{n}"), {"Idempotency-Key": f"crowd{n}"}) for n in range(64)]
    answers = at_once(service.port, requests)
    assert {answer.status for answer in answers} == {503}
    shop.run(f"DROP TRIGGER no_room ON {table}")
    after = recovers(client, sale(shop, "after"))
    assert {row["id"] for row in shop.rows("SELECT id FROM conversions")} == {first, after}
    assert faults(shop.settings.database_url) == []


@contextlib.contextmanager
def small_disk(own_server):
    """A folder on a disk of 32 MB."""
    folder = own_server.folder / "small"
    folder.mkdir()
    owner = f"uid={own_server.folder.stat().st_uid},gid={own_server.folder.stat().st_gid},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", f"size=32m,{owner}", "tmpfs", str(folder)]
    if (
        os.geteuid() != 0
        or not shutil.which("mount")
        or subprocess.run(command, capture_output=True).returncode
    ):
        pytest.skip("a disk of its own needs the right to mount one; the same error is tried without, above")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full(own_server, tmp_path):
    """Of the tables alone: without room for its log PostgreSQL stops, which is tried as such."""
    with small_disk(own_server) as folder:
        own_server.ask(f"CREATE TABLESPACE small LOCATION '{folder}'")
        name = next(names)
        url = own_server.make_database(name)
        own_server.ask(f"ALTER DATABASE {name} SET TABLESPACE small")
        with contextlib.closing(Shop(settings_for(url, tmp_path, log_level="error"), now_ms)) as shop:
            shop.make_affiliate("MANY", limits=UNLIMITED)
            with serving(shop.settings) as (service, client):
                _fill(shop, service, client, folder)
        own_server.ask(f"DROP DATABASE {name} WITH (FORCE)")
        own_server.ask("DROP TABLESPACE small")


def _fill(shop, service, client, folder):
    stored, answers = [track(client, sale(shop, "first")).json()["conversion_id"]], []
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for crowd in range(20):
        answers = at_once(service.port, [(sale(shop, f"crowd{crowd}n{n}"), None) for n in range(64)])
        assert {answer.status for answer in answers} <= {200, 503}
        stored += [answer.body["conversion_id"] for answer in answers if answer.status == 200]
        if {answer.status for answer in answers} == {503}:
            break
    assert {answer.status for answer in answers} == {503}
    filler.unlink()
    stored.append(recovers(client, sale(shop, "after")))
    assert {row["id"] for row in shop.rows("SELECT id FROM conversions")} == set(stored)
    assert faults(shop.settings.database_url) == []
