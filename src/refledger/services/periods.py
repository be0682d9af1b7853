"""Times of a program: its days and months begin when they begin in its time zone."""

from datetime import UTC, date, datetime

from refledger.services.terms import zone


def local(at_ms: int, zone_name: str) -> datetime:
    """The time on a clock there, to the second."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone(zone_name))


def day_of(at_ms: int, zone_name: str) -> str:
    """2026-01-31."""
    return local(at_ms, zone_name).date().isoformat()


def start_ms(day: date, zone_name: str) -> int:
    """When that day begins there."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone(zone_name)).timestamp()) * 1000


def month_start_ms(at_ms: int, zone_name: str) -> int:
    """When the month of that time begins there."""
    return start_ms(local(at_ms, zone_name).date().replace(day=1), zone_name)
