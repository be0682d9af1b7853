"""What every request passes through."""

import asyncio
import json
import os
import re

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from refledger import logs
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services.visitor import Trusted
from refledger.web.plumbing import READ_OFF_BYTES, Plumbing, exception_handlers, read_body, request_id_of


async def ok(request):
    return JSONResponse({"id": request_id_of(request.scope)})


async def page(request):
    return PlainTextResponse("hello", headers={"cache-control": "max-age=60"})


async def fault(request):
    raise ValueError("refv_sk_live_abcdefghij of joe@shop.example")


async def refuse(request):
    raise Refused(Refusal(Reason.OVERLOADED))


async def teapot(request):
    raise HTTPException(418, headers={"x-more": "yes"})


async def broken_off(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("too late")


class BrokenOff:
    __call__ = staticmethod(broken_off)


ROUTES = [
    Route("/ok", ok),
    Route("/page", page),
    Route("/fault/{name}", fault),
    Route("/refuse", refuse),
    Route("/teapot", teapot),
    Route("/broken", BrokenOff()),
]


@pytest.fixture(autouse=True)
def plain_logs():
    """As the service logs: before it is told, the log shows all that a fault's functions held."""
    logs.configure("error")


@pytest.fixture
def lines():
    return []


@pytest.fixture
def client(lines, clock):
    app = Starlette(routes=ROUTES, exception_handlers=exception_handlers)
    access = logs.AccessLog(write=lines.append)
    access.FLUSH_S = 0
    plumbing = Plumbing(app, access, Trusted(), clock, os.urandom)
    with TestClient(plumbing, client=("203.0.113.42", 1), raise_server_exceptions=False) as made:
        made.access = access
        yield made


def logged(client, lines):
    client.access.flush()
    return [json.loads(line) for line in b"".join(lines).splitlines()]


def test_each_answer_has_an_id_of_ours(client):
    first = client.get("/ok", headers={"x-request-id": "theirs"})
    assert re.fullmatch(r"req_[0-9a-z]{26}", first.headers["x-request-id"])
    assert first.json() == {"id": first.headers["x-request-id"]}
    assert client.get("/ok").headers["x-request-id"] != first.headers["x-request-id"]


def test_headers_of_json_and_of_pages(client):
    json_answer, page_answer = client.get("/ok"), client.get("/page")
    assert json_answer.headers["x-content-type-options"] == "nosniff"
    assert json_answer.headers["cache-control"] == "no-store"
    assert page_answer.headers["cache-control"] == "max-age=60"


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/ok", 405, "method_not_allowed"),
        ("GET", "/refuse", 503, "overloaded"),
        ("GET", "/teapot", 400, "invalid_request"),
        ("GET", "/fault/x", 500, "fault"),
    ],
)
def test_one_shape_for_every_no(client, method, path, status, code):
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_bare_address_leads_to_the_documentation(client):
    answer = client.get("/", headers={"host": "["})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/docs" in answer.json()["message"] and list(answer.json()) == list(client.get("/nowhere").json())
    assert "/docs" not in client.get("/nowhere").json()["message"]


def test_what_the_router_adds_is_kept(client):
    assert "GET" in client.post("/ok").headers["allow"]
    assert client.get("/refuse").headers["retry-after"] == "1"


def test_a_fault_is_logged_with_its_id_and_told_to_nobody(client, capsysbinary):
    logs.configure("error")
    answer = client.get("/fault/x")
    assert answer.json() == {
        "error": "Internal error",
        "code": "fault",
        "request_id": answer.json()["request_id"],
    }
    line = json.loads(capsysbinary.readouterr().err.splitlines()[-1])
    assert line["request_id"] == answer.json()["request_id"] and line["level"] == "error"
    assert "ValueError" in line["exception"]
    assert "abcdefghij" not in line["exception"] and "joe@" not in line["exception"]


def test_an_answer_that_broke_off_is_not_begun_again(client):
    client.get("/broken")  # no second start of an answer, which would raise here


def test_the_access_line(client, lines):
    client.get("/fault/joe@shop.example?key=refv_live_x", headers={"authorization": "Bearer refv_sk_live_x"})
    client.get("/nowhere/joe@shop.example")
    first, second = logged(client, lines)
    assert first.pop("timestamp").endswith("Z") and first.pop("duration_ms") >= 0
    assert first.pop("request_id").startswith("req_")
    assert first == {
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": "/fault/{name}",
        "status": 500,
        "address": "203.0.113.0/24",
    }
    assert second["route"] == "unmatched"
    assert b"joe@" not in b"".join(lines) and b"refv_" not in b"".join(lines)


def test_no_access_lines_above_info(lines, clock):
    assert not logs.AccessLog("warning").on and logs.AccessLog("info").on and logs.AccessLog("debug").on


@pytest.mark.parametrize(
    "text, masked",
    [
        ("key refv_sk_test_AbC123 x", "key refv_sk_test_… x"),
        ("refv_live_abc", "refv_live_…"),
        ("('Joe.Doe+1@shop.example',)", "('…@…',)"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_masking(text, masked):
    assert logs.mask(text) == masked


def test_console_lines_for_people(lines):
    access = logs.AccessLog(style="console", write=lines.append)

    async def one():
        access.line("req_1", "GET", "/x", 200, 0.0123, None)
        access.flush()

    asyncio.run(one())
    assert lines[0].endswith(b" 200 GET /x 12.3 ms None req_1\n")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────


def receiver(*parts, then=None):
    """The parts, the last of which ends the body; with `then`, that happens instead of the end."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if then is None:
        messages[-1]["more_body"] = False

    async def receive():
        if messages:
            return messages.pop(0)
        if then == "silence":
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    receive.left = messages
    return receive


def read(receive, most=10, timeout_s=0.05):
    return asyncio.run(read_body({}, receive, most, timeout_s=timeout_s))


def test_bodies_up_to_the_limit():
    assert read(receiver(b"")) == b""
    assert read(receiver(b"0123456789")) == b"0123456789"
    assert read(receiver(b"01234", b"", b"56789")) == b"0123456789"


@pytest.mark.parametrize("parts", [[b"0123456789x"], [b"01234", b"56789", b"x"]])
def test_a_long_body_is_read_off_and_refused(parts):
    receive = receiver(*parts)
    refusal = read(receive)
    assert refusal.reason is Reason.INVALID_BODY and "10 bytes" in refusal.message
    assert not receive.left and not refusal.detail


def test_an_endless_body_ends_the_connection():
    receive = receiver(*[b"x" * (READ_OFF_BYTES // 4)] * 8)
    refusal = read(receive)
    assert refusal.reason is Reason.INVALID_BODY and refusal.detail == {"close": True}
    assert len(receive.left) == 3


def test_a_slow_body_and_one_that_breaks_off():
    assert read(receiver(b"x", then="silence")).reason is Reason.BODY_TIMEOUT
    assert read(receiver(b"x", then="end")).reason is Reason.INVALID_BODY
