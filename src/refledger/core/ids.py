"""Ids: `prefix_` and 26 characters of Crockford's base 32, holding a UUID of version 7.

They sort by the time they were made, in any collation (digits and one case of letters only).
"""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def make_id(prefix: str, at_ms: int, entropy: bytes) -> str:
    """`entropy`: ten random bytes."""
    random = int.from_bytes(entropy, "big")
    value = (
        (at_ms << 80) | (0x7 << 76) | ((random >> 64 & 0xFFF) << 64) | (0b10 << 62) | (random & (1 << 62) - 1)
    )
    digits = [_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(digits)}"
