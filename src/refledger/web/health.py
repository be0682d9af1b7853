"""Whether the process lives, whether it can serve, and what it has counted."""

from collections.abc import Callable, Mapping

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from refledger.web.metrics import exposition

log = structlog.get_logger()

# What must hold for this process to serve; a check may ask the database and runs on a thread.
Checks = Mapping[str, Callable[[], bool]]


def routes(checks: Checks) -> list[Route]:
    async def healthz(request: Request) -> Response:
        return Response(b'{"status": "ok"}', media_type="application/json")

    # Plain functions run on threads, where waiting for a database holds nobody up.
    def readyz(request: Request) -> Response:
        found = {name: _holds(name, check) for name, check in checks.items()}
        ready = all(found.values())
        words = {name: "ok" if holds else "failed" for name, holds in found.items()}
        body = orjson.dumps({"status": "ready" if ready else "unavailable", "checks": words})
        return Response(body, 200 if ready else 503, media_type="application/json")

    def metrics(request: Request) -> Response:
        body, content_type = exposition()
        return Response(body, headers={"content-type": content_type})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _holds(name: str, check: Callable[[], bool]) -> bool:
    try:
        return bool(check())
    except Exception as error:
        log.warning("not ready", check=name, why=repr(error))
        return False
