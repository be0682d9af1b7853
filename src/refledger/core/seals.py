"""The chain over a merchant's entries: each seal holds a hash of the seal before and of every entry since then.

Whoever changes, removes or inserts a sealed entry would have to make every later hash anew.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

# Before the first seal.
NOTHING: Mapping[str, Any] = {"no": 0, "until_cause": "", "hash": ""}


def seal(
    previous: Mapping[str, Any], until_cause: str, frames: Iterable[str], count: int, at_ms: int
) -> dict[str, Any]:
    """The seal after `previous`: `no`, `until_cause`, `entries`, `at_ms` and `hash`.

    `frames`: of each entry, in the order of cause, kind and line, the text of its fields, of which each tells where it
    ends (`store.seals`).
    """
    row = {"no": previous["no"] + 1, "until_cause": until_cause, "entries": count, "at_ms": at_ms}
    head = ";".join((previous["hash"], *map(str, row.values())))
    return row | {"hash": blake2b("".join((head, ";", *frames)).encode(), digest_size=32).hexdigest()}
