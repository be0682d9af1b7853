"""The doors of clicks: the link an affiliate shares, and the report of a shop's page.

Plain ASGI: a link is followed far more often than anything else is asked, and nothing here needs more.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote

import orjson
from starlette.routing import Route

from refledger.core.agents import automation, is_prefetch
from refledger.core.click_report import ClickReport, read_click
from refledger.core.intake import read_object
from refledger.core.links import destination
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services.clicks import Clicks, Visit
from refledger.services.own_addresses import OwnAddresses, is_own
from refledger.services.routes import KeyRoute, Link, Routes
from refledger.services.visitor import Trusted, client_address, is_https
from refledger.web.cors import PREFLIGHT, VARY, Pairs, origin_headers
from refledger.web.errors import error_body, error_headers
from refledger.web.keys import key_of
from refledger.web.plumbing import Receive, Scope, Send, read_body, request_id_of

_SLUG = re.compile(r"[a-z0-9-]{1,100}\Z")
_MOST_CODE = 200
# No browser's agent is longer; to look for a crawler's name in all that a head may hold takes 40 ms.
_MOST_AGENT = 1024

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Doors:
    """What both doors stand on."""

    routes: Routes
    clicks: Clicks
    own_addresses: OwnAddresses
    trusted: Trusted
    body_timeout_s: float


async def _send(send: Send, status: int, headers: Pairs, body: bytes = b"") -> None:
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(
    scope: Scope, send: Send, refusal: Refusal, headers: Pairs, is_secret: bool = False
) -> None:
    status, body = error_body(refusal, request_id_of(scope), is_secret)
    headers.append((b"content-type", b"application/json"))
    headers += [(name.lower().encode(), value.encode()) for name, value in error_headers(refusal).items()]
    await _send(send, status, headers, body)


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1") if value else None


def _agent(headers: Headers) -> str | None:
    agent = _text(headers, b"user-agent")
    return agent[:_MOST_AGENT] if agent else None


def _why(method: str, headers: Headers, agent: str | None) -> str | None:
    """What gives away that no person did this; None where nothing does."""
    purpose = headers.get(b"sec-purpose") or headers.get(b"purpose") or headers.get(b"x-moz")
    if purpose and is_prefetch(purpose.decode("latin-1")):
        return "prefetch"
    return "head" if method == "HEAD" else automation(agent or "")


# ── the link ──────────────────────────────────────────────────────────────────────────────────────────


class FollowLink:
    """`GET /r/{slug}/{ref_code}`: no visitor is lost, and none is sent where the program does not say."""

    def __init__(self, doors: Doors):
        self._routes, self._clicks, self._trusted = doors.routes, doors.clicks, doors.trusted
        self._own_addresses = doors.own_addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        slug, ref_code = scope["path_params"]["slug"].lower(), scope["path_params"]["ref_code"]
        try:
            link = await self._routes.link(slug, ref_code[:_MOST_CODE]) if _SLUG.match(slug) else None
        except Refused as why:
            return await _refuse(scope, send, why.refusal, [_NO_STORE])
        if link is None or not link.program.site_url:
            return await _refuse(scope, send, Refusal(Reason.NOT_FOUND), [_NO_STORE])
        asked = _asked(scope)
        visit = self._visit(scope, asked)
        token = asked.get("test")
        is_test = bool(token) and link.affiliate is not None and is_own(link, token)
        if is_test and visit.address and visit.why is None:
            await asyncio.to_thread(self._own_addresses.note, link, visit.address, "test_click")
        headers = self._follow(scope, link, visit, "test" if is_test else "live")
        if isinstance(headers, Refusal):
            return await _refuse(scope, send, headers, [_NO_STORE])
        await _send(send, 302, headers)

    def at_once(self, scope: Scope) -> tuple[int, Pairs] | None:
        """The answer where the link is known just now and live; None where it has to be looked up or refused, or
        may be an affiliate's own.
        """
        parts = scope["path"].split("/")
        if len(parts) != 4 or b"test=" in scope["query_string"]:
            return None
        link = self._routes.link_at_hand(parts[2].lower(), parts[3][:_MOST_CODE])
        if link is None or not link.program.site_url:
            return None
        headers = self._follow(scope, link, self._visit(scope, _asked(scope)), "live")
        if isinstance(headers, Refusal):
            return None
        headers.append(_NO_BODY)
        return 302, headers

    def _follow(self, scope: Scope, link: Link, visit: Visit, mode: str) -> Pairs | Refusal:
        """Where to, with the click that is noted on the way."""
        program, affiliate = link.program, link.affiliate
        target = destination(
            program.site_url, program.allowed_hosts, visit.url, affiliate and affiliate.ref_code
        )
        headers: Pairs = [(b"location", target.encode("ascii")), _NO_STORE]
        if affiliate is not None:
            click_id = self._clicks.note(program, affiliate, mode, "link", visit)
            if isinstance(click_id, Refusal):
                return click_id
            about, tail = _cookies(affiliate.ref_code, program.window_days, is_https(scope, self._trusted))
            headers += (about, (b"set-cookie", b"affiliate_click=%b%b" % (click_id.encode(), tail)))
        return headers

    def _visit(self, scope: Scope, asked: Mapping[str, str]) -> Visit:
        headers = dict(scope["headers"])
        agent = _agent(headers)
        return Visit(
            client_address(scope, self._trusted),
            agent,
            asked.get("to"),
            _text(headers, b"referer"),
            asked.get("sub_id"),
            _text(headers, b"sec-fetch-dest"),
            _why(scope["method"], headers, agent),
        )


def _asked(scope: Scope) -> Mapping[str, str]:
    query = scope["query_string"]
    return dict(parse_qsl(query.decode("utf-8", "replace"))) if query else {}


_NO_STORE = (b"cache-control", b"no-store")
_NO_BODY = (b"content-length", b"0")


@lru_cache(maxsize=4096)
def _cookies(ref_code: str, window_days: int, secure: bool) -> tuple[tuple[bytes, bytes], bytes]:
    """The whole cookie of the code, and what follows the id in the click's. Shop pages read both."""
    tail = f"; Max-Age={window_days * 86_400}; Path=/; SameSite=Lax{'; Secure' if secure else ''}".encode()
    return (b"set-cookie", b"affiliate_ref=%b%b" % (quote(ref_code, safe="").encode(), tail)), tail


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────


class ReportClick:
    """`POST /v1/track-click`: answered without waiting for the disk."""

    def __init__(self, doors: Doors):
        self._routes, self._clicks = doors.routes, doors.clicks
        self._trusted, self._body_timeout_s = doors.trusted, doors.body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            # Which program is meant stands in the body to come: whether this origin may is decided then.
            return await _send(send, 204, PREFLIGHT.copy())
        headers = dict(scope["headers"])
        cors = origin_headers(headers.get(b"origin"))
        body = await read_body(scope, receive, timeout_s=self._body_timeout_s)
        try:
            outcome = body if isinstance(body, Refusal) else await self._report(scope, headers, body, cors)
        except Refused as why:
            outcome = why.refusal
        if isinstance(outcome, Refusal):
            return await _refuse(scope, send, outcome, cors)
        cors.append((b"content-type", b"application/json"))
        await _send(send, 202, cors, orjson.dumps({"success": True, "click_id": outcome}))

    async def _report(self, scope: Scope, headers: Headers, body: bytes, cors: Pairs) -> str | Refusal:
        """The click's id. `cors` becomes what the program says of the page's origin, once it is known."""
        given = read_object(body)
        if isinstance(given, Refusal):
            return given
        text = key_of(headers, given)
        key = await self._routes.key(text) if text else None
        if key is None:
            return Refusal(Reason.INVALID_KEY)
        report = read_click(given)
        if isinstance(report, Refusal):
            return report
        program = await self._routes.program(key.merchant_id, report.program_id)
        if program is None:
            return Refusal(Reason.INVALID_PROGRAM)
        origin = headers.get(b"origin")
        if program.allowed_origins:
            cors[:] = origin_headers(origin, program.allowed_origins)
            if cors == [VARY]:
                return Refusal(Reason.ORIGIN_NOT_ALLOWED)
        affiliate = await self._routes.affiliate(program, report.ref_code)
        if affiliate is None:
            return Refusal(Reason.INVALID_AFFILIATE)
        visit = self._visit(scope, headers, key, report)
        return self._clicks.note(program, affiliate, key.mode, "page", visit)

    def _visit(self, scope: Scope, headers: Headers, key: KeyRoute, report: ClickReport) -> Visit:
        """Whose click it is: what a secret key reports; else the browser that speaks.

        A shop's server that calls without saying for whom is no visitor: its address and agent are not kept.
        """
        agent = _agent(headers)
        why = _why(scope["method"], headers, agent)
        address = report.address
        if key.is_secret:
            agent = report.agent
            why = automation(agent) if agent else None
        elif why in ("no_agent", "http_library") and b"origin" not in headers:
            address = agent = why = None
        else:
            address = client_address(scope, self._trusted)
        return Visit(address, agent, report.url, report.referrer, report.sub_id, None, why)


FOLLOW = "follow-link"


def routes(doors: Doors) -> list[Route]:
    return [
        Route("/r/{slug}/{ref_code}", FollowLink(doors), methods=["GET"], name=FOLLOW),
        Route("/v1/track-click", ReportClick(doors), methods=["POST", "OPTIONS"], name="track-click"),
    ]
