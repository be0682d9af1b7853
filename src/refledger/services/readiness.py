"""What must hold for this process to serve."""

from collections.abc import Callable

from refledger.store import migrate
from refledger.store.engine import Database


def checks(
    database: Database, desk_alive: Callable[[], bool], clicks_alive: Callable[[], bool]
) -> dict[str, Callable[[], bool]]:
    """By name; each answers, or raises what is wrong."""
    return {
        # Whether migrations are pending is read from the database, so this tells that it can be read, too.
        "database": lambda: not migrate.pending(database),
        "desk": desk_alive,
        "clicks": clicks_alive,
    }
