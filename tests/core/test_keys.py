"""Keys: garbage is told from a key without a look-up, and only a hash is ever kept."""

import os

import pytest

from refledger.core import keys
from refledger.core.keys import ENTROPY_BYTES, hash_key, hint, make_key, read_key

SHAPES = [
    ("publishable", "live", "refv_live_"),
    ("publishable", "test", "refv_test_"),
    ("secret", "live", "refv_sk_live_"),
    ("secret", "test", "refv_sk_test_"),
]
KEY = make_key("publishable", "live", bytes(range(ENTROPY_BYTES)))


@pytest.mark.parametrize(("kind", "mode", "head"), SHAPES)
def test_a_key_says_what_it_is(kind, mode, head):
    key = make_key(kind, mode, os.urandom(ENTROPY_BYTES))
    assert key.startswith(head)
    assert key.removeprefix(head).isalnum()
    shape = read_key(key)
    assert (shape.kind, shape.mode) == (kind, mode)


@pytest.mark.parametrize("place", range(len("refv_live_"), len(KEY)))
def test_one_wrong_character_is_garbage(place):
    other = "A" if KEY[place] != "A" else "B"
    assert read_key(KEY[:place] + other + KEY[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    ["", "pk_live_...", "refv_live_...", KEY[:-1], KEY + "A", KEY + "\n", " " + KEY, KEY.upper(),
     KEY.replace("live", "test"), KEY.replace("refv_", "refv_sk_"), "ﬀ" * 42],
)  # fmt: skip
def test_garbage(text):
    assert read_key(text) is None


def test_the_hash_depends_on_the_secret_and_the_hint_shows_little():
    assert hash_key(KEY, b"one") != hash_key(KEY, b"two")
    assert KEY not in hash_key(KEY, b"one")
    assert hint(KEY) == f"refv_live_…{KEY[-4:]}"


def test_garbage_does_not_fill_the_memory():
    """What is longer than any key is refused before it is remembered."""
    before = keys._read_key.cache_info().currsize
    for number in range(50):
        assert keys.read_key(f"refv_live_{number}" + "x" * 10_000) is None
    assert keys._read_key.cache_info().currsize == before
