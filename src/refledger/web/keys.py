"""Where a tracking call carries its key."""

from collections.abc import Mapping
from typing import Any


def key_of(headers: Mapping[bytes, bytes], given: Mapping[str, Any]) -> str | None:
    """A key sent as Bearer comes before the one in the body."""
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    if authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    key = given.get("publishable_key")
    return key.strip() if isinstance(key, str) else None
