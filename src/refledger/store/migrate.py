"""Brings a database to the newest revision, from code only.

Alembic is imported only where there is something to do: a start that finds all in place asks one question.
"""

import time
from pathlib import Path

from sqlalchemy import Connection

from refledger.store import schema
from refledger.store.engine import Database, Unavailable

HERE = Path(__file__).parent / "migrations"
# Before the revision of a database that a copy into it has not finished: it sorts behind every revision.
COPYING = "copying-"
_LOCK_NUMBER = 7_311_684_412_006_191  # any number, as long as nothing else takes an advisory lock on it


class UnknownRevision(Exception):
    """The database was migrated by a newer version; nothing was changed."""


def head() -> str:
    """The newest revision: the files of `versions/` are named by it, in rising order."""
    return max(path.name.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))


def current(database: Database) -> str | None:
    """None where the database is empty."""
    with database.read() as connection:
        return _revision(connection)


def pending(database: Database) -> bool:
    return current(database) != head()


def is_half_copied(revision: str | None) -> bool:
    return revision is not None and revision.startswith(COPYING)


def upgrade(database: Database) -> bool:
    """Answers whether there was anything to do. Of several processes that call it at once, one works."""
    if current(database) == head():
        return False
    if database.is_sqlite:
        _switch_to_wal(database)
    with database.write() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
        revision = _revision(connection)  # again, now that no other process can be at it
        if revision == head():
            return False
        if is_half_copied(revision):
            raise Unavailable("a copy into it was begun and is not finished: run `refledger copy` again")
        if revision is not None and revision > head():
            raise UnknownRevision(
                f"the database is at revision {revision}, this version knows up to {head()}"
            )
        _run(connection)
    return True


def grant(database: Database, role: str) -> None:
    """PostgreSQL: what a role that serves needs. It owns nothing, changes no table that is only added to, and sees the
    merchants that each transaction names.
    """
    with database.write() as connection:
        name = connection.dialect.identifier_preparer.quote(role)
        for table in schema.metadata.sorted_tables:
            deeds = "SELECT, INSERT" if table in schema.APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
            connection.exec_driver_sql(f"GRANT {deeds} ON {table.name} TO {name}")
        connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {name}")


def _revision(connection: Connection) -> str | None:
    if connection.dialect.name == "sqlite":
        exists = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    else:
        exists = "SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"
    if connection.exec_driver_sql(exists).first() is None:
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic reads options as a configuration file does, where % begins a substitution.
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _switch_to_wal(database: Database) -> None:
    """Once for all, the file remembers it. SQLite's own patience does not cover this step, hence the loop."""
    deadline_s = time.monotonic() + database.wait_s
    while True:
        raw = database.writer.raw_connection()
        try:
            if raw.driver_connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise Unavailable(str(error)) from error
        finally:
            raw.close()
        time.sleep(0.02)
