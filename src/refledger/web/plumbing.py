"""What every request passes through: its id, its headers, its line in the log, its place in the metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from refledger.core.addresses import shorten
from refledger.core.ids import make_id
from refledger.core.intake import MAX_BODY_BYTES
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.logs import AccessLog
from refledger.services.visitor import Trusted, client_address
from refledger.web.errors import error_response
from refledger.web.metrics import METHODS, request_answered

log = structlog.get_logger()

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# A body that is too long is read off up to here, so that its sender hears why; beyond it the connection ends.
READ_OFF_BYTES = 4 * 1024 * 1024


REQUEST_ID = "refledger.request_id"
WHOLE = "refledger.whole"  # set in the scope once all of the request is here


def request_id_of(scope: Scope) -> str:
    """The id of the request, as it stands in the answer's `X-Request-Id` and in the log."""
    return scope.get(REQUEST_ID, "")


async def read_body(
    scope: Scope, receive: Receive, most: int = MAX_BODY_BYTES, *, timeout_s: float
) -> bytes | Refusal:
    """The whole body of a request; a refusal where it is longer than `most` bytes or takes too long."""
    if WHOLE in scope:
        return await _read(receive, most)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, most)
    except TimeoutError:
        return Refusal(Reason.BODY_TIMEOUT)


async def _read(receive: Receive, most: int) -> bytes | Refusal:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body = message.get("body", b"")
        if len(body) <= most:
            return body
    parts, length = [], 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        length += len(part)
        if length > READ_OFF_BYTES:
            return Refusal(Reason.INVALID_BODY, _too_long(most), detail={"close": True})
        if length <= most:
            parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if length <= most else Refusal(Reason.INVALID_BODY, _too_long(most))
        message = await receive()
    return Refusal(Reason.INVALID_BODY, "The connection ended before the body", detail={"close": True})


def _too_long(most: int) -> str:
    return f"The body has more than {most} bytes"


# ── every request ──────────────────────────────────────────────────────────────────────────────────────────

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
UNMATCHED = "unmatched"


class Plumbing:
    """Wraps the whole application. A coming request's own `X-Request-Id` is not believed: ids are ours."""

    def __init__(
        self,
        app: App,
        access: AccessLog,
        trusted: Trusted,
        clock_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ):
        self._app, self._access, self._trusted = app, access, trusted
        self._clock_ms, self._entropy = clock_ms, entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = scope[REQUEST_ID] = make_id("req", self._clock_ms(), self._entropy(10))
        started_s, status = time.perf_counter(), 0

        def passing(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), request_id)
            return send(message)

        try:
            await self._app(scope, receive, passing)
        except Exception:
            log.exception("fault", request_id=request_id, method=scope["method"], route=_route(scope))
            if not status:
                await error_response(Refusal(Reason.FAULT), request_id)(scope, receive, passing)
        finally:
            self._account(scope, request_id, status, time.perf_counter() - started_s)

    def at_once(self, door: Callable[[Scope], tuple[int, Headers] | None], route: Any) -> Callable:
        """The same for a door that answers without waiting, a body or an application around it; see `Protocol`."""

        def answered(scope: Scope) -> tuple[int, Headers] | None:
            started_s = time.perf_counter()
            try:
                answer = door(scope)
            except Exception:
                log.exception("fault", method=scope["method"], route=route.path)
                answer = None  # the usual way ends in an answer, whatever happens
            if answer is None:
                return None
            status, headers = answer
            request_id = make_id("req", self._clock_ms(), self._entropy(10))
            headers.append((b"x-request-id", request_id.encode()))
            scope["route"] = route
            self._account(scope, request_id, status, time.perf_counter() - started_s)
            return status, headers

        return answered

    def _account(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route, method = _route(scope), scope["method"]
        if method not in METHODS:
            method = "OTHER"
        request_answered(route, method, status, seconds)
        if self._access.on:
            address = client_address(scope, self._trusted)
            self._access.line(request_id, method, route, status, seconds, address and shorten(address))


def _completed(headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    completed = [*headers, (b"x-request-id", request_id.encode())]
    is_json = has_cache_control = False
    for name, value in headers:
        if name == b"content-type":
            is_json = value.startswith(b"application/json")
        elif name == b"cache-control":
            has_cache_control = True
    if is_json:
        completed.append(_NOSNIFF)
        if not has_cache_control:
            completed.append(_NO_STORE)
    return completed


def _route(scope: Scope) -> str:
    """The route's template: a path may hold what no log should."""
    route = scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None) or UNMATCHED


# ── what the router and the services say no to ─────────────────────────────────────────────────────────────


def _answer(refusal: Refusal, request: Request, headers: Any = None) -> Response:
    response = error_response(refusal, request_id_of(request.scope))
    if headers:
        response.headers.update(headers)
    return response


async def _refused(request: Request, refused: Exception) -> Response:
    return _answer(refused.refusal, request)


async def _http_error(request: Request, error: Exception) -> Response:
    reason = _HTTP_REASONS.get(error.status_code)
    if reason is None:
        reason = Reason.FAULT if error.status_code >= 500 else Reason.INVALID_REQUEST
    # The URL that is printed at the start is the first thing people open.
    message = _WHERE_TO if reason is Reason.NOT_FOUND and request.scope["path"] == "/" else None
    return _answer(Refusal(reason, message), request, error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    # Told to the client here; told to the log by `Plumbing`, to which the exception goes on.
    return _answer(Refusal(Reason.FAULT), request)


_WHERE_TO = "There is no page here; the API is described at /docs"
_HTTP_REASONS = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}

exception_handlers = {Refused: _refused, HTTPException: _http_error, Exception: _fault}
