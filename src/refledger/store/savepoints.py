"""One part of a transaction that may fail without the rest."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from refledger.store.engine import Connection

_SAVE, _RELEASE, _BACK = (text(f"{verb} part") for verb in ("SAVEPOINT", "RELEASE", "ROLLBACK TO SAVEPOINT"))


@contextmanager
def part(connection: Connection) -> Iterator[None]:
    """On an exception what was done inside is undone, and the exception goes on."""
    connection.execute(_SAVE)
    try:
        yield
    except BaseException:
        connection.execute(_BACK)
        connection.execute(_RELEASE)
        raise
    connection.execute(_RELEASE)
