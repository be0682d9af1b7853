"""Limits on a request's head, on real connections."""

import asyncio
import json
import socket
import threading
import time

import pytest
import uvicorn

from refledger.web.protocol import Protocol


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Strict(Protocol):
    header_bytes = 4096
    head_s = 0.3


@pytest.fixture(scope="module")
def port():
    config = uvicorn.Config(app, port=0, http=Strict, lifespan="off", log_config=None, timeout_keep_alive=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def connection(port):
    with socket.create_connection(("127.0.0.1", port), timeout=3) as made:
        yield made


def answer(connection):
    """All that arrives until the connection ends, or the first answer without content of its own."""
    read = b""
    while not read.endswith(b"ok") and (part := connection.recv(65536)):
        read += part
    return read


def test_a_plain_request_is_served_and_the_connection_kept(connection):
    for _ in range(3):
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 200")


def test_a_head_in_parts_is_served(connection):
    for part in (b"GET / HT", b"TP/1.1\r\nho", b"st: x\r\n", b"\r\n"):
        connection.sendall(part)
        time.sleep(0.02)
    assert answer(connection).startswith(b"HTTP/1.1 200")


def refused(read):
    head, _, body = read.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431") and b"connection: close" in head
    return json.loads(body)["code"] == "headers_too_large"


def test_a_large_head_is_refused_in_one_piece(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nx-large: " + b"x" * 5000 + b"\r\n\r\n")
    assert refused(answer(connection))


def test_a_large_head_is_refused_in_pieces(connection):
    connection.sendall(b"GET / HTTP/1.1\r\n")
    for n in range(5):
        connection.sendall(b"x-%d: " % n + b"x" * 1000 + b"\r\n")
        time.sleep(0.005)
    assert refused(answer(connection))


def test_a_large_body_is_no_large_head(connection):
    connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: 20000\r\n\r\n" + b"x" * 20000)
    assert answer(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\n", b"\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(connection, first):
    began = time.monotonic()
    if first:
        connection.sendall(first)
    assert connection.recv(1000) == b""
    assert 0.2 < time.monotonic() - began < 1.5


def test_a_head_that_trickles_ends_the_connection(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer(connection).endswith(b"ok")
    began = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - began < 3:
            connection.sendall(b"x")
            time.sleep(0.02)
    assert time.monotonic() - began < 1.5


def test_what_is_no_http_is_told_so(connection):
    connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
    head, _, body = answer(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["code"] == "invalid_request"
