"""The management API: FastAPI for routing, types and the document; the door around it is `door`."""

from collections.abc import Callable

from fastapi import FastAPI

from refledger.store.engine import Database
from refledger.web.api import (
    activity,
    affiliates,
    conversions,
    customers,
    docs,
    lists,
    openapi,
    payouts,
    policies,
    programs,
    reversals,
    review,
    statements,
    terms,
)
from refledger.web.api.door import House

ROUTERS = (
    programs.routes,
    policies.routes,
    terms.routes,
    affiliates.routes,
    conversions.routes,
    reversals.routes,
    review.routes,
    payouts.routes,
    statements.routes,
    activity.routes,
    customers.routes,
    lists.routes,
)


def install(
    app: FastAPI,
    *,
    database: Database,
    secret: bytes,
    clock: Callable[[], int],
    entropy: Callable[[int], bytes],
    body_timeout_s: float = 10.0,
    changed: Callable[[], None] = lambda: None,
    public_url: str = "",
) -> None:
    """Adds the routes, `/openapi.json` and `/docs` to an application made without FastAPI's own documents.

    What the router itself refuses (404, 405) is answered by the application's handlers (`web.plumbing`).
    """
    app.state.api_house = House(database, secret, clock, entropy, body_timeout_s, changed, public_url)
    for router in ROUTERS:
        app.include_router(router)
    openapi.install(app)
    docs.install(app)
