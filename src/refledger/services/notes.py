"""What services of the management side have in common: saying which fields are wrong, and noting who changed what."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import orjson

from refledger.core.ids import make_id
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services.credentials import Tenant
from refledger.store import audit as store
from refledger.store.engine import Connection

Entropy = Callable[[int], bytes]

MOST_ERRORS = 20
MOST_PATH = 80  # characters

# Columns that are stand-ins for others, or told in another way.
_UNTOLD = frozenset({"merchant_id", "id", "code_key", "policy_id", "terms_id", "created_ms"})


def invalid(errors: Mapping[str, str]) -> Refused:
    """Every wrong field at once, or the first of very many: path → what is wrong with it."""
    told = {short_path(path): why for path, why in islice(errors.items(), MOST_ERRORS)}
    message = "; ".join(f"{path} {why}" for path, why in told.items())
    if more := len(errors) - len(told):
        message += f"; and {more:,} more"
    return Refused(
        Refusal(
            Reason.INVALID_REQUEST,
            message,
            tuple(told),
            detail={"errors": {path: [told[path]] for path in told}},
        )
    )


def short_path(path: str) -> str:
    """A path as it is told: names in it are the caller's, and may be of any length."""
    return path if len(path) <= MOST_PATH else f"{path[: MOST_PATH - 1]}…"


def not_found() -> Refused:
    """For what does not exist and for what is another merchant's alike."""
    return Refused(Refusal(Reason.NOT_FOUND))


def taken(field: str, what: str) -> Refused:
    return Refused(Refusal(Reason.CONFLICT, what, (field,)))


def note(
    connection: Connection,
    tenant: Tenant,
    action: str,
    subject_id: str,
    changes: Mapping[str, Any],
    now_ms: int,
    entropy: Entropy,
) -> None:
    """One line of the audit: `changes` is field → [old, new]."""
    store.add_audit(
        connection,
        {
            "merchant_id": tenant.merchant_id,
            "id": make_id("aud", now_ms, entropy(10)),
            "actor": tenant.key_id,
            "mode": tenant.mode,
            "action": action,
            "subject_id": subject_id,
            "changes": orjson.dumps(changes).decode(),
            "at_ms": now_ms,
        },
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list]:
    """field → [old, new] for the columns whose values differ, without what an audit should not hold."""
    return {
        name: [_told(name, old.get(name)), _told(name, value)]
        for name, value in new.items()
        if name not in _UNTOLD and old.get(name) != value
    }


def _told(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "email":
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}…@{domain}"
    if name == "known_addresses":
        return f"{len(orjson.loads(value))} addresses"
    if name in ("commission", "recruiter", "repeat_purchases", "allowed_hosts", "allowed_origins"):
        return orjson.loads(value)
    return value
