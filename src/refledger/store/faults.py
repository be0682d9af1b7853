"""What an exception of the drivers means, of either engine: a conflict, being out of reach, or a fault."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError


class Unavailable(Exception):
    """The database cannot serve now: locked, full, read-only, damaged, out of reach. Nothing was stored."""


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "orig", None) or error


def is_conflict(error: BaseException) -> bool:
    """Whether deciding again may succeed: a unique violation, a serialization failure, a deadlock."""
    cause = _cause(error)
    if isinstance(cause, sqlite3.IntegrityError):
        return "UNIQUE constraint failed" in str(cause)
    return getattr(cause, "sqlstate", None) in ("23505", "40001", "40P01")


_SQLITE_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
)
# Not passing by itself, but mended from outside just the same: by a right path, by a backup put in place.
_SQLITE_SPOILED = {
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database, look at its path",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged, stop what uses it and restore a backup",
}


def is_unavailable(error: BaseException) -> bool:
    """Whether the database itself could not serve: nothing was stored, and a later call may succeed."""
    cause = _cause(error)
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in (*_SQLITE_PASSING, *_SQLITE_SPOILED)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return does_not_lead(error) or state in _GIVEN_UP or state[:2] in ("08", "53", "57", "58")
    return isinstance(error, OperationalError) or type(cause).__name__ in (
        "OperationalError",
        "InterfaceError",
        "TimeoutError",
    )


# Waited too long for a lock; fell silent within a transaction.
_GIVEN_UP = ("55P03", "25P03")


def does_not_lead(error: BaseException) -> bool:
    """Said by a replica, or by one that is to lead and does not yet: that refuses a number for the transaction, with no
    state of its own.
    """
    cause = _cause(error)
    state = getattr(cause, "sqlstate", None)
    return state == "25006" or (state == "XX000" and "during recovery" in str(cause))


def _sqlite_code(cause: BaseException) -> int:
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF


def _why(error: BaseException) -> str:
    cause = _cause(error)
    return _SQLITE_SPOILED.get(_sqlite_code(cause)) or str(cause)


@contextmanager
def named_faults() -> Iterator[None]:
    """Turns the drivers' many ways of being out of reach into `Unavailable`."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        if is_unavailable(error):
            raise Unavailable(_why(error)) from error
        raise
    except Exception as error:
        if not isinstance(error, Unavailable) and is_unavailable(error):
            raise Unavailable(_why(error)) from error
        raise
