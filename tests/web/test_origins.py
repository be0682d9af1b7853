"""The service with a database of cities: used from the first request on, and replaced while it serves."""

import json
import os
import time

import pytest
from starlette.testclient import TestClient

from refledger.app import create
from tests.builders import PURCHASE, Shop, settings_for
from tests.mmdb import LONDON, TOKYO, write


@pytest.fixture
def city(tmp_path):
    return write(tmp_path / "city.mmdb", "GeoLite2-City", {"81.2.69.0/24": LONDON})


@pytest.fixture
def shop(database_url, tmp_path, clock, city):
    settings = settings_for(database_url, tmp_path, log_level="error", geoip_city=city)
    made = Shop(settings, clock, limits={"hourly": 10_000, "daily": 10_000})
    yield made
    made.close()


def city_of_a_sale(client, shop, number):
    """What the record of one more sale from London's network says of its city."""
    sale = {"ref_code": "JOHN123", "customer_ip": "81.2.69.7", **PURCHASE}
    answer = client.post(
        "/v1/track-conversion", json=shop.report(customer_email=f"c{number}x@example.com", **sale)
    )
    assert answer.status_code == 200
    found = shop.one("SELECT record FROM decisions WHERE conversion_id = ?", answer.json()["conversion_id"])
    return json.loads(found["record"])["facts"]["origin"]["city"]


def test_a_file_is_replaced_while_the_service_serves(shop, clock, city, tmp_path):
    with TestClient(create(shop.settings, clock)) as client:
        assert city_of_a_sale(client, shop, 0) == "London, GB"
        city.write_bytes(city.read_bytes()[:100])  # half a file, in place
        assert city_of_a_sale(client, shop, 1) == "London, GB"
        os.replace(write(tmp_path / "new.mmdb", "GeoLite2-City", {"81.2.69.0/24": TOKYO}), city)
        until, number = time.monotonic() + 30, 2
        while (last := city_of_a_sale(client, shop, number)) != "Tokyo, JP" and time.monotonic() < until:
            assert last == "London, GB"
            number += 1
            time.sleep(0.1)
        assert last == "Tokyo, JP"


def test_a_file_that_is_no_use_stops_nothing(shop, clock, city):
    city.write_text("<html>Please log in</html>")
    with TestClient(create(shop.settings, clock)) as client:
        sale = {
            "ref_code": "JOHN123",
            "customer_ip": "81.2.69.7",
            "customer_email": "a@example.com",
            **PURCHASE,
        }
        assert client.post("/v1/track-conversion", json=shop.report(**sale)).json()["status"] == "pending"
        assert client.get("/readyz").status_code == 200
