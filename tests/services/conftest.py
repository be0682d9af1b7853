import pytest

from refledger import logs
from tests.builders import Counter, Shop, settings_for


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
