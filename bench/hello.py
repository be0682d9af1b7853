"""Hello world on the very same server: what uvicorn and Starlette alone can answer."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from bench import servers
from bench.installation import SLUG


async def post(request: Request) -> JSONResponse:
    given = await request.json()
    return JSONResponse({"success": True, "hello": given["program_id"]})


async def redirect(request: Request) -> RedirectResponse:
    return RedirectResponse("https://shop.example/", status_code=302)


def create() -> Starlette:
    # The service's paths, so that the very same requests are sent to both.
    return Starlette(
        routes=[
            Route("/v1/track-conversion", post, methods=["POST"]),
            Route(f"/r/{SLUG}/{{code}}", redirect, methods=["GET"]),
        ]
    )


def main(port: int) -> None:
    """With the environment of an installation, which the options are read from."""
    uvicorn.Server(servers.config("bench.hello:create", port)).run()


if __name__ == "__main__":
    main(int(sys.argv[sys.argv.index("--port") + 1]))
