"""Which pages of other sites may read an answer: any, without credentials, or those a program lists."""

from starlette.requests import Request
from starlette.responses import Response

from refledger.core.programs import stored


def allow(response: Response, origin: str | None, allowed_origins: str = "[]") -> None:
    """`allowed_origins`: the program's JSON list; empty means any. An origin it lacks may not read the answer."""
    if not origin:
        return
    listed = stored(allowed_origins)
    if not listed:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return
    response.headers["Vary"] = "Origin"
    if origin in listed:
        response.headers["Access-Control-Allow-Origin"] = origin


async def preflight(request: Request) -> Response:
    """What a browser asks before it sends another site's JSON here. The program is not known yet: any may ask."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Headers": "Content-Type, Authorization, Idempotency-Key",
            "Access-Control-Max-Age": "86400",
        },
    )
