import pytest

from refledger.core.addresses import parse
from refledger.core.own_addresses import AGAIN_MS, MOST, SEEN_FOR_MS, with_seen

NOW_MS = 1_790_000_000_000
HERE = "198.51.100.7"


def seen(*ages_ms):
    """One address for each, seen so long ago."""
    return [[f"81.2.69.{number}", NOW_MS - age_ms, "test_click"] for number, age_ms in enumerate(ages_ms)]


def with_here(entries, text=HERE):
    return with_seen(entries, parse(text), NOW_MS, "test_click")


def test_the_newest_comes_first():
    before = seen(AGAIN_MS, 2 * AGAIN_MS)
    assert with_here(before) == [[HERE, NOW_MS, "test_click"], *before]
    assert before == seen(AGAIN_MS, 2 * AGAIN_MS)


@pytest.mark.parametrize(
    ("age_ms", "noted"),
    [(0, False), (AGAIN_MS - 1, False), (AGAIN_MS, True), (SEEN_FOR_MS, True), (-1000, False)],
)
def test_the_same_line_is_noted_once_an_hour(age_ms, noted):
    found = with_here([[HERE, NOW_MS - age_ms, "portal"]])
    assert found == ([[HERE, NOW_MS, "test_click"]] if noted else None)


def test_a_line_of_ipv6_is_a_line():
    first = [["2001:db8::1", NOW_MS - AGAIN_MS, "test_click"]]
    assert with_here(first, "2001:db8::2") == [["2001:db8::2", NOW_MS, "test_click"]]
    assert len(with_here(first, "2001:db8:0:1::2")) == 2


@pytest.mark.parametrize(("age_ms", "kept"), [(SEEN_FOR_MS - 1, 2), (SEEN_FOR_MS, 1)])
def test_what_is_too_old_goes(age_ms, kept):
    assert len(with_here(seen(age_ms))) == kept


def test_there_are_never_too_many():
    assert len(with_here(seen(*[AGAIN_MS] * MOST))) == MOST
    assert len(with_here(seen(*[AGAIN_MS] * (2 * MOST)))) == MOST
    # All of them within the hour: whoever has the link cannot keep the set-up changing.
    assert with_here(seen(*[AGAIN_MS - 1] * MOST)) is None
    assert len(with_here(seen(*[AGAIN_MS - 1] * (MOST - 1)))) == MOST


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.1", "::1", "100.64.0.1", "fe80::1"])
def test_what_many_have_is_nobodys_own(text):
    assert with_here([], text) is None


def test_an_entry_that_cannot_be_read_hurts_nobody():
    assert with_here([["?", NOW_MS, "x"]]) == [[HERE, NOW_MS, "test_click"], ["?", NOW_MS, "x"]]
