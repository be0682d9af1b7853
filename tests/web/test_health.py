"""Whether it lives, whether it can serve, what it counted."""

import os
import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from refledger.app import create
from refledger.logs import AccessLog
from refledger.services.readiness import checks
from refledger.services.visitor import Trusted
from refledger.store.engine import Database
from refledger.web import health, metrics
from refledger.web.plumbing import Plumbing
from tests.builders import Shop, settings_for


@pytest.fixture
def shop(database_url, tmp_path, clock):
    made = Shop(settings_for(database_url, tmp_path, log_level="error"), clock)
    yield made
    made.close()


def test_a_running_service_is_ready(shop, clock):
    with TestClient(create(shop.settings, clock)) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["status"] == "ready"
        assert {"database", "desk", "clicks"} <= answer.json()["checks"].keys()


def asked(checks):
    with TestClient(Starlette(routes=health.routes(checks))) as client:
        return client.get("/readyz")


@pytest.mark.parametrize("dead", ["desk", "clicks"])
def test_a_dead_writer_is_not_ready(database, dead):
    answer = asked(checks(database, lambda: dead != "desk", lambda: dead != "clicks"))
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["checks"] == {"database": "ok", "desk": "ok", "clicks": "ok"} | {dead: "failed"}


def test_a_database_that_is_not_migrated_is_not_ready(empty_url):
    empty = Database(empty_url)
    answer = asked(checks(empty, lambda: True, lambda: True))
    empty.close()
    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "failed")


def test_a_check_that_raises_has_failed():
    def check():
        raise OSError("gone")

    assert asked({"database": check}).json()["checks"] == {"database": "failed"}


def test_metrics_tell_requests_answers_and_groups(shop, clock):
    with TestClient(create(shop.settings, clock), follow_redirects=False) as client:
        client.get("/r/none/JOHN123")
        client.get("/nowhere/x")
        client.post("/v1/track-conversion", content=b"[]")
        metrics.observers().group_settled(3, 0.002)
        metrics.observers().clicks_stored(3, 0.002)
        metrics.observers().waiting("clicks", 7)
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    for sample in (
        r'refledger_requests_total{method="GET",route="/r/{slug}/{ref_code}",status="404"} [1-9]',
        r'refledger_requests_total{method="GET",route="unmatched",status="404"} [1-9]',
        r'refledger_answers_total{code="invalid_body"} [1-9]',
        r'refledger_queue_waiting{kind="clicks"} 7',
        r"refledger_group_size_count [1-9]",
        r"refledger_commit_seconds_count [1-9]",
        r"refledger_click_group_size_count [1-9]",
        r"refledger_click_commit_seconds_count [1-9]",
        r'refledger_request_seconds_count{route="/r/{slug}/{ref_code}"} [1-9]',
    ):
        assert re.search(sample.replace("{", r"\{").replace("}", r"\}"), text), sample


def test_labels_are_bounded():
    app = Plumbing(Starlette(), AccessLog("error"), Trusted(), lambda: 0, os.urandom)
    with TestClient(app) as client:
        client.request("BREW", "/coffee")
    assert 'method="OTHER",route="unmatched"' in metrics.exposition()[0].decode()
