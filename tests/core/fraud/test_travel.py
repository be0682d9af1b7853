"""Two places sooner than anyone travels, on both sides of each line."""

from dataclasses import replace

import pytest

from refledger.core.fraud.case import Click
from refledger.core.origins import CITY, CLASSES, Place, Whereabouts
from tests.core.fraud.cases import (
    DAY_MS,
    HOUR_MS,
    MADRID,
    NOW_MS,
    SOFIA,
    case,
    entry,
    origin,
    state,
)

CODE = "geo.impossible_travel"
HOME = "81.2.69.160"


def on_the_equator(km, radius_km=0):
    """A place so far from longitude 0; a degree of the equator is 111.195 km here."""
    return Place(f"km {km}", f"km {km}", 0, round(km / 111.1949 * 1000), radius_km)


START = on_the_equator(0)


def clicked(there, here, age_ms, **more):
    found = {"click_origin": origin(there), "origin": origin(here), "age_ms": age_ms, "address": HOME, **more}
    return case(**found)


def converted(there, here, age_ms, masked=False, **more):
    earlier = Whereabouts(NOW_MS - age_ms, there.latitude_mdeg, there.longitude_mdeg, there.radius_km, masked)
    return case(**{"whereabouts": earlier, "origin": origin(here), "address": HOME, **more})


@pytest.mark.parametrize("journey", [clicked, converted])
@pytest.mark.parametrize(
    ("there", "here", "age_ms", "answer"),
    [
        # Far enough: the great circle less both radii.
        (START, on_the_equator(500.2), 60_000, 50),
        (START, on_the_equator(499.8), 60_000, "clear"),
        (on_the_equator(0, 20), on_the_equator(530.2, 10), 60_000, 50),
        (on_the_equator(0, 20), on_the_equator(529.8, 10), 60_000, "clear"),
        (on_the_equator(0, 1_000), on_the_equator(1_400, 0), 60_000, "clear"),
        # 100 km for each radius that is not known.
        (on_the_equator(0, None), on_the_equator(700.2, None), 60_000, 50),
        (on_the_equator(0, None), on_the_equator(699.8, None), 60_000, "clear"),
        # Fast enough: 2000 km in two hours is 1000 km/h.
        (START, on_the_equator(2_000.2), 2 * HOUR_MS, 50),
        (START, on_the_equator(1_999.8), 2 * HOUR_MS, "clear"),
        (START, on_the_equator(2_000), 2 * HOUR_MS - 60_000, 50),
        (START, on_the_equator(2_000), 2 * HOUR_MS + 60_000, "clear"),
        # No time at all is fast.
        (START, on_the_equator(501), 0, 50),
        (START, START, 0, "clear"),
        (MADRID, SOFIA, HOUR_MS, 50),
        (MADRID, SOFIA, 3 * HOUR_MS, "clear"),
        # Across the date line, and over a pole: near is near.
        (Place("a", "A", 0, 179_900, 0), Place("b", "B", 0, -179_900, 0), 0, "clear"),
        (Place("a", "A", 89_900, 0, 0), Place("b", "B", 89_900, 180_000, 0), 0, "clear"),
        (Place("a", "A", 0, 0, 0), Place("b", "B", 0, 180_000, 0), HOUR_MS, 50),
    ],
)
def test_far_and_fast(journey, there, here, age_ms, answer):
    assert state(journey(there, here, age_ms), CODE) == answer


def test_a_click_that_comes_later_by_the_clock_took_no_time():
    assert entry(clicked(MADRID, SOFIA, -5), CODE)["evidence"]["seconds"] == 0


def test_the_evidence():
    assert entry(clicked(MADRID, SOFIA, HOUR_MS // 2), CODE)["evidence"] == {
        "km": 2233,
        "seconds": 1800.0,
        "between": "click",
    }
    assert entry(converted(MADRID, SOFIA, HOUR_MS), CODE)["evidence"]["between"] == "earlier conversion"


@pytest.mark.parametrize(("age_ms", "answer"), [(DAY_MS, "clear"), (DAY_MS + 1, "no_click")])
def test_an_earlier_conversion_counts_for_a_day(age_ms, answer):
    assert state(converted(MADRID, SOFIA, age_ms), CODE) == answer


def test_without_a_mailbox_there_is_no_earlier_conversion_of_it():
    assert state(converted(MADRID, SOFIA, 0, email=None), CODE) == "no_click"


@pytest.mark.parametrize("kind", CLASSES)
def test_a_masked_place_says_nothing(kind):
    masked = origin(SOFIA, None, kind)
    assert state(clicked(MADRID, SOFIA, 0, origin=masked), CODE) == "masked_address"
    assert state(clicked(MADRID, SOFIA, 0, click_origin=origin(MADRID, None, kind)), CODE) == "masked_address"
    assert state(converted(MADRID, SOFIA, 0, origin=masked), CODE) == "masked_address"


def test_a_masked_earlier_conversion_says_nothing():
    assert state(converted(MADRID, SOFIA, 0, masked=True), CODE) == "masked_address"


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"address": None}, "no_ip"),
        ({"origin": None}, "no_database"),
        ({"origin": origin(None, known={"asn"})}, "no_database"),
        ({"origin": origin(None)}, "not_in_database"),
        ({"origin": origin(SOFIA, None, known={CITY})}, 50),
        ({"click_origin": None}, "not_in_database"),
        ({"click_origin": origin(None)}, "not_in_database"),
        ({"via": "coupon"}, "coupon"),
    ],
)
def test_what_is_missing_is_said(more, answer):
    assert state(clicked(MADRID, SOFIA, 0, **more), CODE) == answer


def test_no_click_and_nothing_earlier():
    assert state(case(address=HOME, origin=origin()), CODE) == "no_click"


@pytest.mark.parametrize(
    ("click_from", "earlier_from", "masked", "answer"),
    [
        (MADRID, MADRID, False, 50),
        (MADRID, SOFIA, False, 50),
        (SOFIA, MADRID, False, 50),
        (SOFIA, SOFIA, False, "clear"),
        (SOFIA, MADRID, True, "clear"),
        (MADRID, SOFIA, True, 50),
        (None, SOFIA, False, "clear"),
        (None, MADRID, False, 50),
        (None, MADRID, True, "masked_address"),
    ],
)
def test_either_journey_is_enough(click_from, earlier_from, masked, answer):
    both = converted(earlier_from, SOFIA, HOUR_MS, masked)
    both.click = Click("clk_1", NOW_MS - HOUR_MS)
    both.click_origin = origin(click_from)
    assert state(both, CODE) == answer


def test_a_coupon_sale_has_an_earlier_conversion_too():
    assert state(converted(MADRID, SOFIA, HOUR_MS, via="coupon"), CODE) == 50


def test_where_an_address_is_does_not_depend_on_who_asks():
    there = replace(origin(MADRID), operator=None)
    assert state(clicked(MADRID, SOFIA, 0, click_origin=there), CODE) == 50
