"""Times as the API writes them: RFC 3339, UTC, milliseconds; inside, integer milliseconds since the epoch."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)\Z",
    re.ASCII,
)
_UNITS = ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"))


def to_text(ms: int) -> str:
    """2026-09-21T14:13:20.000Z."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spoken(ms: int) -> str:
    """How long, for people, in the largest unit of which there are about two: 34 seconds, 2 minutes, 15 days."""
    for unit_ms, units in _UNITS:
        if 2 * ms >= 3 * unit_ms:
            return f"{(2 * ms + unit_ms) // (2 * unit_ms)} {units}"
    # Cut, not rounded: rules have their bounds there, and 9.9 seconds are less than 10.
    seconds = max(0, ms) // 1000
    return f"{seconds} second{'s' * (seconds != 1)}" if seconds else "less than a second"


def from_text(text: str) -> int:
    """Milliseconds, from 1970 on; finer digits are cut. Raises ValueError, in words, where it is no time
    with a zone.
    """
    match = _SHAPE.match(text.strip())
    if match is None:
        raise ValueError("must be an RFC 3339 time with its zone, like 2026-01-31T12:00:00Z")
    date, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone in "Zz" else zone
    try:
        at = datetime.fromisoformat(f"{date}T{clock}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None
    if at < _EPOCH:
        # Ids begin with their time, which has no sign; and nothing was reported before there were browsers.
        raise ValueError("is before 1970")
    return (at - _EPOCH) // timedelta(milliseconds=1) + int(((fraction or "") + "000")[:3])
