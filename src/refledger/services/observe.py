"""What services tell of themselves, to whoever listens. The doors turn it into metrics; a test may count."""

from collections.abc import Callable
from dataclasses import dataclass


def _nobody(*_) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Observers:
    """Each is called on whatever thread the thing happened, and must neither wait nor raise."""

    group_settled: Callable[[int, float], None] = _nobody  # conversions of a group, seconds until committed
    answered: Callable[[str], None] = _nobody  # `pending`, `pending_review`, `replayed` or a reason's code
    clicks_stored: Callable[[int, float], None] = _nobody  # clicks of a group, seconds until committed
    waiting: Callable[[str, int], None] = _nobody  # `conversions` or `clicks`, how many are not stored yet
