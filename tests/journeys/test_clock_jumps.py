"""The clock jumps, backwards and forwards and back again: limits and duplicates stay exact, nothing is a fault."""

import pytest

from tests.builders import AGENT
from tests.journeys.checks import faults
from tests.journeys.test_faults import click_of, jumping, sale, track

__all__ = ["jumping"]  # a fixture

HOUR_S, YEAR_S = 3600, 365 * 86_400


@pytest.mark.parametrize("jumps_s", [(-HOUR_S, HOUR_S), (YEAR_S, -YEAR_S), (-YEAR_S, YEAR_S)])
def test_a_clock_that_jumps_and_returns(jumping, jumps_s):
    """Limits never let one too many in, duplicates stay duplicates, ids stay unique, nothing is a fault."""
    shop, client, clock = jumping
    ids, statuses = [], []
    for step, jump_s in enumerate((0, *jumps_s)):
        clock.advance_s(jump_s)
        for number in range(4):
            name = f"jump{step}n{number}"
            answer = track(client, sale(shop, name, ref_code="JOHN123"))
            statuses.append(answer.status_code)
            ids += [answer.json()["conversion_id"]] if answer.status_code == 200 else []
            clock.advance_s(0.001)
        again = track(client, sale(shop, "jump0n0", ref_code="JOHN123"))
        assert (again.status_code, again.json()["code"]) == (409, "duplicate")
        assert track(client, sale(shop, f"free{step}")).status_code == 200
        ids.append(click_of(client.get("/r/program/JOHN123", headers={"user-agent": AGENT})))
    assert set(statuses) <= {200, 429}
    assert statuses[:4] == [200, 200, 429, 429]
    assert len(set(ids)) == len(ids)
    assert faults(shop.settings.database_url) == []
    assert most_within_an_hour(shop, shop.john_id) == 2


def test_time_that_passes_opens_the_limit_again(jumping):
    """The negative control: a clock that merely goes on is no jump."""
    shop, client, clock = jumping
    for name in ("one", "two"):
        assert track(client, sale(shop, name, ref_code="JOHN123")).status_code == 200
    refused = track(client, sale(shop, "three", ref_code="JOHN123"))
    assert refused.status_code == 429
    clock.advance_s(refused.json()["retry_after"])
    assert track(client, sale(shop, "three", ref_code="JOHN123")).status_code == 200


def most_within_an_hour(shop, affiliate_id):
    sql = "SELECT at_ms FROM conversions WHERE affiliate_id = ? ORDER BY at_ms"
    times = [row["at_ms"] for row in shop.rows(sql, affiliate_id)]
    return max(sum(first <= each < first + HOUR_S * 1000 for each in times) for first in times)


def test_the_check_sees_one_too_many(jumping):
    """The negative control: an affiliate without limits goes beyond what the others may."""
    shop, client, _ = jumping
    for name in ("one", "two", "three"):
        assert track(client, sale(shop, name)).status_code == 200
    (many,) = shop.rows("SELECT id FROM affiliates WHERE ref_code = 'MANY'")
    assert most_within_an_hour(shop, many["id"]) == 3
