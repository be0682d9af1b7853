"""Bad luck, with the service as a process of its own: said clearly, nothing half-stored, and over when it is over.

Nothing here restarts the service: a fault that has passed must leave no trace in it.
"""

import asyncio
import contextlib
import json
import resource
import socket
import sqlite3
import threading
import time
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from refledger import app
from refledger.store.engine import is_unavailable
from refledger.web.protocol import Protocol
from tests.builders import AGENT, PURCHASE, Shop, settings_for
from tests.journeys.checks import faults, lost
from tests.journeys.wire import Server, Wire, at_once

UNLIMITED = {"hourly": 1_000_000, "daily": 1_000_000}
ON_SQLITE = pytest.mark.only_on("sqlite", "it is about its file; PostgreSQL has faults of its own, next door")
WAIT_S = 0.5  # how long the service waits for a busy database in these tests
RECOVERY_S = 5


@pytest.fixture
def running(shop, request):
    """(shop, server, client); a test's parameters are settings, in capitals without prefix."""
    given = {"DATABASE_WAIT_S": str(WAIT_S)} | getattr(request, "param", {})
    shop.make_affiliate("MANY", limits=UNLIMITED)
    factory = "tests.journeys.test_faults:impatient" if "BODY_TIMEOUT_S" in given else "refledger.app:create"
    environment = {f"REFLEDGER_{name}": value for name, value in given.items()}
    server = Server(shop.settings, factory, **environment)
    with server, httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
        yield shop, server, client


@pytest.fixture
def jumping(database_url, tmp_path, clock):
    """(shop, client, clock): in this process, with the clock and the database in hand."""
    made = Shop(settings_for(database_url, tmp_path, log_level="error"), clock)
    made.make_affiliate("MANY", limits=UNLIMITED)
    with TestClient(app.create(made.settings, clock), follow_redirects=False) as client:
        yield made, client, clock
    made.close()


def impatient():
    """The service with less patience for heads, so that nobody waits ten seconds for a test."""
    Protocol.head_s = 1.0
    return app.create()


def sale(shop, name, **fields):
    """A report of a sale of its own."""
    own = {"customer_email": f"{name}x@{name}.example", "order_id": name}
    return shop.report(**{"ref_code": "MANY", **PURCHASE, **own, **fields})


def track(client, report):
    return client.post("/v1/track-conversion", json=report)


def follow(client):
    headers = {"user-agent": AGENT}
    return client.get("/r/program/MANY", headers=headers, follow_redirects=False)


def click_of(answer):
    assert answer.status_code == 302, answer.text
    (cookie,) = (each for each in answer.headers.get_list("set-cookie") if each.startswith("affiliate_click"))
    return cookie.partition("=")[2].partition(";")[0]


def bearer(shop):
    return {"Authorization": f"Bearer {shop.keys['secret_key']}"}


def assert_says_so(answer):
    """A clean 503: in the house's shape, with the time to come again."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    body = answer.json()
    assert body["code"] in ("unavailable", "overloaded")
    assert body["retry_after"] == int(answer.headers["retry-after"])


def assert_recovers(client, shop, name):
    """Without a restart, in a few seconds; answers the conversion's id."""
    until = time.monotonic() + RECOVERY_S
    while (answer := track(client, sale(shop, name))).status_code == 503 and time.monotonic() < until:
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    return answer.json()["conversion_id"]


def assert_stored(shop, clicks):
    """Every click that was answered, a few seconds later at the latest."""
    until = time.monotonic() + RECOVERY_S
    while True:
        stored = {row["id"] for row in shop.rows("SELECT id FROM clicks")}
        if set(clicks) <= stored or time.monotonic() > until:
            return not (set(clicks) - stored) or pytest.fail(f"lost: {set(clicks) - stored}")
        time.sleep(0.1)


def assert_sound(shop, acknowledged, refused=()):
    url = shop.settings.database_url
    assert lost(url, dict.fromkeys(acknowledged, 999)) == []
    assert faults(url) == []
    stored = {row["order_id"] for row in shop.rows("SELECT order_id FROM conversions")}
    assert not stored & set(refused)


# ── the disk is full ──────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def full_disk(server, path):
    """Files of this process may grow no further; the database's log has no room for another page."""
    pid, wal = server.process.pid, Path(f"{path}-wal")
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@ON_SQLITE
def test_a_full_disk(running, tmp_path):
    shop, server, client = running
    before = [track(client, sale(shop, f"before{n}")).json()["conversion_id"] for n in range(3)]
    clicks = [click_of(follow(client))]
    with full_disk(server, tmp_path / "refledger.db"):
        refused = [f"during{n}" for n in range(3)]
        for name in refused:
            assert_says_so(track(client, sale(shop, name)))
        assert_says_so(client.post("/v1/programs", json={"name": "New"}, headers=bearer(shop)))
        listed = client.get("/v1/conversions", headers=bearer(shop))
        assert len(listed.json()["data"]) == 3
        clicks += [click_of(follow(client)) for _ in range(20)]  # answered, and kept until there is room
        assert client.get("/healthz").status_code == 200
    after = assert_recovers(client, shop, "after")
    assert_stored(shop, clicks)
    assert_sound(shop, [*before, after], refused)
    assert shop.rows("SELECT id FROM programs WHERE name = 'New'") == []


@ON_SQLITE
def test_the_disk_of_that_test_is_really_full(running, tmp_path):
    """The negative control: the same limit with room in it refuses nothing."""
    shop, server, client = running
    track(client, sale(shop, "first"))
    pid = server.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (64 * 1024 * 1024, resource.RLIM_INFINITY))
    assert track(client, sale(shop, "second")).status_code == 200


# ── somebody else holds the database ──────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def locked(path):
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@ON_SQLITE
def test_a_database_locked_for_too_long(running, tmp_path):
    shop, _, client = running
    first = track(client, sale(shop, "first")).json()["conversion_id"]
    clicks = [click_of(follow(client))]
    with locked(tmp_path / "refledger.db"):
        started = time.monotonic()
        assert_says_so(track(client, sale(shop, "during")))
        assert time.monotonic() - started < 4 * WAIT_S + 1
        clicks += [click_of(follow(client)) for _ in range(20)]
        for path in ("/v1/conversions", f"/v1/conversions/{first}", "/v1/programs"):
            assert client.get(path, headers=bearer(shop)).status_code == 200
        assert_says_so(client.post(f"/v1/conversions/{first}/approve", json={}, headers=bearer(shop)))
    after = assert_recovers(client, shop, "after")
    assert_stored(shop, clicks)
    assert_sound(shop, [first, after], ["during"])


@ON_SQLITE
def test_a_short_lock_is_waited_for(running, tmp_path):
    """The negative control: what ends within the time to wait costs nobody an answer."""
    shop, _, client = running
    answers = []
    with locked(tmp_path / "refledger.db"):
        asking = threading.Thread(target=lambda: answers.append(track(client, sale(shop, "patient"))))
        asking.start()
        time.sleep(WAIT_S / 3)
    asking.join()
    assert answers[0].status_code == 200


@ON_SQLITE
def test_behind_a_lock_nobody_waits_for_those_before(running, tmp_path):
    """Sixty writers of the management API at once: all hear within about the time to wait, reads and clicks sooner."""
    shop, server, client = running
    follow(client)
    requests, answers = [({"name": f"Program {n}"}, bearer(shop)) for n in range(60)], []
    writing = threading.Thread(
        target=lambda: answers.extend(at_once_to(server.port, "/v1/programs", requests))
    )
    with locked(tmp_path / "refledger.db"):
        started = time.monotonic()
        writing.start()
        time.sleep(0.1)
        asked = time.monotonic()
        assert follow(client).status_code == 302
        assert time.monotonic() - asked < WAIT_S
        assert_says_so(track(client, sale(shop, "behind")))
        assert client.get("/v1/programs", headers=bearer(shop)).status_code == 200
        writing.join()
        took_s = time.monotonic() - started
    assert {answer.status for answer in answers} == {503}
    assert took_s < 8 * WAIT_S + 1  # one after the other it would be 60 × WAIT_S
    assert_recovers(client, shop, "after")


def at_once_to(port, path, requests):
    async def run():
        wires = [Wire(port) for _ in requests]
        try:
            pairs = zip(wires, requests, strict=True)
            return await asyncio.gather(*(wire.post(*request, path) for wire, request in pairs))
        finally:
            for wire in wires:
                wire.close()

    return asyncio.run(run())


@ON_SQLITE
@pytest.mark.parametrize("running", [{"MAX_WAITING": "1", "GROUP_CAP": "1"}], indirect=True)
def test_a_full_inbox(running, tmp_path):
    """One is being settled, one waits: the third hears at once that it must come again."""
    shop, server, client = running
    with locked(tmp_path / "refledger.db"):
        started = time.monotonic()
        answers = at_once(server.port, [(sale(shop, f"full{n}"), None) for n in range(20)])
        took_s = time.monotonic() - started
    codes = [answer.body["code"] for answer in answers]
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert codes.count("overloaded") >= 17
    assert took_s < 8 * WAIT_S + 1
    # Who was taken and told to come again, after a while, may be stored all the same: no write is cancelled.
    turned_away = [f"full{n}" for n, code in enumerate(codes) if code == "overloaded"]
    assert_sound(shop, [assert_recovers(client, shop, "after")], turned_away)


# ── read-only, and the other ways of being out of reach ───────────────────────────────────────────────────────

UNAVAILABLE = (
    "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_RECOVERY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_READONLY",
    "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_DBMOVED", "SQLITE_CANTOPEN", "SQLITE_NOMEM", "SQLITE_PERM",
    "SQLITE_IOERR", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_READ",
    "SQLITE_CORRUPT", "SQLITE_NOTADB",
)  # fmt: skip
FAULTS = ("SQLITE_ERROR", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_MISMATCH", "SQLITE_MISUSE")


@pytest.mark.parametrize("name", [*UNAVAILABLE, *FAULTS])
def test_what_an_error_of_sqlite_means(name):
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode = getattr(sqlite3, name)
    assert is_unavailable(error) is (name in UNAVAILABLE)


@pytest.mark.parametrize(
    ("state", "unavailable"),
    [("53100", True), ("57P03", True), ("08006", True), ("58030", True), ("25006", True), ("53300", True),
     ("23505", False), ("40001", False), ("42P01", False), ("22P02", False)],
)  # fmt: skip
def test_what_an_error_of_postgresql_means(state, unavailable):
    error = Exception(state)
    error.sqlstate = state
    assert is_unavailable(error) is unavailable


@ON_SQLITE
def test_a_database_that_turns_read_only(jumping):
    """As SQLite itself says it, to the service's own connection: until it is writable again, nothing is stored."""
    shop, client, _ = jumping
    first = track(client, sale(shop, "first")).json()["conversion_id"]
    set_read_only(client, True)
    assert_says_so(track(client, sale(shop, "during")))
    assert_says_so(client.post("/v1/programs", json={"name": "New"}, headers=bearer(shop)))
    assert client.get(f"/v1/conversions/{first}", headers=bearer(shop)).status_code == 200
    click = click_of(client.get("/r/program/MANY", headers={"user-agent": AGENT}))
    set_read_only(client, False)
    after = assert_recovers(client, shop, "after")
    assert_stored(shop, [click])
    assert_sound(shop, [first, after], ["during"])


def set_read_only(client, read_only):
    database = client.app.state.api_house.database
    with database.turn:  # its one writing connection is nobody else's meanwhile
        database.writing.connection.driver_connection.execute(f"PRAGMA query_only = {int(read_only)}")


# ── stopped, crowded, dawdled with ────────────────────────────────────────────────────────────────────────────


def test_an_orderly_stop_under_load(running):
    """Whatever was answered is stored, and whatever was taken is answered: no connection breaks off half-way."""
    shop, server, _ = running
    conversions, clicks, broken = [], [], []

    async def reporter(number):
        wire = Wire(server.port)
        for count in range(100_000):
            try:
                answer = await wire.post(sale(shop, f"stop{number}n{count}"))
            except OSError:
                return wire.close()  # refused or closed before it was sent
            except asyncio.IncompleteReadError as error:
                broken.extend([error.partial] if error.partial else [])
                return wire.close()
            if answer.status == 200:
                conversions.append(answer.body["conversion_id"])
            elif answer.status != 503:
                broken.append(answer.content)

    async def clicker(number):
        fields = shop.report(ref_code="MANY")
        wire = Wire(server.port)
        headers = {"Origin": "https://shop.example", "User-Agent": AGENT}
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                answer = await wire.post(fields, headers, "/v1/track-click")
                if answer.status == 202:
                    clicks.append(answer.body["click_id"])
        wire.close()

    async def run():
        load = [asyncio.create_task(each(n)) for n in range(8) for each in (reporter, clicker)]
        await asyncio.sleep(1)
        await asyncio.to_thread(server.stop)
        await asyncio.gather(*load)

    asyncio.run(run())
    assert server.process.returncode in (0, -15)
    assert broken == []
    assert len(conversions) >= 8
    assert len(clicks) >= 8
    stored = {row["id"] for row in shop.rows("SELECT id FROM clicks")}
    assert set(clicks) <= stored
    assert_sound(shop, conversions)


def test_a_hard_stop_breaks_connections_off(running):
    """The negative control: killed, the service leaves requests without an answer."""
    shop, server, _ = running
    unanswered = []

    async def reporter(number):
        wire = Wire(server.port)
        for count in range(100_000):
            try:
                await wire.post(sale(shop, f"hard{number}n{count}"))
            except (OSError, EOFError):
                unanswered.append(f"hard{number}n{count}")
                return wire.close()

    async def run():
        load = [asyncio.create_task(reporter(number)) for number in range(16)]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*load)

    asyncio.run(run())
    assert len(unanswered) == 16


@pytest.mark.parametrize("running", [{"DATABASE_WAIT_S": "5"}], indirect=True)
def test_256_clients(running):
    """All are answered, and the next one as if nothing had been: with the room there is by default none is refused."""
    shop, server, client = running
    answers = at_once(server.port, [(sale(shop, f"crowd{n}"), None) for n in range(256)])
    assert {answer.status for answer in answers} == {200}
    assert_sound(shop, [answer.body["conversion_id"] for answer in answers])
    started = time.monotonic()
    assert track(client, sale(shop, "next")).status_code == 200
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("running", [{"BODY_TIMEOUT_S": "1"}], indirect=True)
def test_slow_clients_are_cut_and_hold_nobody_up(running):
    """A body that never comes is answered 408; a head that never ends is cut off. Meanwhile others are served."""
    shop, server, client = running
    head = b"POST /v1/track-conversion HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    slow_bodies = [_connected(server.port, head + b"\r\n{") for _ in range(100)]
    slow_heads = [_connected(server.port, head) for _ in range(100)]
    for number in range(20):
        started = time.monotonic()
        assert track(client, sale(shop, f"quick{number}")).status_code == 200
        assert time.monotonic() - started < 0.5
    for each in slow_bodies:
        answer = _rest(each)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_timeout"
    slow_heads[0].sendall(b"X: y\r\n")  # dripping buys no time
    for each in slow_heads:
        assert _rest(each) == b""
    track_again = track(client, sale(shop, "afterwards"))
    assert track_again.status_code == 200


def _connected(port, data):
    made = socket.create_connection(("127.0.0.1", port), timeout=20)
    made.sendall(data)
    return made


def _rest(connection):
    """Until the service ends the connection."""
    parts = []
    with connection, contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
