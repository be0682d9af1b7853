"""Which click a conversion came from, and when that visitor's clicks were."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredClick:
    """A click with the times of its visitor's clicks: same affiliate, address and agent."""

    id: str
    affiliate_id: str
    mode: str
    address_key: str
    agent_key: str
    address: str | None
    agent: str | None
    dest: str | None
    at_ms: int
    first_ms: int | None  # the visitor's earliest within the window
    last_ms: int  # the visitor's latest


@dataclass(frozen=True, slots=True)
class Nearby:
    """The clicks on one affiliate's links from one address by one agent, summed up."""

    agent_key: str
    first_ms: int | None  # the earliest within the window
    last_ms: int
    last_id: str


@dataclass(frozen=True, slots=True)
class MatchedClick:
    """The click, what ties it to the customer, and the times that count for the timing rules."""

    click: StoredClick
    tie: str  # click_id | customer | address_and_agent | address
    first_ms: int | None
    last_ms: int


def nearest(nearby: Iterable[Nearby], agent_key: str | None) -> tuple[Nearby, str] | None:
    """The group of clicks that fits best from the customer's address, and its tie."""
    groups = list(nearby)
    for group in groups:
        if agent_key is not None and group.agent_key == agent_key:
            return group, "address_and_agent"
    if not groups:
        return None
    firsts = [group.first_ms for group in groups if group.first_ms is not None]
    last = max(groups, key=lambda group: group.last_ms)
    return Nearby(last.agent_key, min(firsts, default=None), last.last_ms, last.last_id), "address"


def match_click(
    affiliate_id: str,
    mode: str,
    named: StoredClick | None,
    customers: StoredClick | None,
    near: tuple[Nearby, str] | None,
    near_click: StoredClick | None,
) -> MatchedClick | None:
    """The strongest tie that holds: the click named by the report; the one of the customer's earlier conversion with
    this affiliate; the one from the same address and agent; the one from the same address. A click of another
    affiliate or mode is not usable, and never changes whose the conversion is.
    """
    for click, tie in ((named, "click_id"), (customers, "customer")):
        if click is not None and click.affiliate_id == affiliate_id and click.mode == mode:
            return MatchedClick(click, tie, click.first_ms, click.last_ms)
    if near is None or near_click is None:
        return None
    group, tie = near
    return MatchedClick(near_click, tie, group.first_ms, group.last_ms)
