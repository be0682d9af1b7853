"""Which click: the strongest tie that holds, and never one of somebody else."""

from dataclasses import replace

import pytest

from refledger.core.clicks import Nearby, StoredClick, match_click, nearest

CLICK = StoredClick("clk_1", "aff_1", "live", "addr", "agent", "203.0.113.9", "Mozilla", None, 100, 50, 200)
NAMED, CUSTOMERS, NEAR = (replace(CLICK, id=each) for each in ("clk_named", "clk_customers", "clk_near"))
GROUP = Nearby("agent", 10, 300, "clk_near")


@pytest.mark.parametrize(
    ("named", "customers", "near", "expected", "tie"),
    [
        (NAMED, CUSTOMERS, (GROUP, "address_and_agent"), "clk_named", "click_id"),
        (None, CUSTOMERS, (GROUP, "address_and_agent"), "clk_customers", "customer"),
        (None, None, (GROUP, "address_and_agent"), "clk_near", "address_and_agent"),
        (None, None, (GROUP, "address"), "clk_near", "address"),
        (replace(NAMED, affiliate_id="aff_2"), CUSTOMERS, None, "clk_customers", "customer"),
        (replace(NAMED, mode="test"), None, (GROUP, "address"), "clk_near", "address"),
        (None, replace(CUSTOMERS, affiliate_id="aff_2"), (GROUP, "address"), "clk_near", "address"),
        (None, replace(CUSTOMERS, mode="test"), None, None, None),
        (None, None, None, None, None),
    ],
)
def test_the_strongest_tie_that_holds(named, customers, near, expected, tie):
    found = match_click("aff_1", "live", named, customers, near, NEAR if near else None)
    assert (found and found.click.id, found and found.tie) == (expected, tie)


def test_the_times_are_the_visitors():
    found = match_click("aff_1", "live", NAMED, None, None, None)
    assert (found.first_ms, found.last_ms) == (50, 200)
    found = match_click("aff_1", "live", None, None, (GROUP, "address"), NEAR)
    assert (found.first_ms, found.last_ms) == (10, 300)


def test_the_nearest_group():
    mine, other = Nearby("mine", 100, 200, "clk_a"), Nearby("other", 50, 900, "clk_b")
    old = Nearby("old", None, 5, "clk_c")
    assert nearest([], "mine") is None
    assert nearest([other, mine], "mine") == (mine, "address_and_agent")
    # By the address alone: everybody's earliest within the window, everybody's latest.
    assert nearest([mine, other, old], "unknown") == (Nearby("other", 50, 900, "clk_b"), "address")
    assert nearest([mine, other], None)[1] == "address"
    assert nearest([old], "mine") == (Nearby("old", None, 5, "clk_c"), "address")
