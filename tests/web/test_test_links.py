"""The affiliate's own link: a click in test mode, and an address that is theirs."""

import json

import pytest
from starlette.testclient import TestClient

from refledger.app import create
from refledger.core.fingerprints import own_token
from tests.builders import PURCHASE, Shop, settings_for
from tests.web.test_clicks import BROWSER, VISITOR, locked, stored

HOUR_MS = 3_600_000


@pytest.fixture
def shop(database_url, tmp_path, clock):
    settings = settings_for(database_url, tmp_path, log_level="error", public_url="https://track.example/")
    made = Shop(settings, clock, slug="demo")
    yield made
    made.close()


@pytest.fixture
def client(shop, clock):
    with TestClient(create(shop.settings, clock), client=(VISITOR, 50000), follow_redirects=False) as made:
        yield made


def affiliate(client, shop, affiliate_id=None):
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    return client.get(f"/v1/affiliates/{affiliate_id or shop.john_id}", headers=headers).json()


def path_of(client, shop, affiliate_id=None):
    return affiliate(client, shop, affiliate_id)["test_link"].removeprefix("https://track.example")


def seen(shop, affiliate_id=None):
    found = shop.one("SELECT seen_addresses AS s FROM affiliates WHERE id = ?", affiliate_id or shop.john_id)
    return json.loads(found["s"])


def test_the_link_is_shown_everywhere(client, shop):
    token = own_token(shop.fingerprint_key, shop.john_id)
    link = f"https://track.example/r/demo/JOHN123?test={token}"
    assert affiliate(client, shop)["test_link"] == link
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    listed = client.get(f"/v1/programs/{shop.program_id}/affiliates", headers=headers).json()["data"]
    assert [each["test_link"] for each in listed if each["id"] == shop.john_id] == [link]
    changed = client.patch(f"/v1/affiliates/{shop.john_id}", json={"name": "John"}, headers=headers).json()
    assert changed["test_link"] == link
    assert len({each["test_link"] for each in listed}) == len(listed)


def test_without_a_public_url_it_is_a_path(database_url, tmp_path, clock):
    made = Shop(settings_for(database_url, tmp_path, log_level="error"), clock, slug="demo")
    with TestClient(create(made.settings, clock)) as client:
        assert affiliate(client, made)["test_link"].startswith("/r/demo/JOHN123?test=")
    made.close()


def test_following_it_is_a_test_click_and_tells_the_address(client, shop, clock):
    answer = client.get(path_of(client, shop), headers=BROWSER)
    assert answer.status_code == 302 and answer.headers["location"] == "https://shop.example?ref=JOHN123"
    (click,) = stored(shop)
    assert (click["mode"], click["address"]) == ("test", VISITOR)
    assert seen(shop) == [[VISITOR, clock(), "test_click"]] and seen(shop, shop.mary_id) == []
    assert affiliate(client, shop)["seen_addresses"] == [
        {"address": VISITOR, "last_seen_at": "2026-09-21T14:13:20.000Z", "where": "test_click"}
    ]


def test_the_control_the_public_link_tells_nothing(client, shop):
    client.get("/r/demo/JOHN123", headers=BROWSER)
    (click,) = stored(shop)
    assert click["mode"] == "live" and seen(shop) == []


@pytest.mark.parametrize("token", ["", "x", "1", "ä", "%00", "a" * 5000, "own of mary"])
def test_a_wrong_token_is_an_ordinary_click(client, shop, token):
    token = own_token(shop.fingerprint_key, shop.mary_id) if token == "own of mary" else token
    answer = client.get(f"/r/demo/JOHN123?test={token}", headers=BROWSER)
    assert answer.status_code == 302
    (click,) = stored(shop)
    assert click["mode"] == "live" and seen(shop) == []


def test_the_link_follows_the_code_and_dies_with_it(client, shop):
    path = path_of(client, shop)
    shop.change_affiliate(shop.john_id, status="paused")
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 302 and seen(shop) == []
    assert stored(shop, at_least=0) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "Slackbot-LinkExpanding 1.0"},
        {"user-agent": "curl/8"},
        BROWSER | {"purpose": "prefetch"},
    ],
)
def test_a_preview_is_not_the_affiliate(client, shop, headers):
    """Whoever shows what a link leads to, when the affiliate sends it to somebody."""
    assert client.get(path_of(client, shop), headers=headers).status_code == 302
    assert seen(shop) == []


def test_noted_once_an_hour(client, shop, clock):
    path, at_ms = path_of(client, shop), clock()
    for _ in range(3):
        client.get(path, headers=BROWSER)
        clock.now_ms += 1000
    version = shop.one("SELECT setup_version AS v FROM merchants")["v"]
    assert seen(shop) == [[VISITOR, at_ms, "test_click"]]
    clock.now_ms = at_ms + HOUR_MS
    client.get(path, headers=BROWSER)
    assert seen(shop) == [[VISITOR, at_ms + HOUR_MS, "test_click"]]
    assert shop.one("SELECT setup_version AS v FROM merchants")["v"] == version + 1


def test_a_change_through_the_api_keeps_them(client, shop):
    client.get(path_of(client, shop), headers=BROWSER)
    headers = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
    body = {"known_addresses": ["203.0.113.9"]}
    changed = client.patch(f"/v1/affiliates/{shop.john_id}", json=body, headers=headers).json()
    assert [each["address"] for each in changed["seen_addresses"]] == [VISITOR]


def test_a_locked_database_loses_no_visitor(database_url, shop, clock):
    settings = settings_for(
        database_url, shop.settings.data_dir, database_wait_s=0.05, max_clicks_waiting=3, log_level="error"
    )
    with TestClient(create(settings, clock), client=(VISITOR, 1), follow_redirects=False) as client:
        path = path_of(client, shop)
        with locked(database_url):
            assert client.get(path, headers=BROWSER).status_code == 302
        assert [click["mode"] for click in stored(shop)] == ["test"]


def test_the_next_sale_from_there_is_noticed(client, shop):
    """From the affiliate's click to the merchant's record; the same sale before it is the control."""
    sale = {"ref_code": "JOHN123", "customer_ip": VISITOR, **PURCHASE}
    before = client.post("/v1/track-conversion", json=shop.report(customer_email="a@example.com", **sale))
    client.get(path_of(client, shop), headers=BROWSER)
    after = client.post("/v1/track-conversion", json=shop.report(customer_email="b@example.org", **sale))
    assert [each.json()["status"] for each in (before, after)] == ["pending", "pending_review"]
    found = shop.one("SELECT record FROM decisions WHERE conversion_id = ?", after.json()["conversion_id"])
    assert json.loads(found["record"])["fraud"]["leading"] == "geo.same_ip"
    assert VISITOR not in found["record"]
