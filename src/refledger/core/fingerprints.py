"""Fingerprints: fixed-width keyed hashes that stand for wide or personal text in indexes.

128 bits, so that a unique index over them may be the referee: two different texts meet once in 10^19 rows.
The key is the merchant's own, so that fingerprints of two merchants never compare.
"""

from hashlib import blake2b


def fingerprint(key: bytes, kind: str, *parts: str) -> str:
    """22 to 32 characters; `kind` and the parts are kept apart, so that ("a", "bc") is not ("ab", "c")."""
    return blake2b(
        "\x1f".join((kind, *parts)).encode("utf-8", "surrogatepass"), digest_size=16, key=key
    ).hexdigest()


def identity_key(key: bytes, program_id: str, mode: str, address: str, conversion_type: str) -> str:
    """A customer's identity in one type of conversion: program, mode, e-mail address, type."""
    return fingerprint(key, "identity", program_id, mode, address, conversion_type)


def lock_number(text: str) -> int:
    """The signed 64-bit number that PostgreSQL's advisory locks take for a key."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )
