"""Wires everything: settings → database → services → doors. Nothing imports this module."""

import asyncio
import gc
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from refledger import __version__, logs
from refledger.services.clicks import ClickBuffer, Clicks
from refledger.services.desk import Desk
from refledger.services.entropy import Entropy
from refledger.services.housekeeping import Housekeeping
from refledger.services.maturing import Maturing
from refledger.services.observe import Observers
from refledger.services.origins import Origins
from refledger.services.orphans import end_with_parent
from refledger.services.own_addresses import OwnAddresses
from refledger.services.readiness import checks
from refledger.services.routes import Routes
from refledger.services.sealing import Sealing
from refledger.services.tracking import Tracking
from refledger.services.visitor import Trusted
from refledger.settings import Settings, load
from refledger.store.engine import Checkpoints, Database, now_ms
from refledger.web import api, clicks, health, metrics, tracking
from refledger.web.plain import PlainFirst
from refledger.web.plumbing import Plumbing, exception_handlers
from refledger.web.protocol import Protocol

# The desk and the event loop share one interpreter: the default of 5 ms would let each hold the other up for as long.
SWITCH_INTERVAL_S = 0.0005


class Application(FastAPI):
    """FastAPI behind the plain doors, all of it behind the plumbing (see `wrap`)."""

    outermost = None
    at_once = None  # see `web.protocol`

    async def __call__(self, scope, receive, send) -> None:
        await (self.outermost or super().__call__)(scope, receive, send)

    def wrap(self, outermost, at_once) -> None:
        self.outermost, self.at_once = outermost, at_once

    @property
    def inner(self):
        return super().__call__


@dataclass(frozen=True, slots=True)
class _Parts:
    """What outlives a request."""

    database: Database
    desk: Desk
    buffer: ClickBuffer
    origins: Origins
    housekeeping: Housekeeping
    maturing: Maturing
    sealing: Sealing
    checkpoints: Checkpoints
    access: logs.AccessLog


def create(
    settings: Settings | None = None,
    clock: Callable[[], int] = now_ms,
    entropy: Callable[[int], bytes] | None = None,
) -> Application:
    """The whole service, on a migrated database. `clock`: milliseconds since the epoch."""
    settings, entropy = settings or load(), entropy or Entropy()
    logs.configure(settings.log_level, logs.style_of(settings.log_format))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    Protocol.header_bytes = settings.header_bytes
    observers, secret = metrics.observers(), settings.secret_bytes()
    trusted = Trusted(settings.trusted_proxies)
    parts = _parts(settings, observers, clock, entropy)
    database, desk, buffer = parts.database, parts.desk, parts.buffer
    app = Application(
        title="refledger",
        version=__version__,
        lifespan=_lifespan(parts, settings),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # behind a proxy it would lead to http, with the key in the clear
        exception_handlers=exception_handlers,
    )

    def answered(code: str) -> None:
        observers.answered(code)
        parts.housekeeping.count(code)

    track = tracking.TrackConversion(desk, secret, trusted, settings.body_timeout_s, answered)
    visits = Clicks(buffer, clock, entropy)
    known = Routes(database, secret)
    own = OwnAddresses(database, clock)
    doors = clicks.Doors(known, visits, own, trusted, settings.body_timeout_s)
    plain = [*tracking.routes(track), *clicks.routes(doors)]
    app.router.routes += plain + health.routes(checks(database, lambda: desk.alive, lambda: buffer.alive))
    api.install(
        app,
        database=database,
        secret=secret,
        clock=clock,
        entropy=entropy,
        body_timeout_s=settings.body_timeout_s,
        changed=known.forget,
        public_url=settings.public_url or "",
    )
    plumbing = Plumbing(PlainFirst(app.inner, plain), parts.access, trusted, clock, entropy)
    follow = next(route for route in plain if route.name == clicks.FOLLOW)
    app.wrap(plumbing, plumbing.at_once(follow.app.at_once, follow))
    return app


def _parts(settings: Settings, observers: Observers, clock: Callable[[], int], entropy) -> _Parts:
    database = Database(settings.database_url, settings.database_wait_s)
    buffer = ClickBuffer(database, settings.click_flush_ms, settings.max_clicks_waiting, observers, clock)
    origins = Origins(settings)
    settles = [
        Tracking(database, tracking.Words(), clock, entropy, buffer.riding, origins).settle
        for _ in range(database.groups_in_flight)
    ]
    return _Parts(
        database,
        Desk(settles, settings.group_cap, settings.max_waiting, observers, 2 * settings.database_wait_s),
        buffer,
        origins,
        Housekeeping(
            database,
            clock,
            {"addresses": settings.keep_addresses_days, "mailboxes": settings.keep_mailboxes_days},
        ),
        Maturing(database, clock, entropy),
        Sealing(database, clock),
        Checkpoints(database),
        logs.AccessLog(settings.log_level, logs.style_of(settings.log_format)),
    )


def _lifespan(parts: _Parts, settings: Settings):
    """Opens what works in the background; at the end settles and stores all that was taken, then closes."""

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        if settings.workers > 1:
            end_with_parent()
        await asyncio.to_thread(parts.origins.open)
        parts.desk.open(asyncio.get_running_loop())
        parts.buffer.open()
        parts.housekeeping.open()
        parts.maturing.open()
        parts.sealing.open()
        parts.checkpoints.open()
        # What was made until now lives as long as the process: collecting garbage need not look at it again.
        gc.collect()
        gc.freeze()
        yield
        await asyncio.to_thread(parts.desk.close, settings.drain_s)
        await asyncio.to_thread(parts.buffer.drain, settings.drain_s)
        await asyncio.to_thread(parts.housekeeping.close)
        await asyncio.to_thread(parts.maturing.close)
        await asyncio.to_thread(parts.sealing.close)
        await asyncio.to_thread(parts.checkpoints.close)
        await asyncio.to_thread(parts.origins.close)
        parts.access.flush()
        parts.database.close()

    return lifespan
