"""What most tests stand on: a migrated database of their own, a clock that is set, a merchant."""

import shutil
from dataclasses import dataclass

import pytest

from refledger.services import merchants
from refledger.store import migrate
from refledger.store.engine import Database
from tests import postgres

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


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A migrated, empty database file, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()  # the last connection to close folds the write-ahead log into the file
    return path


@pytest.fixture
def database_url(template, tmp_path):
    path = tmp_path / "refledger.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgresql_databases():
    """One server for all that ask, started when the first does. Where it cannot start, they fail."""
    with postgres.databases() as made:
        yield made


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


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def secret():
    """The installation's secret, as bytes."""
    return SECRET


@pytest.fixture
def merchant(database, clock, secret):
    """`merchant_id`, `publishable_key`, `secret_key`, `test_publishable_key`, `test_secret_key`."""
    return merchants.create_merchant(database, secret, "Shop", clock.now_ms)
