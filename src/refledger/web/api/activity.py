"""Attempts, clicks and the audit: what came and was refused, who came by, who changed what."""

from typing import Annotated

from fastapi import Query, Response

from refledger.services import reports, steps
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Caller, router
from refledger.web.tracking import Words

routes = router()


@routes.get("/attempts", response_model=outputs.Attempts, tags=["Attempts"])
def list_attempts(call: Caller, query: Annotated[inputs.AttemptsQuery, Query()]) -> Response:
    """Refused reports, newest first. Those that carried no code are left out unless asked for."""

    def work(connection):
        rows, more, not_kept = reports.list_attempts(
            connection, call.tenant, query.filters(), query.limit, query.cursor
        )
        return render.page(rows, more, render.attempt, call.tenant.mode) | {"not_kept": not_kept}

    return call.read(work)


@routes.get("/attempts/{attempt_id}", response_model=outputs.WholeAttempt, tags=["Attempts"])
def get_attempt(call: Caller, attempt_id: str) -> Response:
    """One refused report with its decision record."""
    return call.read(
        lambda connection: render.attempt_whole(
            reports.get_attempt(connection, call.tenant, attempt_id), call.tenant.mode
        )
    )


@routes.post("/attempts/{attempt_id}/accept", response_model=outputs.Conversion, tags=["Attempts"])
def accept_attempt(call: Caller, attempt_id: str, wanted: inputs.Acceptance | None = None) -> Response:
    """Accepts a refused report after all, as it would have been at its time, and answers the conversion."""
    affiliate_id = wanted.affiliate_id if wanted else None

    def work(connection, now_ms):
        found = steps.accept_attempt(
            connection, call.tenant, attempt_id, affiliate_id, now_ms, call.house.entropy, Words()
        )
        return render.conversion(found, call.tenant.mode)

    return call.write(work)


@routes.get("/clicks", response_model=outputs.Clicks, tags=["Clicks"])
def list_clicks(call: Caller, query: Annotated[inputs.ClicksQuery, Query()]) -> Response:
    """Clicks of the key's mode, newest first."""

    def work(connection):
        found = reports.list_clicks(connection, call.tenant, query.filters(), query.limit, query.cursor)
        return render.page(*found, render.click, call.tenant.mode)

    return call.read(work)


@routes.get("/audit", response_model=outputs.Audits, tags=["Audit"])
def list_audit(call: Caller, query: Annotated[inputs.AuditQuery, Query()]) -> Response:
    """Who changed what, newest first: in the key's mode, and what both modes share."""

    def work(connection):
        found = reports.list_audit(connection, call.tenant, query.filters(), query.limit, query.cursor)
        return render.page(*found, render.audit, call.tenant.mode)

    return call.read(work)
