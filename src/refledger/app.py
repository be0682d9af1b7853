"""Wires everything: settings → database → services → doors. Nothing imports this module."""

import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import FastAPI

from refledger.services.desk import Desk
from refledger.services.tracking import Tracking
from refledger.services.visitor import Trusted
from refledger.settings import Settings, load
from refledger.store.engine import Database, now_ms
from refledger.web import tracking


def create(settings: Settings | None = None, clock=now_ms) -> FastAPI:
    """The whole service, on a migrated database. `clock`: milliseconds since the epoch."""
    settings = settings or load()
    database = Database(settings.database_url, settings.database_wait_s)
    secret = settings.secret_bytes()
    trusted = Trusted(settings.trusted_proxies)
    desk = Desk(
        Tracking(database, tracking.Words(), clock, os.urandom).settle,
        settings.group_cap,
        settings.max_waiting,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        desk.open(asyncio.get_running_loop())
        yield
        await asyncio.to_thread(desk.close, settings.drain_s)
        database.close()

    app = FastAPI(title="refledger", lifespan=lifespan, docs_url=None, redoc_url=None)
    track = tracking.TrackConversion(desk, secret, trusted, settings.body_timeout_s, lambda code: None)
    app.router.routes[:0] = tracking.routes(track)
    return app
