"""How often a signal is right, and how sure one can be of that after so many decisions."""

from math import sqrt
from typing import NamedTuple

_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations


class Precision(NamedTuple):
    """`value` is the share confirmed; the true one lies between `low` and `high` with 95 % confidence."""

    value: float
    low: float
    high: float


def precision(confirmed: int, cleared: int) -> Precision | None:
    """With Wilson's interval, which holds for few decisions too; None before the first."""
    decided = confirmed + cleared
    if not decided:
        return None
    share, spread = confirmed / decided, _Z * _Z / decided
    middle = (share + spread / 2) / (1 + spread)
    margin = _Z * sqrt(share * (1 - share) / decided + spread / (4 * decided)) / (1 + spread)
    return Precision(share, max(0.0, middle - margin), min(1.0, middle + margin))
