"""Reading a report: from the bytes of a request to a typed `Report`, or to a refusal that names what is wrong.

Leniently read (any content type, null and "" are absent, amounts as numbers or text), strictly understood: a
required field is right or refused, a bad optional one is dropped with a warning and never costs a sale.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from refledger.core.refusals import Reason, Refusal

MAX_BODY_BYTES = 16 * 1024
MAX_DEPTH = 5
MISSING_MESSAGE = "Need program_id, conversion_type, and either ref_code or coupon_code"
CONVERSION_TYPES = ("signup", "purchase")

_PLAIN_DECIMAL = re.compile(r"-?\d{1,60}(\.\d{1,60})?\Z", re.ASCII)
_MAX_TEXT = 200
_MAX_AGENT = 1024
_MAX_METADATA_KEYS = 20


class _Unreadable(ValueError):
    """Says in words why a body is not one JSON object."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a well-formed request reports. Texts are trimmed; absent is None."""

    program_id: str
    conversion_type: str
    ref_code: str | None = None
    coupon_code: str | None = None
    email: str | None = None
    revenue: Decimal | None = None
    address: str | None = None
    agent: str | None = None
    order_id: str | None = None
    click_id: str | None = None
    currency: str | None = None
    customer_id: str | None = None
    metadata: dict[str, Any] | None = None
    dry_run: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Reader:
    """Collects what is missing, wrong or dropped while the fields are read, so that all is named at once."""

    given: Mapping[str, Any]
    missing: list[str] = field(default_factory=list)
    invalid: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def text(self, name: str, most: int = _MAX_TEXT) -> str | None:
        """A strict text field, or None where absent."""
        value = self.given.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.invalid[name] = "must be a string"
            return None
        value = value.strip()
        if len(value) > most:
            self.invalid[name] = f"must have at most {most} characters"
            return None
        return value or None

    def label(self, name: str) -> str | None:
        """A merchant's own id: text, or a whole number, which many shops use."""
        value = self.given.get(name)
        return str(int(value)) if _is_whole(value) else self.text(name)

    def lenient(self, name: str, most: int = _MAX_TEXT) -> str | None:
        """A text that is dropped with a warning where it is not usable."""
        value = self.given.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > most:
            self.warnings.append(f"{name} ignored: must be a string of at most {most} characters")
            return None
        return value.strip() or None


def read_object(body: bytes) -> dict[str, Any] | Refusal:
    """The JSON object in a body; numbers as exact `Decimal`s."""
    try:
        if len(body) > MAX_BODY_BYTES:
            raise _Unreadable(f"The body has more than {MAX_BODY_BYTES} bytes")
        text = body.decode("utf-8")
        given = _DECODER.decode(text)
        if not isinstance(given, dict):
            raise _Unreadable("The body must be one JSON object")
        if _may_hold_worse(body):
            _check(given, 1)
    except _Unreadable as why:
        return Refusal(Reason.INVALID_BODY, str(why))
    except UnicodeDecodeError:
        return Refusal(Reason.INVALID_BODY, "The body is not UTF-8 text")
    except RecursionError:
        return Refusal(Reason.INVALID_BODY, f"The body is nested deeper than {MAX_DEPTH} levels")
    except ValueError as why:
        return Refusal(Reason.INVALID_BODY, f"The body is not JSON: {why}")
    return given


def read_report(given: Mapping[str, Any], is_secret: bool) -> Report | Refusal:
    """The report in a request's fields; `is_secret`: whether a secret key signs it."""
    reader = Reader(given)
    ref_code, coupon_code = reader.text("ref_code"), reader.text("coupon_code")
    conversion_type = reader.text("conversion_type")
    email = reader.text("customer_email", most=1000)
    report = {
        "program_id": reader.text("program_id"),
        "conversion_type": conversion_type,
        "ref_code": ref_code,
        "coupon_code": coupon_code,
        "email": email,
        "revenue": _revenue(reader) if conversion_type == "purchase" else None,
        "address": reader.lenient("customer_ip"),
        "agent": _agent(reader),
        "order_id": reader.label("order_id"),
        "click_id": reader.lenient("click_id"),
        "currency": reader.text("currency"),
        "customer_id": _customer_id(reader),
        "metadata": _metadata(reader),
        "dry_run": _dry_run(reader, is_secret),
    }
    if conversion_type is not None and conversion_type not in CONVERSION_TYPES:
        reader.invalid["conversion_type"] = 'must be "signup" or "purchase"'
    return _refusal(reader, report) or Report(**report, warnings=tuple(reader.warnings))


def _refusal(reader: Reader, report: dict[str, Any]) -> Refusal | None:
    """Missing before invalid, as the order of answers has it; a field of the wrong type is not missing."""
    needed = ["program_id", "conversion_type"]
    has_code = (
        report["ref_code"] or report["coupon_code"] or {"ref_code", "coupon_code"} & reader.invalid.keys()
    )
    if report["ref_code"] and not report["coupon_code"] and "coupon_code" not in reader.invalid:
        needed.append("email")
    if report["conversion_type"] == "purchase":
        needed.append("revenue")
    reader.missing += [
        _FIELD_NAMES.get(name, name)
        for name in needed
        if report[name] is None and _FIELD_NAMES.get(name, name) not in reader.invalid
    ]
    if not has_code:
        reason = Reason.MISSING_FIELDS if reader.missing else Reason.NO_REFERRAL
        return Refusal(reason, MISSING_MESSAGE, (*reader.missing, "ref_code", "coupon_code"))
    if reader.missing:
        return Refusal(Reason.MISSING_FIELDS, MISSING_MESSAGE, tuple(reader.missing))
    if reader.invalid:
        message = "; ".join(f"{name} {why}" for name, why in reader.invalid.items())
        return Refusal(Reason.INVALID_FIELD, message, tuple(reader.invalid))
    return None


_FIELD_NAMES = {"email": "customer_email", "revenue": "revenue_amount"}


def _revenue(reader: Reader) -> Decimal | None:
    value = reader.given.get("revenue_amount")
    if value is None or value == "":
        return None
    if isinstance(value, str) and _PLAIN_DECIMAL.match(value.strip()):
        value = Decimal(value.strip())
    if not isinstance(value, Decimal):
        reader.invalid["revenue_amount"] = "must be a number, or a plain decimal as text"
    elif value < 0:
        reader.invalid["revenue_amount"] = "must not be negative"
    elif value.adjusted() > 30:
        reader.invalid["revenue_amount"] = "is above the program's maximum"
    elif len(value.as_tuple().digits) > 100 or value.as_tuple().exponent < -100:
        reader.invalid["revenue_amount"] = "has more than 100 digits"
    else:
        return value
    return None


def _is_whole(value: Any) -> bool:
    """A whole number of at most 30 digits; its size is asked first, for 1e9999999 overflows all arithmetic."""
    return isinstance(value, Decimal) and value.adjusted() < 30 and value == value.to_integral_value()


def _agent(reader: Reader) -> str | None:
    value = reader.given.get("customer_user_agent")
    if isinstance(value, str) and len(value) > _MAX_AGENT:
        reader.warnings.append(f"customer_user_agent cut to {_MAX_AGENT} characters")
        return value[:_MAX_AGENT].strip() or None
    return reader.lenient("customer_user_agent", _MAX_AGENT)


def _customer_id(reader: Reader) -> str | None:
    whole = _is_whole(reader.given.get("customer_id"))
    return reader.label("customer_id") if whole else reader.lenient("customer_id")


def _metadata(reader: Reader) -> dict[str, Any] | None:
    value = reader.given.get("metadata")
    if value is None or value == "":
        return None
    flat = isinstance(value, dict) and len(value) <= _MAX_METADATA_KEYS
    if not flat or any(isinstance(each, (dict, list)) for each in value.values()):
        reader.warnings.append(
            f"metadata ignored: must be a flat object of at most {_MAX_METADATA_KEYS} keys"
        )
        return None
    return {name: str(each) if isinstance(each, Decimal) else each for name, each in value.items()}


def _dry_run(reader: Reader, is_secret: bool) -> bool:
    value = reader.given.get("dry_run")
    if value is None or value == "":
        return False
    if not isinstance(value, bool):
        reader.invalid["dry_run"] = "must be true or false"
    elif value and not is_secret:
        reader.invalid["dry_run"] = "needs a secret key"
    return value is True


# ── JSON, exactly ────────────────────────────────────────────────────────────────────────────────────────────────


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _Unreadable("A number's exponent is out of range") from None


def _no_constant(text: str):
    raise _Unreadable(f"{text} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unreadable("The body names a key twice")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_number, parse_constant=_no_constant
)


def _may_hold_worse(body: bytes) -> bool:
    """False for nearly all: without an escape there is no NUL and no lone surrogate (raw ones are neither JSON nor
    UTF-8), and so few brackets cannot nest too deep.
    """
    return b"\\u" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH


def _check(value: Any, depth: int) -> None:
    """Refuses what no field may hold and no database stores: NUL, lone surrogates, deep nesting."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise _Unreadable(f"The body is nested deeper than {MAX_DEPTH} levels")
        for each in value.values() if isinstance(value, dict) else value:
            _check(each, depth + 1)
        for name in value if isinstance(value, dict) else ():
            _check_text(name)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise _Unreadable("The body has a NUL character")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Unreadable("The body has a lone surrogate")
