import pytest
from starlette.testclient import TestClient

from refledger.app import create
from tests.builders import Shop, settings_for


@pytest.fixture
def settings(database_url, tmp_path):
    return settings_for(database_url, tmp_path, log_level="error")


@pytest.fixture
def shop(settings, clock):
    made = Shop(settings, clock)
    yield made
    made.close()


@pytest.fixture
def client(shop, settings, clock):
    """The whole service behind its doors, on the shop's database and clock."""
    with TestClient(create(settings, clock=clock)) as opened:
        yield opened
