"""JSON as the management side reads it: exactly, and with nothing in it that no field may hold."""

import json
import re
from typing import Any

MAX_DEPTH = 20
MAX_DIGITS = 100  # no amount, number or time needs so many
NAMELESS = '""'  # how a name without a letter is told
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read(content: bytes) -> Any:
    """Raises ValueError in words that follow the name of what is read."""
    try:
        given = json.loads(
            content.decode("utf-8"), object_pairs_hook=_object, parse_int=_whole, parse_constant=_no_constant
        )
        _check(given, 1)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as why:
        raise ValueError(f"is not usable JSON: {why}") from None
    return given


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it names a key twice")
    return found


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _no_constant(text: str):
    raise ValueError(f"{text} is no number of JSON")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if fault := fault_in_text(value):
            raise ValueError(f"a string {fault}")
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(each, depth + 1)


def fault_in_text(text: str) -> str | None:
    """What no text may hold and not every database stores."""
    if "\0" in text:
        return "has a NUL character"
    return "has a lone surrogate" if _SURROGATE.search(text) else None
