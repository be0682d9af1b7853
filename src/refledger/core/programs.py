"""Programs, affiliates and coupons as the rules see them, and the terms a conversion is paid by."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import orjson

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

DEFAULT_COMMISSION = {
    "purchase": {"type": "percentage", "value": "10"},
    "signup": {"type": "fixed", "value": "0"},
}
DEFAULT_LIMITS = {"hourly": 2, "daily": 10}
DEFAULT_WINDOW_DAYS = 30
DEFAULT_TIME_ZONE = "UTC"
DEFAULT_MAX_REVENUE = Decimal("10000000.00")


@dataclass(frozen=True, slots=True)
class Limits:
    """Accepted conversions per affiliate and mode, at most, in any hour and any day."""

    hourly: int
    daily: int


@dataclass(frozen=True, slots=True)
class Program:
    """A program as a conversion meets it. `commission` and `repeat_purchases` are the stored JSON."""

    merchant_id: str
    id: str
    currency: str
    status: str
    window_days: int
    commission: str
    repeat_purchases: str
    limit_hourly: int
    limit_daily: int
    attribution: Literal["last", "first"]
    max_revenue_minor: int
    allowed_origins: str
    policy_id: str | None
    fingerprint_key: str
    lists_version: int
    hold_days: int = 0
    approve_days: int | None = None
    time_zone: str = "UTC"
    recruiter: str | None = None  # JSON: what recruiters earn
    terms_id: str | None = None


@dataclass(frozen=True, slots=True)
class Affiliate:
    """An affiliate as a conversion meets them; `commission` is the JSON of their own terms, if any.

    `seen_addresses`: JSON list of [address, last seen in ms, where].
    """

    merchant_id: str
    id: str
    program_id: str
    email: str
    ref_code: str
    code_key: str
    status: str
    limit_hourly: int | None
    limit_daily: int | None
    commission: str | None
    known_addresses: str
    policy_id: str | None
    seen_addresses: str = "[]"
    recruiter_id: str | None = None  # who recruited them, as long as that one is active
    terms_id: str | None = None

    @property
    def is_live(self) -> bool:
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon code that belongs to an affiliate; half-open [starts, ends)."""

    merchant_id: str
    id: str
    program_id: str
    affiliate_id: str
    code: str
    code_key: str
    starts_ms: int | None
    ends_ms: int | None
    active: bool


def limits_of(program: Program, affiliate: Affiliate) -> Limits:
    """The affiliate's own limits, and the program's where they have none."""
    return Limits(
        program.limit_hourly if affiliate.limit_hourly is None else affiliate.limit_hourly,
        program.limit_daily if affiliate.limit_daily is None else affiliate.limit_daily,
    )


def fold_code(code: str) -> str:
    """Codes are compared trimmed and without case."""
    return code.strip().casefold()


@lru_cache(maxsize=4096)
def stored(json: str) -> Any:
    """Reads a stored JSON text; equal texts are read once. The value is shared: read it only."""
    return orjson.loads(json)
