"""Times of a program: its days and months begin when they begin in its time zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def local(at_ms: int, zone: str) -> datetime:
    """The time on a clock there."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(ZoneInfo(zone))


def day_of(at_ms: int, zone: str) -> str:
    """2026-01-31."""
    return local(at_ms, zone).date().isoformat()


def start_ms(day: date, zone: str) -> int:
    """When that day begins there."""
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def month_start_ms(at_ms: int, zone: str) -> int:
    """When the month of that time begins there."""
    return start_ms(local(at_ms, zone).date().replace(day=1), zone)
