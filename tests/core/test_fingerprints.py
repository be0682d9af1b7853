"""Fingerprints: fixed width, one merchant's own, and no two materials alike."""

from hypothesis import given
from hypothesis import strategies as st

from refledger.core.fingerprints import fingerprint, lock_number

TEXT = st.text(max_size=40)


@given(st.binary(max_size=64), TEXT, st.lists(TEXT, max_size=3))
def test_fixed_width_for_whatever_text(key, kind, parts):
    found = fingerprint(key, kind, *parts)
    assert len(found) == 22 and found.isascii()
    assert found == fingerprint(key, kind, *parts)


def test_parts_are_kept_apart_and_so_are_merchants():
    key = b"k" * 32
    different = {
        fingerprint(key, "a", "bc"),
        fingerprint(key, "ab", "c"),
        fingerprint(key, "a", "b", "c"),
        fingerprint(key, "abc"),
        fingerprint(b"o" * 32, "a", "bc"),
    }
    assert len(different) == 5


def test_lone_surrogates_do_no_harm():
    assert fingerprint(b"", "email", "\ud800") != fingerprint(b"", "email", "\udfff")


@given(TEXT)
def test_lock_numbers_fit_postgresql(text):
    assert -(2**63) <= lock_number(text) < 2**63
