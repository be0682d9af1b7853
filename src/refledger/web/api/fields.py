"""Fields as the API reads them: annotated types whose messages a merchant can act on."""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from refledger.core import decision_reasons, emails, times
from refledger.core.exact_json import CONTROLS, fault_in_text
from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.policy import ACTIONS, MODES, MOST_NOTE, MOST_POINTS
from refledger.core.fraud.presets import NEWEST, PRESETS
from refledger.core.money import CURRENCIES
from refledger.core.ranges import network

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")
_CODE = re.compile(r"[A-Za-z0-9._-]{3,64}\Z")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}\Z")
_POLICY_NAME = re.compile(r"(?:\d{1,9}|[a-z]{1,20}(?:-\d{1,4})?)\Z", re.ASCII)
_DECIMAL = re.compile(r"\d{1,20}(?:\.\d{1,10})?\Z", re.ASCII)


# What the largest networks of one owner have: a typing error is wider.
_WIDEST_OWN = {4: 8, 6: 19}


def text(most: int, least: int = 1):
    """Trimmed text without control characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        value = value.strip()
        if not least <= len(value) <= most:
            raise ValueError(f"must have {least} to {most} characters")
        if fault := fault_in_text(value):
            raise ValueError(fault)
        if CONTROLS.search(value):
            raise ValueError("has control characters")
        return value

    return check


def _matching(pattern: re.Pattern, words: str):
    def check(value: str) -> str:
        if not pattern.match(value):
            raise ValueError(words)
        return value

    return check


def _schema(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


def _currency(value: Any) -> str:
    if not isinstance(value, str) or value.upper() not in CURRENCIES:
        raise ValueError("must be a currency code of ISO 4217, like USD")
    return value.upper()


def _email(value: str) -> str:
    if emails.parse(value) is None:
        raise ValueError("is no e-mail address")
    return value


def _site_url(value: str) -> str:
    if _origin_parts(value) is None:
        raise ValueError("must be an http or https URL, like https://shop.example")
    return value


def _origin_parts(value: str):
    """Scheme, host and port of a plain http(s) URL; None for anything a browser might read otherwise."""
    if re.search(r"[\s\\<>\"]", value) or not value.isascii():
        return None
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _is_host(host):
        return None
    return parts, host, port


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
        return True
    except ValueError:
        return bool(_HOST.match(host))


def _allowed_host(value: str) -> str:
    if not _is_host(value.lower()):
        raise ValueError("must be a host name, like blog.shop.example")
    return value.lower()


def _allowed_origin(value: str) -> str:
    found = _origin_parts(value)
    if found is None or found[0].path not in ("", "/") or found[0].query or found[0].fragment:
        raise ValueError("must be an origin, like https://shop.example")
    parts, _, port = found
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.lower().removesuffix(f":{port}") if port else parts.netloc.lower().removesuffix(":")
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def _known_address(value: str) -> str:
    net = network(value)
    if net.prefixlen < _WIDEST_OWN[net.version]:
        raise ValueError(f"is wider than /{_WIDEST_OWN[net.version]}: no affiliate has so many addresses")
    return str(net) if "/" in value else str(net.network_address)


def _time(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time as text")
    return times.from_text(value)


def query_time(value: Any) -> int:
    # An unescaped plus arrives as a space.
    return _time(re.sub(r" (?=\d\d:\d\d\Z)", "+", value)) if isinstance(value, str) else _time(value)


def _repeat_purchases(value: Any) -> Any:
    if value in ("first", "lifetime") and isinstance(value, str):
        return value
    months = value.get("months") if isinstance(value, dict) and len(value) == 1 else None
    if type(months) is not int or not 1 <= months <= 1200:
        raise ValueError('must be "first", "lifetime" or {"months": 1 to 1200}')
    return {"months": months}


Text200 = Annotated[str, BeforeValidator(text(200)), _schema(minLength=1, maxLength=200, pattern=r"\S")]
Text320 = Annotated[str, BeforeValidator(text(320)), _schema(minLength=1, maxLength=320, pattern=r"\S")]
Name = Annotated[str, BeforeValidator(text(200, least=0)), _schema(maxLength=200)]
Note = Annotated[str, BeforeValidator(text(500, least=0)), _schema(maxLength=500)]
SignalCode = Literal[tuple(signal.code for signal in SIGNALS)]
DecisionReason = Annotated[Note, AfterValidator(decision_reasons.read)]
Slug = Annotated[
    str,
    BeforeValidator(text(64)),
    AfterValidator(_matching(_SLUG, "must be lower-case letters, digits and inner hyphens, at most 64")),
    _schema(maxLength=64, pattern="^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"),
]
RefCode = Annotated[
    str,
    BeforeValidator(text(64)),
    AfterValidator(_matching(_CODE, "must be 3 to 64 letters, digits, dots, hyphens or underscores")),
    _schema(pattern=r"^[A-Za-z0-9._-]{3,64}$"),
]
CouponCode = Annotated[
    str, BeforeValidator(text(64)), _schema(minLength=1, maxLength=64, pattern=r"^[!-~]([ -~]*[!-~])?$")
]
Currency = Annotated[
    str, BeforeValidator(_currency), _schema(enum=sorted(CURRENCIES), description="ISO 4217.")
]
Email = Annotated[
    str, BeforeValidator(text(320)), AfterValidator(_email), _schema(format="email", maxLength=320)
]
SiteUrl = Annotated[
    str,
    BeforeValidator(text(2000)),
    AfterValidator(_site_url),
    _schema(format="uri", maxLength=2000, examples=["https://shop.example"]),
]
Host = Annotated[
    str, BeforeValidator(text(253)), AfterValidator(_allowed_host), _schema(examples=["blog.shop.example"])
]
Origin = Annotated[
    str,
    BeforeValidator(text(300)),
    AfterValidator(_allowed_origin),
    _schema(examples=["https://shop.example"]),
]
KnownAddress = Annotated[
    str, BeforeValidator(text(50)), AfterValidator(_known_address), _schema(examples=["198.51.100.0/24"])
]
Decimal = Annotated[
    str,
    BeforeValidator(text(31)),
    AfterValidator(_matching(_DECIMAL, 'must be a plain decimal as text, like "12.50"')),
    _schema(pattern=r"^\d{1,20}(\.\d{1,10})?$", examples=["12.50"]),
]
Time = Annotated[int, BeforeValidator(_time), _schema(format="date-time", examples=["2026-01-31T12:00:00Z"])]
QueryTime = Annotated[
    int, BeforeValidator(query_time), _schema(format="date-time", examples=["2026-01-31T12:00:00Z"])
]
RepeatPurchases = Annotated[
    Any,
    BeforeValidator(_repeat_purchases),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["first", "lifetime"]},
                {
                    "type": "object",
                    "properties": {"months": {"type": "integer", "minimum": 1, "maximum": 1200}},
                    "required": ["months"],
                    "additionalProperties": False,
                },
            ],
            "description": "Whether further orders of a customer earn too: none, all, or those of the first months.",
        }
    ),
]
TimeZone = Annotated[
    str,
    BeforeValidator(text(64)),
    AfterValidator(_matching(_ZONE, "must be a name like Europe/Berlin")),
    _schema(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$", examples=["Europe/Berlin"]),
]
Limit = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Mode = Literal["live", "test"]

_POINTS = {"type": "integer", "minimum": 0, "maximum": MOST_POINTS}


def _signal_schema(levels: int) -> dict[str, Any]:
    several = {"type": "array", "items": _POINTS, "minItems": levels, "maxItems": levels}
    return {
        "type": "object",
        "properties": {
            "action": {"enum": list(ACTIONS)},
            "mode": {"enum": list(MODES)},
            "points": {"anyOf": [_POINTS, several]},
        },
        "additionalProperties": False,
    }


_THRESHOLD = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_POINTS}, {"type": "null"}]}
OVERRIDES_SCHEMA = {
    "type": "object",
    "title": "Overrides",
    "description": "What differs from the default policy, or from the preset.",
    "properties": {
        "preset": {"enum": [*NEWEST, *PRESETS], "description": "To begin with; kept by its versioned name."},
        "note": {"type": "string", "maxLength": MOST_NOTE},
        "review_at": _THRESHOLD,
        "refuse_at": _THRESHOLD,
        "signals": {
            "type": "object",
            "properties": {signal.code: _signal_schema(len(signal.points)) for signal in SIGNALS},
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
    "examples": [{"review_at": 50, "signals": {"email.role": {"action": "off"}}}],
}


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


PolicyName = Annotated[
    str,
    BeforeValidator(text(30)),
    AfterValidator(_matching(_POLICY_NAME, "must be the number of a version, or a preset's name")),
    _schema(pattern=r"^(\d{1,9}|[a-z]{1,20}(-\d{1,4})?)$"),
]

# Judged by the rules themselves (`core.fraud.policy.validate`), which know every signal.
Overrides = Annotated[Any, BeforeValidator(_object), WithJsonSchema(OVERRIDES_SCHEMA)]
