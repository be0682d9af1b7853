"""Ids: `prefix_` and 26 characters of Crockford's base 32, holding a UUID of version 7.

They sort by the time they were made, in any collation (digits and one case of letters only).
"""

from functools import lru_cache

# Make the first and the last id of their time, for ranges over ids.
FIRST, LAST = b"\0" * 10, b"\xff" * 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def make_short_id(prefix: str, entropy: bytes) -> str:
    """Ten characters from seven random bytes, in no order: for what leads every key, and so is stored most often."""
    value = int.from_bytes(entropy, "big")
    return f"{prefix}_{''.join(_PAIRS[value >> shift & 1023] for shift in range(40, -1, -10))}"


def make_id(prefix: str, at_ms: int, entropy: bytes) -> str:
    """`entropy`: ten random bytes."""
    random = int.from_bytes(entropy, "big")
    # Version and variant take six of the eighty bits. Written out, for every request makes an id or two.
    low = (0x7 << 76) | ((random >> 64 & 0xFFF) << 64) | (0b10 << 62) | (random & (1 << 62) - 1)
    pairs = _PAIRS
    return (
        f"{prefix}_{_time(at_ms)}{pairs[low >> 70]}{pairs[low >> 60 & 1023]}{pairs[low >> 50 & 1023]}"
        f"{pairs[low >> 40 & 1023]}{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}"
        f"{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def time_ms(made: str) -> int:
    """When an id was made; 0 for none at all. Raises ValueError where it is not one of ours."""
    value = 0
    for letter in made.partition("_")[2][:10]:
        value = value * 32 + _ALPHABET.index(letter)
    return value


@lru_cache(maxsize=16)
def _time(at_ms: int) -> str:
    return "".join(_PAIRS[at_ms >> shift & 1023] for shift in (40, 30, 20, 10, 0))
