"""The door of `POST /v1/track-conversion`: reads the request, hands the claim to the desk, sends its answer.

Plain ASGI, like the doors of clicks: nothing here needs more.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b

import orjson
from starlette.routing import Route

from refledger.core import addresses
from refledger.core.intake import Report, read_object, read_report
from refledger.core.keys import hash_key, read_key
from refledger.core.programs import stored
from refledger.core.refusals import Reason, Refusal
from refledger.services.claims import Answer, Claim
from refledger.services.desk import Desk
from refledger.services.visitor import Trusted, client_address
from refledger.web.cors import PREFLIGHT, origin_headers
from refledger.web.errors import error_body, error_headers, retry_after_s
from refledger.web.keys import key_of
from refledger.web.plumbing import Receive, Scope, Send, read_body, request_id_of

MESSAGES = {
    "pending": "Conversion tracked successfully",
    "pending_review": "Conversion tracked but pending fraud review",
}
_MAX_IDEMPOTENCY_KEY = 255

Headers = Mapping[bytes, bytes]


class Words:
    """The page's words for each outcome, as bytes of JSON."""

    def accepted(
        self, conversion_id: str, commission: str, status: str, dry_run: bool, warnings: tuple[str, ...]
    ) -> bytes:
        # By hand: the commission is a number with exactly the currency's decimals, and no float may touch it.
        more = ', "dry_run": true' if dry_run else ""
        if warnings:
            more += f', "warnings": {orjson.dumps(warnings).decode()}'
        return (
            f'{{"success": true, "conversion_id": "{conversion_id}", "commission": {commission}, '
            f'"status": "{status}", "message": "{MESSAGES[status]}"{more}}}'
        ).encode()

    def refused(self, refusal: Refusal, request_id: str, is_secret: bool) -> tuple[int, bytes]:
        return error_body(refusal, request_id, is_secret)


class TrackConversion:
    """One request at a time; called on the event loop."""

    def __init__(
        self,
        desk: Desk,
        secret: bytes,
        trusted: Trusted,
        body_timeout_s: float,
        answered: Callable[[str], None],
    ):
        self._desk, self._secret, self._trusted = desk, secret, trusted
        self._body_timeout_s, self._answered = body_timeout_s, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            # Which program is meant stands in the body to come: whether its pages may read is decided then.
            await send({"type": "http.response.start", "status": 204, "headers": PREFLIGHT.copy()})
            await send({"type": "http.response.body", "body": b""})
            return
        headers = dict(scope["headers"])
        body = await read_body(scope, receive, timeout_s=self._body_timeout_s)
        claim = body if isinstance(body, Refusal) else self._read(scope, headers, body)
        outcome = claim if isinstance(claim, Refusal) else await self._desk.submit(claim)
        if isinstance(outcome, Refusal):
            outcome = self._refuse(
                outcome, request_id_of(scope), isinstance(claim, Claim) and claim.is_secret
            )
        self._answered(outcome.code)
        told = _headers(outcome, headers)
        if isinstance(body, Refusal) and "Connection" in error_headers(body):
            # What is left of the body would be waited for, or taken for a request.
            told.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": outcome.status, "headers": told})
        await send({"type": "http.response.body", "body": outcome.body})

    def _read(self, scope: Scope, headers: Headers, body: bytes) -> Claim | Refusal:
        given = read_object(body)
        if isinstance(given, Refusal):
            return given
        key = key_of(headers, given)
        shape = read_key(key) if key else None
        if shape is None:
            return Refusal(Reason.INVALID_KEY)
        is_secret = shape.kind == "secret"
        report, address = read_report(given, is_secret), None
        idempotency_key = headers.get(b"idempotency-key")
        if idempotency_key is not None and not _is_usable(idempotency_key):
            message = f"Idempotency-Key must have 1 to {_MAX_IDEMPOTENCY_KEY} printable ASCII characters"
            report, idempotency_key = Refusal(Reason.INVALID_FIELD, message, ("Idempotency-Key",)), None
        if isinstance(report, Report):
            report, address = self._visitor(scope, headers, report, is_secret)
        return Claim(
            request_id_of(scope),
            hash_key(key, self._secret),
            is_secret,
            given,
            report,
            address,
            idempotency_key.decode() if idempotency_key else None,
            blake2b(body, digest_size=16).hexdigest() if idempotency_key else "",
        )

    def _visitor(
        self, scope: Scope, headers: Headers, report: Report, is_secret: bool
    ) -> tuple[Report, addresses.Address | None]:
        """The customer's address: reported, or the connection's where the customer's own browser reports."""
        address = addresses.parse(report.address) if report.address else None
        if report.address and address is None:
            report = replace(report, warnings=(*report.warnings, "customer_ip ignored: not an address"))
        if not is_secret and b"origin" in headers:
            if address is None:
                own = client_address(scope, self._trusted)
                address = addresses.parse(own) if own else None
            agent = headers.get(b"user-agent", b"").decode("latin-1").replace("\0", "")[:1024].strip()
            if report.agent is None and agent:
                report = replace(report, agent=agent)
        return report, address

    def _refuse(self, refusal: Refusal, request_id: str, is_secret: bool) -> Answer:
        """The answer to what never came to the desk, or what the desk could not settle."""
        status, body = error_body(refusal, request_id, is_secret)
        return Answer(status, body, refusal.reason.value, retry_after_s(refusal))


def _headers(answer: Answer, asked: Headers) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.retry_after_s:
        headers.append((b"retry-after", str(answer.retry_after_s).encode()))
    if answer.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    return headers + origin_headers(asked.get(b"origin"), stored(answer.allowed_origins))


def _is_usable(idempotency_key: bytes) -> bool:
    return 0 < len(idempotency_key) <= _MAX_IDEMPOTENCY_KEY and all(
        32 <= each < 127 for each in idempotency_key
    )


def routes(track: TrackConversion) -> list[Route]:
    return [Route("/v1/track-conversion", track, methods=["POST", "OPTIONS"], name="track-conversion")]
