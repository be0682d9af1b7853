from contextlib import closing

import pytest

from refledger.store.engine import now_ms
from tests.builders import Shop, settings_for
from tests.journeys.wire import Server


@pytest.fixture
def shop(database_url, tmp_path):
    """On the machine's own clock, as the service runs."""
    made = Shop(settings_for(database_url, tmp_path), now_ms)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(fresh, tmp_path_factory):
    """(shop, server), shared by a module: each test makes its own affiliates."""
    folder = tmp_path_factory.mktemp("served")
    with (
        fresh(folder) as url,
        closing(Shop(settings_for(url, folder), now_ms)) as shop,
        Server(shop.settings) as server,
    ):
        yield shop, server
