"""Fingerprints: fixed-width keyed hashes that stand for wide or personal text in indexes.

128 bits, so that a unique index over them may be the referee: two different texts meet once in 10^19 rows.
The key is the merchant's own, so that fingerprints of two merchants never compare.
"""

from binascii import b2a_base64
from hashlib import blake2b


def fingerprint(key: bytes, kind: str, *parts: str) -> str:
    """22 characters of base 64; `kind` and the parts are kept apart, so that ("a", "bc") is not ("ab", "c")."""
    text = "\x1f".join((kind, *parts)).encode("utf-8", "surrogatepass")
    return b2a_base64(blake2b(text, digest_size=16, key=key).digest(), newline=False)[:22].decode()


def identity_key(key: bytes, program_id: str, mode: str, address: str, conversion_type: str) -> str:
    """A customer's identity in one type of conversion: program, mode, e-mail address, type."""
    return fingerprint(key, "identity", program_id, mode, address, conversion_type)


def lock_number(text: str) -> int:
    """The signed 64-bit number that PostgreSQL's advisory locks take for a key."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )
