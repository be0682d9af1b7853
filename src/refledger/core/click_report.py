"""Reading a page's report of a click: from a request's fields to a typed `ClickReport`, or to a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from refledger.core.intake import Reader
from refledger.core.refusals import Reason, Refusal

MISSING_MESSAGE = "Need program_id and ref_code"
_MOST_URL = 2000


@dataclass(frozen=True, slots=True)
class ClickReport:
    """What a well-formed request reports. Texts are trimmed; absent is None."""

    program_id: str
    ref_code: str
    url: str | None
    referrer: str | None
    sub_id: str | None
    address: str | None
    agent: str | None


def read_click(given: Mapping[str, Any]) -> ClickReport | Refusal:
    """Program and code are right or refused; whatever else cannot be used is dropped, and costs no click."""
    reader = Reader(given)
    program_id, ref_code = reader.text("program_id"), reader.text("ref_code")
    wanted = {"program_id": program_id, "ref_code": ref_code}
    missing = tuple(name for name, value in wanted.items() if value is None and name not in reader.invalid)
    if missing:
        return Refusal(Reason.MISSING_FIELDS, MISSING_MESSAGE, missing)
    if reader.invalid:
        message = "; ".join(f"{name} {why}" for name, why in reader.invalid.items())
        return Refusal(Reason.INVALID_FIELD, message, tuple(reader.invalid))
    return ClickReport(
        program_id,
        ref_code,
        url=reader.lenient("url", _MOST_URL),
        referrer=reader.lenient("referrer", _MOST_URL),
        sub_id=reader.lenient("sub_id"),
        address=reader.lenient("customer_ip"),
        agent=reader.lenient("customer_user_agent", 1024),
    )
