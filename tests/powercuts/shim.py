"""apsw's SQLite behind the face of `sqlite3`, as far as the store uses it: so that the real service runs on its files.

Errors are those of `sqlite3`. Statements are stepped to their end at once, as the store reads all rows anyway.
"""

import sqlite3
from contextlib import contextmanager
from itertools import chain

import apsw


class Driver:
    """In place of the module `sqlite3`: `connect` goes through a VFS, all else is as it was.

    `synchronous`: what a connection gets that asks for FULL; `moving`: what the one gets that moves the log.
    """

    def __init__(self, vfs: str, synchronous: str = "FULL", moving: str = "FULL"):
        self._vfs, self._synchronous, self._moving = vfs, synchronous, moving

    def __getattr__(self, name):
        return getattr(sqlite3, name)

    def connect(self, path, timeout=5.0, **_options):
        """A connection that begins no transaction by itself."""
        with _named_errors():
            raw = apsw.Connection(str(path), vfs=self._vfs)
            raw.set_busy_timeout(round(timeout * 1000))
        # It alone waits for nobody.
        return Connection(raw, self._synchronous if timeout else self._moving)


class Connection:
    isolation_level = None

    def __init__(self, raw, synchronous):
        self._raw, self._synchronous = raw, synchronous

    def execute(self, sql, parameters=()):
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql, many):
        return self.cursor().executemany(sql, many)

    def cursor(self):
        return Cursor(self._raw, self._synchronous)

    @property
    def in_transaction(self):
        return self._raw.in_transaction

    def commit(self):
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self):
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self):
        with _named_errors():
            self._raw.close()

    def create_function(self, *_arguments, **_options):
        """SQLAlchemy offers one for regular expressions; the store has none."""


class Cursor:
    arraysize = 1
    lastrowid = None

    def __init__(self, raw, synchronous):
        self._raw, self._synchronous = raw, synchronous
        self._rows, self.description, self.rowcount = iter(()), None, -1

    def execute(self, sql, parameters=()):
        if sql == "PRAGMA synchronous = FULL":
            sql = f"PRAGMA synchronous = {self._synchronous}"
        cursor, self.description = self._raw.cursor(), None
        cursor.exec_trace = self._describe
        with _named_errors():
            self._rows = iter(cursor.execute(sql, parameters).fetchall())
        self.rowcount = -1 if self.description else self._raw.changes()
        return self

    def executemany(self, sql, many):
        changed = 0
        for parameters in many:
            changed += self.execute(sql, parameters).rowcount
        self.rowcount = changed
        return self

    def _describe(self, cursor, _sql, _parameters):
        # Before the first step: apsw knows no description any more once the rows are read.
        columns = cursor.get_description()
        self.description = tuple((name, *[None] * 6) for name, _kind in columns) or None
        return True

    def fetchone(self):
        return next(self._rows, None)

    def fetchmany(self, size=1):
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def fetchall(self):
        return list(self._rows)

    def __iter__(self):
        return chain(self._rows)

    def close(self):
        self._rows = iter(())


@contextmanager
def _named_errors():
    try:
        yield
    except apsw.ConstraintError as error:
        raise _as(sqlite3.IntegrityError, error) from error
    except apsw.Error as error:
        raise _as(sqlite3.OperationalError, error) from error


def _as(kind, error):
    named = kind(str(error))
    named.sqlite_errorcode = error.extendedresult
    return named
