"""The service with one of its safeties switched off, for negative controls: UNSAFE names which."""

import os
import time
from contextlib import contextmanager

from refledger import app
from refledger.services import tracking
from refledger.store.engine import Database

COMMIT_EVERY_S = 0.5


def create():
    switched_off = os.environ["UNSAFE"]
    if switched_off == "contention":
        tracking.without_contention = _all_at_once
    elif switched_off == "commit":
        Database.write = _write_now_commit_later
    else:
        raise ValueError(switched_off)
    return app.create()


def _all_at_once(works):
    for work in works:
        work.held = tracking.contends_for(work)
    return list(works), []


_open = {}


@contextmanager
def _write_now_commit_later(database):
    """One transaction over many groups: fast, and answered before it is durable."""
    with database.turn:
        if not _open:
            begun = database.writer.begin()
            _open.update(begun=begun, connection=begun.__enter__(), since=time.monotonic())
        yield _open["connection"]
        if time.monotonic() - _open["since"] > COMMIT_EVERY_S:
            _open["begun"].__exit__(None, None, None)
            _open.clear()
