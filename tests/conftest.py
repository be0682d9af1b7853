"""What most tests stand on: a migrated database of their own, a clock that is set, a merchant.

Whatever asks for a database runs on each engine. `pytest.mark.only_on("sqlite", "why")`, on a test or a module, is the
exception, and its reason is about the engine.
"""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from refledger.services import merchants
from refledger.store import migrate
from refledger.store.engine import Database
from tests import postgres

ENGINES = ("sqlite", "postgresql")
SECRET = b"a secret for tests, and for tests only"
START_MS = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


@dataclass
class Clock:
    """Call it for the time; set or add to `now_ms` to let time pass."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance_s(self, seconds: float) -> int:
        self.now_ms += round(seconds * 1000)
        return self.now_ms


class SharedClock(Clock):
    """Whoever sets it sets the database's."""

    def __init__(self, server_clock, now_ms):
        self._server_clock = server_clock
        self.now_ms = now_ms

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "now_ms":
            self._server_clock.set(value)


def pytest_configure(config):
    config.addinivalue_line("markers", "only_on(engine, reason): of two engines, runs on this one alone")
    config.addinivalue_line("markers", "prove_on(engine): on this engine one of the long proofs")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        long = item.get_closest_marker("prove_on")
        if long and item.callspec.params["engine"] == long.args[0]:
            item.add_marker(pytest.mark.prove)


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        # By module, so that what a module shares is made once for each engine.
        metafunc.parametrize("engine", engines_of(metafunc.definition), scope="module")


def engines_of(item):
    """All of them, or the one that the nearest mark names; a mark without a reason is a mistake."""
    only = item.get_closest_marker("only_on")
    if only is None:
        return ENGINES
    engine, reason = only.args
    if engine not in ENGINES or not reason.strip():
        raise pytest.UsageError(f"{item.nodeid}: only_on needs an engine and a reason")
    return (engine,)


@pytest.fixture(scope="module")
def engine():
    """Given by `pytest_generate_tests`."""
    raise NotImplementedError


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A migrated, empty database file, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()  # the last connection to close folds the write-ahead log into the file
    return path


@pytest.fixture(scope="session")
def postgresql_databases():
    """One server for all that ask, started when the first does. Where it cannot start, they fail."""
    with postgres.databases() as made:
        yield made


@pytest.fixture(scope="module")
def fresh(engine, request):
    """Makes migrated, empty databases: `with fresh(folder) as url`; SQLite's file lies in the folder."""
    origin = request.getfixturevalue("template" if engine == "sqlite" else "postgresql_databases")

    @contextmanager
    def make(folder):
        if engine == "sqlite":
            shutil.copyfile(origin, folder / "refledger.db")
            yield f"sqlite:///{folder / 'refledger.db'}"
        else:
            with origin.fresh() as url:
                yield url

    return make


@pytest.fixture
def database_url(fresh, tmp_path):
    with fresh(tmp_path) as url:
        yield url


@pytest.fixture
def empty_url(engine, tmp_path, request):
    """A database without any table; on SQLite not even a file."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'refledger.db'}"
    url = request.getfixturevalue("postgresql_url")
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture
def postgresql_url(postgresql_databases):
    """A migrated, empty database on PostgreSQL."""
    with postgresql_databases.fresh() as url:
        yield url


@pytest.fixture
def database(database_url):
    made = Database(database_url)
    yield made
    made.close()


@contextmanager
def clock_of(database_url):
    """PostgreSQL's own clock is the one that counts: it is set along. To be made before others connect."""
    if database_url.startswith("sqlite"):
        yield Clock()
        return
    own = postgres.ServerClock(database_url)
    yield SharedClock(own, START_MS)
    own.close()


@pytest.fixture
def clock(database_url):
    with clock_of(database_url) as made:
        yield made


@pytest.fixture
def secret():
    """The installation's secret, as bytes."""
    return SECRET


@pytest.fixture
def merchant(database, clock, secret):
    """`merchant_id`, `publishable_key`, `secret_key`, `test_publishable_key`, `test_secret_key`."""
    return merchants.create_merchant(database, secret, "Shop", clock.now_ms)
