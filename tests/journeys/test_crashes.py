"""Killed under load, again and again: what was acknowledged is there, whole; what was not is whole or absent.

A killed process loses nothing that it handed to the operating system, so this cannot tell whether the disk was
waited for; it tells whether an answer ever comes before its commit, and whether a commit ever holds half of one.
"""

import asyncio
import random

import pytest

from tests.builders import PURCHASE
from tests.journeys.checks import faults, lost
from tests.journeys.wire import Server, Wire

UNLIMITED = {"hourly": 1_000_000, "daily": 1_000_000}
CLIENTS = 16


class Load:
    """Clients that report one sale after the other, and repeat what was not acknowledged."""

    def __init__(self, shop, server):
        self.shop, self.server = shop, server
        self.acknowledged, self.refused, self.unanswered, self.count = {}, [], [], 0

    def run(self, seconds):
        """Until the service is killed, after so many seconds."""
        asyncio.run(self._run(seconds))

    async def _run(self, seconds):
        clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.server.kill)
        await asyncio.gather(*clients)

    async def _client(self):
        wire = Wire(self.server.port)
        try:
            while True:
                report = self.unanswered.pop() if self.unanswered else self._next()
                try:
                    answer = await wire.post(report)
                except (OSError, EOFError):
                    self.unanswered.append(report)
                    return
                self._note(report, answer)
        finally:
            wire.close()

    def _next(self):
        self.count += 1
        return self.shop.report(
            ref_code=f"CRASH{self.count % 8}",
            customer_email=f"crash{self.count}x@example.com",
            order_id=f"crash-{self.count}",
            **PURCHASE,
        )

    def _note(self, report, answer):
        if answer.status == 200:
            self.acknowledged[answer.body["conversion_id"]] = 999
        else:
            self.refused.append((report["order_id"], answer.status))


def crash(shop, kills, factory="refledger.app:create", **environment):
    for number in range(8):
        shop.make_affiliate(f"CRASH{number}", limits=UNLIMITED)
    server = Server(shop.settings, factory, **environment)
    load = Load(shop, server)
    try:
        for _ in range(kills):
            server.start()
            load.run(random.uniform(0.2, 0.9))
    finally:
        server.stop()
    return load


def assert_nothing_lost(shop, load, kills):
    url = shop.settings.database_url
    assert len(load.acknowledged) > 20 * kills  # there was load to lose
    assert lost(url, load.acknowledged) == []
    assert faults(url) == []
    # Only what was stored before its answer could be sent may hear that it is a duplicate.
    assert {status for _, status in load.refused} <= {409}
    known = {row["order_id"] for row in shop.rows("SELECT order_id FROM conversions")}
    assert {order_id for order_id, _ in load.refused} <= known


def test_killed_under_load(shop):
    assert_nothing_lost(shop, crash(shop, 3), 3)


@pytest.mark.prove
def test_killed_under_load_very_often(shop):
    assert_nothing_lost(shop, crash(shop, 100), 100)


@pytest.mark.only_on("sqlite", "the groups in flight on PostgreSQL would wait for each other's commit")
def test_an_answer_before_its_commit_is_detected(shop):
    """The negative control: with the commit put off, acknowledged conversions are lost, and the check names them."""
    load = crash(shop, 2, "tests.journeys.unsafe:create", UNSAFE="commit")
    assert load.acknowledged
    assert lost(shop.settings.database_url, load.acknowledged)
