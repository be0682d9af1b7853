"""A followed link that is known just now is answered by the protocol itself: the same answer, on real connections."""

import asyncio
import re
import socket
import threading
import time

import pytest
import uvicorn

from refledger.app import create
from refledger.web.clicks import FollowLink
from refledger.web.protocol import Protocol

pytestmark = pytest.mark.only_on("sqlite", "what is asked of the database is asked the usual way")


@pytest.fixture
def served(shop, settings, monkeypatch):
    """A connection to the whole service, the program's slug, and how many links were answered at once."""
    told = []
    at_once = FollowLink.at_once
    monkeypatch.setattr(
        FollowLink, "at_once", lambda self, scope: told.append(at_once(self, scope)) or told[-1]
    )
    config = uvicorn.Config(create(settings), port=0, http=Protocol, log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    slug = shop.one("SELECT slug FROM programs")["slug"]
    with socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=5) as connection:
        yield connection, slug, told
    server.should_exit = True
    thread.join(10)


def request(path, *headers, method="GET", version="1.1", body=b""):
    lines = [f"{method} {path} HTTP/{version}", "host: x", "user-agent: Mozilla/5.0 (X11)", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


def answers(connection, count):
    """The next answers on the connection, each as (status, headers, body)."""
    read, found = b"", []
    while len(found) < count:
        while b"\r\n\r\n" not in read:
            part = connection.recv(65536)
            assert part, f"the connection ended after {len(found)} answers and {read}"
            read += part
        head, _, read = read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines]
        length = int(dict(headers).get("content-length", 0))
        while len(read) < length:
            read += connection.recv(65536)
        found.append((int(first.split()[1]), headers, read[:length]))
        read = read[length:]
    assert read == b""
    return found


def ask(connection, *given, **more):
    connection.sendall(request(*given, **more))
    return answers(connection, 1)[0]


def without_chance(headers):
    """Header lines with what differs from click to click cut out, and in no order."""
    return sorted(
        (name, re.sub(r"(click|req)_[0-9a-z]{26}", "…", value)) for name, value in headers if name != "date"
    )


def clicks_of(shop, wanted):
    until = time.monotonic() + 10
    while len(found := shop.rows("SELECT * FROM clicks ORDER BY id")) < wanted and time.monotonic() < until:
        time.sleep(0.01)
    return found


def test_the_answer_is_the_same_either_way_and_each_click_is_stored(served, shop):
    connection, slug, told = served
    path = f"/r/{slug}/john123?sub_id=s1"
    usual, at_once = ask(connection, path), ask(connection, path)
    assert [each is not None for each in told] == [False, True]
    assert usual[0] == at_once[0] == 302
    assert without_chance(usual[1]) == without_chance(at_once[1])
    assert "location" in dict(at_once[1]) and "date" in dict(at_once[1])
    stored = {each["id"]: each for each in clicks_of(shop, 2)}
    first, second = (
        stored[re.search("click_[0-9a-z]{26}", str(answer[1]))[0]] for answer in (usual, at_once)
    )
    assert first["id"] != second["id"]
    own = ("id", "at_ms")
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in second.items() if k not in own
    }


def test_many_on_one_connection_and_others_between(served):
    connection, slug, told = served
    path = f"/r/{slug}/JOHN123"
    for _ in range(5):
        assert ask(connection, path)[0] == 302
        assert ask(connection, "/healthz")[0] == 200
        report = ask(connection, "/v1/track-conversion", "content-length: 2", method="POST", body=b"{}")
        assert report[0] == 401
    assert sum(each is not None for each in told) == 4


def test_pipelined_requests_are_answered_in_order(served):
    connection, slug, _ = served
    ask(connection, f"/r/{slug}/JOHN123")
    connection.sendall(
        request(f"/r/{slug}/JOHN123")
        + request("/healthz")
        + request(f"/r/{slug}/JOHN123")
        + request("/nothing")
    )
    assert [status for status, _, _ in answers(connection, 4)] == [302, 200, 302, 404]


def test_a_body_that_nobody_wants_is_read_off(served):
    connection, slug, _ = served
    path = f"/r/{slug}/JOHN123"
    ask(connection, path)
    assert ask(connection, path, "content-length: 20000", body=b"x" * 20_000)[0] == 302
    assert ask(connection, path)[0] == 302


@pytest.mark.parametrize("way", ["HEAD", "1.0", "close", "upgrade"])
def test_what_is_out_of_the_ordinary_goes_the_usual_way(served, way):
    connection, slug, told = served
    path = f"/r/{slug}/JOHN123"
    ask(connection, path)
    told.clear()
    if way == "HEAD":
        connection.sendall(request(path, method="HEAD"))
    elif way == "1.0":
        connection.sendall(request(path, version="1.0"))
    elif way == "close":
        connection.sendall(request(path, "connection: close"))
    else:
        connection.sendall(request(path, "connection: upgrade", "upgrade: h2c"))
    assert answers(connection, 1)[0][0] == 302
    assert told == []


@pytest.mark.parametrize("code", ["nobody", "a%2Fb", "%00", "%f0%9f", "x" * 300])
def test_what_is_not_known_goes_the_usual_way(served, code):
    connection, slug, told = served
    for _ in range(2):
        status, _, _ = ask(connection, f"/r/{slug}/{code}")
        assert status in (302, 404)
    assert not any(told)


def test_a_paused_affiliate_is_answered_the_usual_way_at_once(served, shop):
    """What this process changes holds from the next request on."""
    connection, slug, told = served
    path = f"/r/{slug}/JOHN123"
    ask(connection, path)
    assert dict(ask(connection, path)[1])["location"].endswith("ref=JOHN123")
    body = b'{"status": "paused"}'
    key = f"authorization: Bearer {shop.keys['secret_key']}"
    changed = ask(
        connection,
        f"/v1/affiliates/{shop.john_id}",
        key,
        f"content-length: {len(body)}",
        method="PATCH",
        body=body,
    )
    assert changed[0] == 200
    told.clear()
    assert "ref=" not in dict(ask(connection, path)[1])["location"]
    assert told == [None]
