"""What the commands share: settings, an open and migrated database, and words for what may go wrong."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refledger.settings import PREFIX, Settings, SettingsError, load
from refledger.store.engine import Database, Unavailable

ENGINES = ("sqlite", "postgresql")


class Sentence(Exception):
    """Ends a command with this sentence."""


def settings(database: str | None = None, **given) -> Settings:
    """Settings of the environment; options win, for this process and for the service it starts."""
    for name, value in {"database_url": database, **given}.items():
        if value is not None:
            os.environ[f"{PREFIX}{name.upper()}"] = str(value)
    return load()


@contextmanager
def opened(using: Settings, migrated: bool = True) -> Iterator[Database]:
    """The database, made where there is none, and brought to the newest revision unless told otherwise."""
    from refledger.store import migrate

    database = connect(using)
    try:
        if migrated:
            migrate.upgrade(database)
        yield database
    finally:
        database.close()


@contextmanager
def opened_existing(using: Settings, migrated: bool = True) -> Iterator[Database]:
    """As `opened`, but never makes a database: a mistyped path must not look like an empty ledger."""
    from refledger.store import migrate

    path = sqlite_path(using)
    if path is not None and not path.exists():
        raise Sentence(f"there is no database at {path}: {_WHERE_TO_LOOK}")
    with opened(using, migrated=False) as database:
        if migrated:
            if migrate.current(database) is None:
                place = path or database.url.render_as_string(hide_password=True)
                raise Sentence(f"the database at {place} holds nothing of refledger: {_WHERE_TO_LOOK}")
            migrate.upgrade(database)
        yield database


_WHERE_TO_LOOK = (
    "look at --database, REFLEDGER_DATABASE_URL and the working directory, or make one with `refledger init`"
)


def sqlite_path(using: Settings) -> Path | None:
    """The database's file; none on PostgreSQL."""
    url = _url(using)
    return Path(url.database) if url.get_backend_name() == "sqlite" else None


def connect(using: Settings) -> Database:
    return Database(_url(using), using.database_wait_s)


def _url(using: Settings):
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(using.database_url)
        if url.get_backend_name() not in ENGINES:
            raise ValueError
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError  # nothing would be kept, and each connection would see a database of its own
        return url
    except (ArgumentError, ValueError):
        # The URL may hold a password: it is not repeated.
        raise Sentence(
            "what --database or REFLEDGER_DATABASE_URL says is not a database URL of SQLite or PostgreSQL,"
            " such as sqlite:///data/refledger.db"
        ) from None


def bind(host: str, port: int) -> socket.socket:
    """A socket of our own, so that a port in use is told before anything else happens."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        raise Sentence(
            f"cannot listen on {host}:{port}: {reason}; choose another with --host and --port"
        ) from None
    return bound


def expected_words(error: Exception) -> str | None:
    """One sentence for what can go wrong outside of our hands; none for what must not happen."""
    from refledger.services.merchants import UnknownKey, UnknownMerchant, UnusableName
    from refledger.store.migrate import UnknownRevision

    if isinstance(error, UnknownKey):
        return f"there is no key {error} in force: see `refledger keys list`"
    if isinstance(error, UnknownRevision):
        return f"{error}; install the newer version of refledger"
    if isinstance(error, Unavailable):
        return f"the database cannot be used: {' '.join(str(error).split())}"
    if isinstance(error, (Sentence, SettingsError, UnknownMerchant, UnusableName)):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
