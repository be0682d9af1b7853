import pytest

from refledger import logs
from tests.builders import Counter, Shop, settings_for
from tests.conftest import Clock
from tests.postgres import ServerClock


def pytest_generate_tests(metafunc):
    """A module that names `ENGINES` runs on each of them, where a database is used at all."""
    if "engine" in metafunc.fixturenames and hasattr(metafunc.module, "ENGINES"):
        metafunc.parametrize("engine", metafunc.module.ENGINES)


@pytest.fixture
def engine():
    return "sqlite"


@pytest.fixture
def database_url(engine, database_url, request):
    return database_url if engine == "sqlite" else request.getfixturevalue("postgresql_url")


@pytest.fixture
def clock(engine, clock, database_url):
    """PostgreSQL's own clock is the one that counts: it is set along."""
    if engine == "sqlite":
        yield clock
        return
    own = ServerClock(database_url)
    yield SharedClock(own, clock.now_ms)
    own.close()


class SharedClock(Clock):
    """Whoever sets it sets the database's."""

    def __init__(self, server_clock, now_ms):
        self._server_clock = server_clock
        self.now_ms = now_ms

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "now_ms":
            self._server_clock.set(value)


@pytest.fixture
def shop(database_url, tmp_path, clock):
    made = Shop(settings_for(database_url, tmp_path), clock)
    yield made
    made.close()


@pytest.fixture
def counter(shop):
    return Counter(shop)


@pytest.fixture(scope="session", autouse=True)
def plain_logs():
    """As the service logs: rendering a traceback for people takes seconds."""
    logs.configure("error", "json")
