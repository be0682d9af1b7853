"""Conversions: what came, why it was decided so, and the merchant's own decision."""

from typing import Annotated, Any

from fastapi import Query, Response

from refledger.services import reports, steps
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Call, Caller, router
from refledger.web.errors import TABLE

routes = router()


@routes.get("/conversions", response_model=outputs.Conversions, tags=["Conversions"])
def list_conversions(call: Caller, query: Annotated[inputs.ConversionsQuery, Query()]) -> Response:
    """Conversions of the key's mode, newest first."""

    def work(connection):
        found = reports.list_conversions(connection, call.tenant, query.filters(), query.limit, query.cursor)
        return render.page(*found, render.conversion, call.tenant.mode)

    return call.read(work)


@routes.get("/conversions/{conversion_id}", response_model=outputs.WholeConversion, tags=["Conversions"])
def get_conversion(call: Caller, conversion_id: str) -> Response:
    """One conversion with its decision record, its explanation, its ledger entries and its events."""
    return call.read(
        lambda connection: render.conversion_whole(
            reports.get_conversion_whole(connection, call.tenant, conversion_id), call.tenant.mode
        )
    )


@routes.post("/conversions/bulk", response_model=outputs.Bulk, tags=["Conversions"])
def bulk_conversions(call: Caller, wanted: inputs.Bulk) -> Response:
    """Takes one step for up to 500 conversions. Each has its own result; one refusal stops no other."""

    def work(connection, now_ms):
        results = steps.take_each(
            connection,
            call.tenant,
            wanted.action,
            wanted.ids,
            wanted.reason,
            now_ms,
            call.house.entropy,
            wanted.note,
        )
        data = [_result(result) for result in results]
        succeeded = sum(each["ok"] for each in data)
        return {"object": "bulk", "succeeded": succeeded, "failed": len(data) - succeeded, "data": data}

    return call.write(work)


def _result(result: steps.Result) -> dict[str, Any]:
    if result.refusal is None:
        return {"id": result.id, "ok": True, "status": result.status, "error": None}
    words = TABLE[result.refusal.reason]
    message = result.refusal.message or words.message
    error = {"error": words.error, "message": message, "code": result.refusal.reason.value}
    return {"id": result.id, "ok": False, "status": None, "error": error}


def _take(call: Call, step: str, conversion_id: str, wanted: inputs.Step | None) -> Response:
    """Takes the step and answers the conversion as it is then."""
    why = wanted or inputs.Step()

    def work(connection, now_ms):
        found = steps.take(
            connection,
            call.tenant,
            step,
            conversion_id,
            why.reason,
            now_ms,
            call.house.entropy,
            why.note,
        )
        return render.conversion(found, call.tenant.mode)

    return call.write(work)


@routes.post("/conversions/{conversion_id}/approve", response_model=outputs.Conversion, tags=["Conversions"])
def approve_conversion(call: Caller, conversion_id: str, wanted: inputs.Step | None = None) -> Response:
    """Approves: the commission becomes payable."""
    return _take(call, "approve", conversion_id, wanted)


@routes.post("/conversions/{conversion_id}/reject", response_model=outputs.Conversion, tags=["Conversions"])
def reject_conversion(call: Caller, conversion_id: str, wanted: inputs.Step | None = None) -> Response:
    """Rejects: the commission is taken back, and the customer's identity is free again."""
    return _take(call, "reject", conversion_id, wanted)


@routes.post("/conversions/{conversion_id}/reopen", response_model=outputs.Conversion, tags=["Conversions"])
def reopen_conversion(call: Caller, conversion_id: str, wanted: inputs.Step | None = None) -> Response:
    """Takes a rejection back; 409 if another conversion has its identity by now."""
    return _take(call, "reopen", conversion_id, wanted)


@routes.post("/conversions/{conversion_id}/refund", response_model=outputs.Conversion, tags=["Conversions"])
def refund_conversion(call: Caller, conversion_id: str, wanted: inputs.Step | None = None) -> Response:
    """Records that the customer got everything back: nothing is due any more."""
    return _take(call, "refund", conversion_id, wanted)


@routes.post(
    "/conversions/{conversion_id}/chargeback", response_model=outputs.Conversion, tags=["Conversions"]
)
def chargeback_conversion(call: Caller, conversion_id: str, wanted: inputs.Step | None = None) -> Response:
    """Records that the payment is disputed: what is due waits in reserve."""
    return _take(call, "chargeback", conversion_id, wanted)
