"""The OpenAPI entries of the doors that do not pass through FastAPI, by hand; tests hold them to real answers."""

from typing import Any

from refledger.core.refusals import Reason

_TEXT = {"type": "string"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: dict[str, Any], **headers: str) -> dict[str, Any]:
    found = {"description": description, "content": {"application/json": {"schema": schema}}}
    if headers:
        found["headers"] = {
            name.replace("_", "-"): {"schema": {"type": "string"}, "description": words}
            for name, words in headers.items()
        }
    return found


_REPORT = {
    "type": "object",
    "title": "Report",
    "description": (
        "A conversion. `null` and the empty string mean absent; unknown fields are ignored. "
        "`ref_code` needs `customer_email`; a purchase needs `revenue_amount`."
    ),
    "properties": {
        "program_id": _TEXT,
        "publishable_key": {
            **_TEXT,
            "description": "Needed, unless a secret key is sent as Bearer; what that reports is verified.",
        },
        "conversion_type": {"enum": ["signup", "purchase"]},
        "ref_code": {**_TEXT, "description": "The affiliate's referral code."},
        "coupon_code": {
            **_TEXT,
            "description": "The coupon used at checkout; a live one comes before the code.",
        },
        "customer_email": _TEXT,
        "revenue_amount": {
            "type": ["number", "string"],
            "description": "What was paid after discounts, in major units.",
        },
        "customer_ip": _TEXT,
        "customer_user_agent": _TEXT,
        "order_id": {"type": ["string", "integer"], "description": "Your own; unique per program and mode."},
        "click_id": _TEXT,
        "currency": {**_TEXT, "description": "Must be the program's."},
        "customer_id": {"type": ["string", "integer"]},
        "metadata": {"type": "object", "description": "Flat, at most 20 keys."},
        "dry_run": {
            "type": "boolean",
            "description": "Answers as it would and stores nothing; secret key only.",
        },
    },
    "required": ["program_id", "conversion_type"],
    "examples": [
        {
            "program_id": "prog_abc123",
            "ref_code": "JOHN123",
            "customer_email": "customer@example.com",
            "publishable_key": "refv_live_...",
            "conversion_type": "purchase",
            "revenue_amount": 99.99,
        }
    ],
}

_TRACKED = {
    "type": "object",
    "title": "Tracked",
    "properties": {
        "success": {"const": True},
        "conversion_id": _TEXT,
        "commission": {"type": "number", "description": "In major units, with the currency's decimals."},
        "status": {"enum": ["pending", "pending_review"]},
        "message": _TEXT,
        "dry_run": {"const": True},
        "warnings": {"type": "array", "items": _TEXT, "description": "Optional fields that were not usable."},
    },
    "required": ["success", "conversion_id", "commission", "status", "message"],
    "additionalProperties": False,
}

_PLAIN_ERROR = {
    "type": "object",
    "title": "PlainError",
    "description": "An error of the tracking calls. `code` is stable; why a conversion was rejected is told to a "
    "secret key only.",
    "properties": {
        "error": _TEXT,
        "message": _TEXT,
        "retry_after": {"type": "integer", "minimum": 1},
        "fields": {"type": "array", "items": _TEXT},
        "code": {"enum": [*(reason.value for reason in Reason), "conversion_rejected"]},
        "reason": {"type": "object"},
        "conversion_id": _TEXT,
        "request_id": _TEXT,
    },
    "required": ["error", "code", "request_id"],
    "additionalProperties": False,
}

_CLICK = {
    "type": "object",
    "title": "ClickReport",
    "properties": {
        "publishable_key": {**_TEXT, "description": "Needed, unless a secret key is sent as Bearer."},
        "program_id": _TEXT,
        "ref_code": _TEXT,
        "url": _TEXT,
        "referrer": _TEXT,
        "sub_id": _TEXT,
        "customer_ip": {**_TEXT, "description": "With a secret key only."},
        "customer_user_agent": {**_TEXT, "description": "With a secret key only."},
    },
    "required": ["program_id", "ref_code"],
}

_CLICKED = {
    "type": "object",
    "title": "Clicked",
    "properties": {"success": {"const": True}, "click_id": _TEXT},
    "required": ["success", "click_id"],
    "additionalProperties": False,
}

_HEALTH = {
    "type": "object",
    "title": "Health",
    "properties": {
        "status": {"enum": ["ok", "ready", "unavailable"]},
        "checks": {"type": "object", "additionalProperties": {"enum": ["ok", "failed"]}},
    },
    "required": ["status"],
    "additionalProperties": False,
}

SCHEMAS = {schema["title"]: schema for schema in (_REPORT, _TRACKED, _PLAIN_ERROR, _CLICK, _CLICKED, _HEALTH)}


def _error(description: str, **headers: str) -> dict[str, Any]:
    return _json(description, _ref("PlainError"), **headers)


_BUSY = {
    "408": _error("The body did not arrive in time."),
    "503": _error(
        "Too busy, or the database cannot serve; nothing was stored.", Retry_After="Seconds to wait."
    ),
}


def _body(name: str) -> dict[str, Any]:
    # The content type is not looked at: browsers send text/plain.
    schema = {"schema": _ref(name)}
    return {"required": True, "content": {"application/json": schema, "text/plain": schema}}


# A publishable key stands in the body, which no security scheme can say; or a secret key is sent as Bearer.
_KEYS = [{}, {"secret_key": []}]

_TRACK_CONVERSION = {
    "tags": ["Tracking"],
    "summary": "Track Conversion",
    "operationId": "track_conversion",
    "description": "Reports a signup or a purchase. It is decided, stored durably, and then answered.",
    "security": _KEYS,
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            "description": "The same key with the same body gives the first answer again.",
        }
    ],
    "requestBody": _body("Report"),
    "responses": {
        "200": _json(
            "Accepted: pending, or pending review.",
            _ref("Tracked"),
            Idempotent_Replayed="`true` where the answer is that of an earlier call.",
        ),
        "400": _error("Unreadable, incomplete, invalid, or rejected."),
        "401": _error("No key of ours."),
        "404": _error("No such live program, affiliate code or coupon."),
        "409": _error("Tracked already."),
        "422": _error("The Idempotency-Key came before with another body."),
        "429": _error("The affiliate's conversion limit is reached.", Retry_After="Seconds to wait."),
        **_BUSY,
    },
}

_TRACK_CLICK = {
    "tags": ["Tracking"],
    "summary": "Track Click",
    "operationId": "track_click",
    "description": "Reports that a visitor came through an affiliate. Stored within 50 ms of the answer.",
    "security": _KEYS,
    "requestBody": _body("ClickReport"),
    "responses": {
        "202": _json("Taken.", _ref("Clicked")),
        "400": _error("Unreadable, incomplete or invalid."),
        "401": _error("No key of ours."),
        "403": _error("The program does not list the page's origin."),
        "404": _error("No such live program or affiliate code."),
        **_BUSY,
    },
}


def _query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": _TEXT, "description": description}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


_FOLLOW = {
    "tags": ["Tracking"],
    "summary": "Follow an affiliate's link",
    "operationId": "follow_link",
    "description": "Notes the click, sets the cookies `affiliate_ref` and `affiliate_click`, and leads to the shop.",
    "security": [],
    "parameters": [
        _path("slug"),
        _path("ref_code"),
        _query("to", "Another page of the shop; followed where its host is the site's or an allowed one."),
        _query("sub_id", "The affiliate's own mark."),
    ],
    "responses": {
        "302": {
            "description": "To the shop. Without cookies where the code is not live.",
            "headers": {"Location": {"schema": _TEXT}, "Set-Cookie": {"schema": _TEXT}},
        },
        "404": _error("No program has this slug."),
        "503": _error("Too many clicks wait to be stored.", Retry_After="Seconds to wait."),
    },
}


def _plain_get(summary: str, operation_id: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["Operation"],
        "summary": summary,
        "operationId": operation_id,
        "security": [],
        "responses": responses,
    }


PATHS: dict[str, Any] = {
    "/v1/track-conversion": {"post": _TRACK_CONVERSION},
    "/v1/track-click": {"post": _TRACK_CLICK},
    "/r/{slug}/{ref_code}": {"get": _FOLLOW},
    "/healthz": {
        "get": _plain_get("Whether the process runs", "healthz", {"200": _json("It does.", _ref("Health"))})
    },
    "/readyz": {
        "get": _plain_get(
            "Whether it can serve",
            "readyz",
            {"200": _json("It can.", _ref("Health")), "503": _json("It cannot; says why.", _ref("Health"))},
        )
    },
    "/metrics": {
        "get": _plain_get(
            "Metrics for Prometheus",
            "metrics",
            {"200": {"description": "Prometheus text.", "content": {"text/plain": {"schema": _TEXT}}}},
        )
    },
}
