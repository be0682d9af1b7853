"""The door of `POST /v1/track-conversion`: reads the request, hands the claim to the desk, sends its answer."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from refledger.core import addresses
from refledger.core.intake import Report, read_object, read_report
from refledger.core.keys import hash_key, read_key
from refledger.core.refusals import Reason, Refusal
from refledger.services.claims import Answer, Claim
from refledger.services.desk import Desk
from refledger.services.visitor import Trusted, client_address
from refledger.web.cors import allow, preflight
from refledger.web.errors import error_body, error_response
from refledger.web.plumbing import read_body, request_id_of

MESSAGES = {
    "pending": "Conversion tracked successfully",
    "pending_review": "Conversion tracked but pending fraud review",
}
_MAX_IDEMPOTENCY_KEY = 255


class Words:
    """The page's words for each outcome, as bytes of JSON."""

    def accepted(
        self, conversion_id: str, commission: str, status: str, dry_run: bool, warnings: tuple
    ) -> bytes:
        # By hand, for the commission is a number with exactly the currency's decimals, and no float may touch it.
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

    async def post(self, request: Request) -> Response:
        request_id = request_id_of(request.scope)
        claim = await self._read(request, request_id)
        if isinstance(claim, Refusal):
            outcome = claim
        else:
            outcome = await self._desk.submit(claim)
        response = self._respond(outcome, request_id, isinstance(claim, Claim) and claim.is_secret)
        allow(response, request.headers.get("origin"), getattr(outcome, "allowed_origins", "[]"))
        return response

    async def _read(self, request: Request, request_id: str) -> Claim | Refusal:
        body = await read_body(request.receive, timeout_s=self._body_timeout_s)
        if isinstance(body, Refusal):
            return body
        given = read_object(body)
        if isinstance(given, Refusal):
            return given
        key = _key_of(request.headers.get("authorization"), given)
        shape = read_key(key) if key else None
        if shape is None:
            return Refusal(Reason.INVALID_KEY)
        is_secret = shape.kind == "secret"
        idempotency_key = request.headers.get("idempotency-key")
        report = read_report(given, is_secret)
        if idempotency_key is not None and not _is_usable(idempotency_key):
            message = f"Idempotency-Key must have 1 to {_MAX_IDEMPOTENCY_KEY} printable ASCII characters"
            report = Refusal(Reason.INVALID_FIELD, message, ("Idempotency-Key",))
            idempotency_key = None
        address = None
        if isinstance(report, Report):
            report, address = self._visitor(request, report, is_secret)
        return Claim(
            request_id,
            hash_key(key, self._secret),
            is_secret,
            given,
            report,
            address,
            idempotency_key,
            blake2b(body, digest_size=16).hexdigest() if idempotency_key else "",
        )

    def _visitor(
        self, request: Request, report: Report, is_secret: bool
    ) -> tuple[Report, addresses.Address | None]:
        """The customer's address: reported, or the connection's where the customer's own browser reports."""
        address = addresses.parse(report.address) if report.address else None
        if report.address and address is None:
            report = replace(report, warnings=(*report.warnings, "customer_ip ignored: not an address"))
        if not is_secret and request.headers.get("origin"):
            if address is None:
                own = client_address(request.scope, self._trusted)
                address = addresses.parse(own) if own else None
            if report.agent is None:
                report = replace(report, agent=(request.headers.get("user-agent") or "")[:1024] or None)
        return report, address

    def _respond(self, outcome: Answer | Refusal, request_id: str, is_secret: bool) -> Response:
        if isinstance(outcome, Refusal):
            self._answered(outcome.reason.value)
            return error_response(outcome, request_id, is_secret)
        self._answered(outcome.code)
        response = Response(outcome.body, outcome.status, media_type="application/json")
        if outcome.retry_after_s:
            response.headers["Retry-After"] = str(outcome.retry_after_s)
        if outcome.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response


def _key_of(authorization: str | None, given: dict) -> str | None:
    """A key sent as Bearer comes before the one in the body."""
    if authorization and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    key = given.get("publishable_key")
    return key.strip() if isinstance(key, str) else None


def _is_usable(idempotency_key: str) -> bool:
    return 0 < len(idempotency_key) <= _MAX_IDEMPOTENCY_KEY and all(" " <= c <= "~" for c in idempotency_key)


def routes(track: TrackConversion) -> list[Route]:
    return [
        Route("/v1/track-conversion", track.post, methods=["POST"]),
        Route("/v1/track-conversion", preflight, methods=["OPTIONS"]),
    ]
