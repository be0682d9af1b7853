"""Ids: a prefix and letters and digits, in the order in which they were made."""

import os
import re

from hypothesis import given
from hypothesis import strategies as st

from refledger.core.ids import make_id, make_short_id, time_ms

TIMES_MS = st.integers(0, 2**48 - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


@given(TIMES_MS, TIMES_MS, ENTROPY, ENTROPY)
def test_they_sort_by_time(one_ms, other_ms, one, other):
    first, second = make_id("conv", one_ms, one), make_id("conv", other_ms, other)
    assert re.fullmatch(r"conv_[A-Za-z0-9]{26}", first)
    if one_ms != other_ms:
        assert (first < second) == (one_ms < other_ms)


@given(TIMES_MS)
def test_the_time_can_be_read_back(at_ms):
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for letter in make_id("x", at_ms, b"\xff" * 10).removeprefix("x_"):
        value = value * 32 + alphabet.index(letter)
    assert value >> 80 == at_ms == time_ms(make_id("x", at_ms, b"\xff" * 10))
    assert value >> 76 & 0xF == 7 and value >> 62 & 0b11 == 0b10  # a UUID of version 7


def test_no_two_alike():
    made = {make_id("conv", 1, os.urandom(10)) for _ in range(10_000)}
    assert len(made) == 10_000


def test_short_ids_are_short_and_differ_with_every_byte():
    ids = {make_short_id("mer", bytes([n]) * 7) for n in range(256)}
    assert len(ids) == 256 and {len(each) for each in ids} == {14}
