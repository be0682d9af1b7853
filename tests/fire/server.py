"""A PostgreSQL of one's own, which waits for the disk, and may be stopped and started again on the same data."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from refledger.store import migrate
from refledger.store.engine import Database
from tests import postgres

DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "recovery_init_sync_method": "syncfs",  # else a recovery first opens every file there is
}
STOP_S = 60
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT  # orderly, without waiting for anybody; as a crash leaves it


class OwnServer:
    """`options`: PostgreSQL's, over those of the tests' other servers."""

    def __init__(self, **options):
        self._options = {**postgres.OPTIONS, **DURABLE, **options}
        self.process, self._has_template = None, False

    def __enter__(self):
        self._account = postgres._account()
        self.folder = Path(tempfile.mkdtemp(prefix="refledger-fire-", dir=postgres._open_to_all()))
        if self._account:
            shutil.chown(self.folder, self._account["user"], self._account["group"])
        self._sweeper = postgres._start_sweeper(self.folder)
        try:
            self._programs = postgres._programs(self.folder, self._account)
            postgres._initialise(self._programs, self.folder, self._account, self._options)
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *details):
        self.stop(IMMEDIATE)
        self._remove()

    def start(self) -> None:
        """Returns when it answers, which after a crash takes a recovery."""
        # Not tied to this thread, which may end before: the sweeper sees to it that nothing stays.
        self.process = postgres._start(self._programs, self.folder, self._account, False)
        postgres._await(self.process, self.url("postgres"), self.folder)

    def stop(self, how=FAST) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(STOP_S)

    def url(self, database: str, host=None, port=None) -> str:
        """By the socket in its folder, or by an address that leads there."""
        where = f"{host}:{port}/{database}" if host else f"/{database}?host={self.folder}"
        return f"postgresql://refledger@{where}"

    def ask(self, sql, *parameters, database="postgres"):
        """The rows, where there are any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute(sql, parameters)
            return found.fetchall() if found.description else []

    def make_database(self, name: str) -> str:
        """The address of a new one, migrated: a copy of one that is made first."""
        if not self._has_template:
            self.ask("CREATE DATABASE migrated")
            database = Database(self.url("migrated"))
            migrate.upgrade(database)
            database.close()
            self._has_template = True
        self.ask(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY WAL_LOG")
        return self.url(name)

    def _remove(self) -> None:
        self._sweeper.stdin.close()
        try:
            self._sweeper.wait(30)
        except subprocess.TimeoutExpired:
            self._sweeper.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
