"""Repeated calls: the first call's answer is kept in the transaction of what it changed, and given again."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from refledger.core.fingerprints import fingerprint, lock_number
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services.credentials import Tenant
from refledger.services.writing import REMEMBERED_MS
from refledger.store import idempotency_replies as store
from refledger.store.engine import Connection, Database, is_conflict

_TRIES = 5
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}\Z")
HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent, and perhaps kept."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes two calls the same: the key, within merchant, mode, kind of credential and endpoint; and the body."""

    key: str
    body_key: str


def repeatable(tenant: Tenant, endpoint: str, header: str, body: bytes) -> Repeatable:
    """`endpoint`: method and path. Raises `Refused` where the header is no key."""
    if not _PRINTABLE.match(header):
        message = f"{HEADER} must be 1 to 255 printable ASCII characters"
        raise Refused(
            Refusal(Reason.INVALID_REQUEST, message, (HEADER,), detail={"errors": {HEADER: [message]}})
        )
    key = fingerprint(tenant.fingerprint_key, "idempotency", tenant.kind, tenant.mode, endpoint, header)
    return Repeatable(key, fingerprint(tenant.fingerprint_key, "body", body.decode("latin-1")))


def settle(
    database: Database,
    tenant: Tenant,
    call: Repeatable | None,
    clock: Callable[[], int],
    work: Callable[[Connection, int], Answer],
    refuse: Callable[[Refusal], Answer],
) -> Answer:
    """Runs `work` in one transaction, at a time that several machines agree on; under a key, only the first time.

    A refusal rolls everything back. Answers of 2xx and 409 are kept; a call at the same time waits for the first.
    """
    for left in reversed(range(_TRIES)):
        try:
            return _once(database, tenant, call, clock, work, refuse)
        except Exception as error:
            # Another process was faster at something unique: look again, decide again.
            if not left or not is_conflict(error):
                raise
    raise AssertionError("unreachable")


def _once(database, tenant, call, clock, work, refuse) -> Answer:
    try:
        with database.write(tenant.merchant_id) as connection:
            now_ms, earlier = _earlier(database, connection, tenant, call, clock)
            if earlier:
                return earlier
            answer = work(connection, now_ms)
            _keep(connection, tenant, call, answer, now_ms)
            return answer
    except Refused as refused:
        answer = refuse(refused.refusal)
    if call is None or answer.status != 409:
        return answer
    with database.write(tenant.merchant_id) as connection:
        now_ms, earlier = _earlier(database, connection, tenant, call, clock)
        if earlier:
            return earlier
        _keep(connection, tenant, call, answer, now_ms)
    return answer


def _earlier(
    database: Database,
    connection: Connection,
    tenant: Tenant,
    call: Repeatable | None,
    clock: Callable[[], int],
) -> tuple[int, Answer | None]:
    """The time, taken once the key is held; and what was answered under it, if anything."""
    if call is None:
        return database.now_ms(connection, clock()), None
    now_ms = database.hold(connection, [lock_number(f"{tenant.merchant_id}:{call.key}")], clock())
    kept = store.reply(connection, tenant.merchant_id, call.key, now_ms - REMEMBERED_MS)
    if kept is None:
        return now_ms, None
    if kept["body_key"] != call.body_key:
        raise Refused(Refusal(Reason.IDEMPOTENCY_MISMATCH))
    return now_ms, Answer(kept["status"], kept["answer"].encode(), replayed=True)


def _keep(
    connection: Connection, tenant: Tenant, call: Repeatable | None, answer: Answer, now_ms: int
) -> None:
    if call is None or not (200 <= answer.status < 300 or answer.status == 409):
        return
    store.keep_reply(
        connection,
        {
            "merchant_id": tenant.merchant_id,
            "key": call.key,
            "body_key": call.body_key,
            "status": answer.status,
            "answer": answer.body.decode(),
            "at_ms": now_ms,
        },
    )
