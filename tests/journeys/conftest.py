import pytest

from tests.builders import Counter, Shop, settings_for


@pytest.fixture
def shop(database_url, tmp_path, clock):
    made = Shop(settings_for(database_url, tmp_path), clock)
    yield made
    made.close()


@pytest.fixture
def counter(shop):
    return Counter(shop)
