"""refledger with one safety switched off, as a negative control: a repeated answer does not wait for the replicas."""

from refledger import app
from refledger.store import engine


def create():
    engine.HOLD = "SELECT count(pg_advisory_xact_lock(k)) FROM unnest(CAST(%s AS bigint[])) AS k"
    return app.create()
