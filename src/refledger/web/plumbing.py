"""What every request passes through: its id, its headers, its line in the log, its place in the metrics."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from refledger.core.intake import MAX_BODY_BYTES
from refledger.core.refusals import Reason, Refusal

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A body that is too long is read off up to here, so that its sender hears why; beyond it the connection ends.
READ_OFF_BYTES = 4 * 1024 * 1024


REQUEST_ID = "refledger.request_id"


def request_id_of(scope: Scope) -> str:
    """The id of the request, as it stands in the answer's `X-Request-Id` and in the log."""
    return scope.get(REQUEST_ID, "")


async def read_body(receive: Receive, most: int = MAX_BODY_BYTES, *, timeout_s: float) -> bytes | Refusal:
    """The whole body of a request; a refusal where it is longer than `most` bytes or takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            message = await receive()
            body = message.get("body", b"")
            if not message.get("more_body") and message["type"] == "http.request" and len(body) <= most:
                return body
            return await _read_on(receive, message, most)
    except TimeoutError:
        return Refusal(Reason.BODY_TIMEOUT)


async def _read_on(receive: Receive, message: Message, most: int) -> bytes | Refusal:
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
