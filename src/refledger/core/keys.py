"""API keys: `refv_live_…` and `refv_test_…` (publishable), `refv_sk_live_…` and `refv_sk_test_…` (secret).

Twenty-eight random characters and four of checksum: garbage is refused without a look-up.
"""

import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"refv_(sk_)?(live|test)_([0-9A-Za-z]{28})([0-9A-Za-z]{4})\Z")
ENTROPY_BYTES = 28
_LONGEST = len("refv_sk_live_") + ENTROPY_BYTES + 4  # nothing longer belongs in a cache


@dataclass(frozen=True, slots=True)
class KeyShape:
    """What a key says of itself; only a look-up tells whether it is one of ours."""

    kind: str  # publishable | secret
    mode: str  # live | test


def make_key(kind: str, mode: str, entropy: bytes) -> str:
    """`entropy`: 28 random bytes."""
    head = f"refv_{'sk_' if kind == 'secret' else ''}{mode}_"
    # 256 = 4 × 62 + 8: the first eight letters come a little more often, which costs 0.1 of 166 bits.
    body = "".join(_ALPHABET[byte % 62] for byte in entropy)
    return head + body + _checksum(head + body)


def read_key(text: str) -> KeyShape | None:
    """None where the text cannot be a key of ours."""
    return _read_key(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _read_key(text: str) -> KeyShape | None:
    match = _SHAPE.match(text)
    if match is None or not hmac.compare_digest(_checksum(text[:-4]), match[4]):
        return None
    return KeyShape("secret" if match[1] else "publishable", match[2])


@lru_cache(maxsize=1024)
def hash_key(text: str, secret: bytes) -> str:
    """What is stored of a key: a hash under the installation's secret."""
    return blake2b(text.encode(), key=secret[:64], digest_size=32).hexdigest()


def hint(text: str) -> str:
    """What may be shown of a key."""
    return f"{text[: text.rindex('_') + 1]}…{text[-4:]}"


def _checksum(text: str) -> str:
    number = int.from_bytes(sha256(text.encode()).digest()[:4], "big")
    letters = []
    for _ in range(4):
        number, digit = divmod(number, 62)
        letters.append(_ALPHABET[digit])
    return "".join(letters)
