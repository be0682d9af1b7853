"""The OpenAPI document: FastAPI's for the management API, by hand for the plain doors, and what all have in common."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from refledger import __version__
from refledger.web.api.door import json_response
from refledger.web.api.openapi_plain import PATHS, SCHEMAS
from refledger.web.api.outputs import Error

Document = dict[str, Any]

DESCRIPTION = """\
Reports of conversions come in through `POST /v1/track-conversion`; everything else is managed here.

Management calls carry a secret key as `Authorization: Bearer refv_sk_…`; its mode, live or test, decides which
conversions, attempts, clicks and balances are seen. Times are RFC 3339 in UTC; amounts are integers in minor units,
with a decimal text beside them. Lists answer `{data, has_more, next_cursor}`, newest first.

Every `POST` that changes something may carry an `Idempotency-Key`: the same key with the same body gives the first
answer again, with `Idempotent-Replayed: true`; with another body it is 422.
"""

_ERRORS = {
    "400": "The request has invalid fields; `errors` names each.",
    "401": "No secret key of yours.",
    "404": "Nothing of yours has this id.",
    "409": "It conflicts with what is there: something taken, or an illegal step.",
    "422": "The Idempotency-Key came before with another body.",
    "503": "Too busy, or the database cannot serve now; nothing was stored.",
}
# It is a `POST` for its body's sake, and changes nothing.
READING = {"/v1/programs/{program_id}/policy/backtest"}


def install(app: FastAPI) -> None:
    def document() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    async def serve(_: Request) -> Response:
        return json_response(document())

    app.openapi = document
    app.add_route("/openapi.json", serve, methods=["GET"], include_in_schema=False)


def build(app: FastAPI) -> Document:
    made = get_openapi(
        title="refledger",
        version=__version__,
        openapi_version="3.1.0",
        summary="Affiliate and referral conversion tracking, with a ledger underneath",
        description=DESCRIPTION,
        routes=app.routes,
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    error = Error.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {"Error": error, **SCHEMAS}
    made["components"]["securitySchemes"] = {
        "secret_key": {"type": "http", "scheme": "bearer", "description": "A secret key, `refv_sk_…`."}
    }
    for path, item in made["paths"].items():
        for method, operation in item.items():
            _complete(path, method, operation)
    made["paths"] = {**PATHS, **made["paths"]}
    _drop_null_defaults(made)
    return made


# What they are about stands in the body: it may be unknown all the same.
_NAMED_IN_BODY = {"/v1/refunds", "/v1/disputes"}


def _complete(path: str, method: str, operation: Document) -> None:
    """What every operation of the management API has: the key, the errors; where a POST changes something, the
    idempotency key.
    """
    operation["security"] = [{"secret_key": []}]
    codes = {"400", "401", "503"}
    if "{" in path or path in _NAMED_IN_BODY:
        codes.add("404")
    if method in ("post", "patch", "put") and path not in READING:
        codes.add("409")
    if method == "post" and path not in READING:
        codes.add("422")
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            }
        )
    operation["responses"].pop("422", None)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for code in sorted(codes):
        operation["responses"][code] = {"description": _ERRORS[code], "content": content}


def _drop_null_defaults(node: Any) -> None:
    """A field that may be left out has no default of null, which it would refuse."""
    if isinstance(node, dict):
        if node.get("default", "") is None:
            del node["default"]
        for each in node.values():
            _drop_null_defaults(each)
    elif isinstance(node, list):
        for each in node:
            _drop_null_defaults(each)
