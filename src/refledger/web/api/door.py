"""The door of the management API: who calls, what they sent, and the answer that is given and perhaps kept.

FastAPI routes, checks types and documents; before it come the key and the body, after it the one shape of errors.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from refledger.core import exact_json
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services import replies
from refledger.services.credentials import Tenant, secret_key_tenant
from refledger.services.notes import short_path
from refledger.store.engine import Connection, Database, Unavailable
from refledger.web.errors import error_body, error_response
from refledger.web.plumbing import read_body, request_id_of

MAX_BODY_BYTES = 1024 * 1024
_MOST_ERRORS = 100
_ID = re.compile(r"[A-Za-z]{1,16}_[A-Za-z0-9]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class House:
    """What every call needs and nothing in a request can change."""

    database: Database
    secret: bytes
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]
    body_timeout_s: float = 10.0
    changed: Callable[[], None] = lambda: (
        None
    )  # called on the event loop after every call that may have changed something
    public_url: str = ""  # where none is set, links are paths
    backtesting: threading.Lock = field(default_factory=threading.Lock)  # held by the one that runs


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a merchant: on whose behalf, and how it is repeated."""

    house: House
    tenant: Tenant
    request_id: str
    repeatable: replies.Repeatable | None

    def read(self, work: Callable[[Connection], dict[str, Any] | Response]) -> Response:
        """Answers what `work` finds in one consistent snapshot: as JSON, unless it is a response already."""
        with self.house.database.read(self.tenant.merchant_id) as connection:
            found = work(connection)
        return found if isinstance(found, Response) else json_response(found)

    def now_ms(self, connection: Connection) -> int:
        """The time that counts, for what is answered about ages."""
        return self.house.database.now_ms(connection, self.house.clock())

    def write(self, work: Callable[[Connection, int], dict[str, Any]], status: int = 200) -> Response:
        """Answers what `work`, told the time, did in one transaction; under an `Idempotency-Key`, what its first call
        did.
        """
        answer = replies.settle(
            self.house.database,
            self.tenant,
            self.repeatable,
            self.house.clock,
            lambda connection, now_ms: replies.Answer(status, orjson.dumps(work(connection, now_ms))),
            lambda refusal: self._refused(refusal),
        )
        response = Response(answer.body, answer.status, media_type="application/json")
        if answer.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def _refused(self, refusal: Refusal) -> replies.Answer:
        status, body = error_body(refusal, self.request_id, is_secret=True)
        if refusal.retry_after_s:
            raise Refused(refusal)
        return replies.Answer(status, body)


def json_response(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def current_call(request: Request) -> Call:
    return request.scope["refledger.call"]


Caller = Annotated[Call, Depends(current_call)]


def router() -> APIRouter:
    """A router whose calls come through this door."""
    return APIRouter(prefix="/v1", route_class=_Route)


class _Route(APIRoute):
    """Key, then path, then body, then FastAPI's own checks; every expected no in the house's shape."""

    def get_route_handler(self):
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                response = await _in_time(request.app.state.api_house, _handle(handle, request))
                if request.method != "GET":
                    request.app.state.api_house.changed()
                return response
            except Refused as refused:
                refusal = refused.refusal
            except RequestValidationError as error:
                refusal = _field_errors(error)
            except HTTPException as error:
                refusal = Refusal(Reason.INVALID_REQUEST, str(error.detail))
            except Unavailable:
                refusal = Refusal(Reason.UNAVAILABLE)
            response = error_response(refusal, request_id_of(request.scope), is_secret=True)
            if refusal.detail.get("close"):
                response.headers["Connection"] = "close"
            if refusal.reason is Reason.SECRET_KEY_REQUIRED:
                response.headers["WWW-Authenticate"] = "Bearer"
            return response

        return handler


async def _handle(handle, request: Request) -> Response:
    return await handle(await _admit(request))


async def _in_time(house: House, answering: Coroutine[Any, Any, Response]) -> Response:
    """Its answer; Refused as unavailable where the database keeps silent. What is under way goes on all the same."""
    task = asyncio.ensure_future(answering)
    done, _ = await asyncio.wait({task}, timeout=house.body_timeout_s + 2 * house.database.wait_s)
    if not done:
        # Nobody waits for it any more.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise Refused(Refusal(Reason.UNAVAILABLE))
    return task.result()


async def _admit(request: Request) -> Request:
    """The request as FastAPI is to see it, with its `Call` in the scope. Raises `Refused`."""
    house: House = request.app.state.api_house
    tenant = await run_in_threadpool(
        secret_key_tenant, house.database, house.secret, request.headers.get("authorization")
    )
    if not all(_ID.match(value) for name, value in request.path_params.items() if name.endswith("_id")):
        raise Refused(Refusal(Reason.NOT_FOUND))
    body = await _body(request, house.body_timeout_s)
    repeatable = None
    key = request.headers.get(replies.HEADER)
    if key is not None and request.method == "POST":
        repeatable = replies.repeatable(tenant, f"{request.method} {request.url.path}", key, body)
    call = Call(house, tenant, request_id_of(request.scope), repeatable)
    # JSON is JSON under any content type, here as at the tracking doors.
    headers = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
    scope = {
        **request.scope,
        "headers": [*headers, (b"content-type", b"application/json")],
        "refledger.call": call,
    }
    admitted = Request(scope, request.receive)
    admitted._body = body
    if body:
        admitted._json = _json(body)
    return admitted


async def _body(request: Request, timeout_s: float) -> bytes:
    body = await read_body(request.scope, request.receive, MAX_BODY_BYTES, timeout_s=timeout_s)
    if isinstance(body, Refusal):
        raise Refused(body)
    return body


def _json(body: bytes) -> Any:
    try:
        return exact_json.read(body)
    except ValueError as why:
        raise Refused(Refusal(Reason.INVALID_BODY, f"The body {why}")) from None


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _field_errors(error: RequestValidationError) -> Refusal:
    """Every field that pydantic refuses, by its path; messages without pydantic's prefix."""
    errors: dict[str, list[str]] = {}
    for each in error.errors()[:_MOST_ERRORS]:
        path = ".".join(str(part) or exact_json.NAMELESS for part in each["loc"][1:]) or str(each["loc"][0])
        errors.setdefault(short_path(path), []).append(_words(each))
    message = "; ".join(f"{path}: {', '.join(why)}" for path, why in errors.items())
    return Refusal(Reason.INVALID_REQUEST, message[:2000], tuple(errors), detail={"errors": errors})


def _words(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "is no field of this call"
    if error["type"] == "missing":
        return "is required"
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "must be an object"
    return error["msg"].removeprefix("Value error, ")
