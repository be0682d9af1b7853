"""What is kept at hand between groups: never stale, whoever changed it, and never more than there is room for."""

import pytest

from refledger.services import shelf
from refledger.services.shelf import Shelf
from refledger.store import rows as store_rows
from tests.builders import Counter

CHANGES = {
    "a paused program": (lambda shop: shop.change_program(status="paused"), "invalid_program"),
    "a paused affiliate": (
        lambda shop: shop.change_affiliate(shop.john_id, status="paused"),
        "invalid_affiliate",
    ),
    "a policy": (
        lambda shop: shop.change_program(policy={"signals": {"email.role": {"action": "refuse"}}}),
        "policy",
    ),
    "a list": (lambda shop: shop.list_entry("block", "domain", "example.org"), "blocked"),
}


@pytest.fixture
def another(shop):
    """Another process on the same database, with a shelf of its own."""
    return Counter(shop)


@pytest.mark.parametrize(("change", "code"), CHANGES.values(), ids=CHANGES)
def test_a_change_holds_from_the_next_group_on_in_every_process(shop, counter, another, change, code):
    shop.change_program(limits={"hourly": 100, "daily": 100})
    for number, each in enumerate((counter, another)):
        assert each.purchase(f"info@shop{number}.example.org").code.startswith("pending")
    change(shop)
    assert [each.purchase("info@late.example.org").code for each in (counter, another)] == [code, code]


def test_the_control_without_a_new_version_it_would_not(shop, counter, monkeypatch):
    counter.purchase("a@example.org")
    monkeypatch.setattr(store_rows, "new_version", lambda *arguments: None)
    shop.change_affiliate(shop.john_id, status="paused")
    assert counter.purchase("b@example.org").code == "pending"


def test_a_coupon_that_is_switched_off(shop, counter):
    assert counter.coupon_sale(customer_email="a@example.org").code == "pending"
    shop.change_coupon(shop.coupon_id, active=False)
    assert counter.coupon_sale(customer_email="b@example.org").code == "invalid_coupon"


def test_no_more_is_kept_than_there_is_room_for(shop, counter, monkeypatch):
    """Room is made with the same key as ever: new affiliates alone fill it too."""
    monkeypatch.setattr(shelf, "MOST_KEPT", 6)
    for number in range(12):
        shop.make_affiliate(f"AFF{number}")
        assert counter.signup(f"a{number}x@example.org", ref_code=f"AFF{number}").code == "pending"
    kept = counter.tracking._shelf
    assert isinstance(kept, Shelf) and sum(map(len, kept._kept.values())) <= 6


def test_what_nobody_has_is_not_kept(counter):
    for number in range(5):
        assert counter.signup("a@example.org", ref_code=f"NOBODY{number}").code == "invalid_affiliate"
    assert sum(map(len, counter.tracking._shelf._kept.values())) == 1  # the program
