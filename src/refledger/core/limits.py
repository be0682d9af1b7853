"""An affiliate's conversion limits: sliding, half-open windows (now − W, now]."""

from dataclasses import dataclass

from refledger.core.programs import DAY_MS, HOUR_MS
from refledger.core.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True)
class Counted:
    """When the conversion was accepted that fills each limit: the L-th most recent one, L being the limit.

    None where fewer than L were ever counted. A limit of 0 is always full: `now` stands for its time.
    """

    hourly_ms: int | None
    daily_ms: int | None


def check_limits(counted: Counted, now_ms: int) -> Refusal | None:
    """Refuses while the L-th most recent conversion lies within the window; the longer wait names the message."""
    hourly_s = _wait_s(counted.hourly_ms, HOUR_MS, now_ms)
    daily_s = _wait_s(counted.daily_ms, DAY_MS, now_ms)
    if hourly_s == daily_s == 0:
        return None
    window, message = "hourly", "Hourly conversion limit exceeded"
    if daily_s > hourly_s:
        window, message = "daily", "Daily conversion limit exceeded"
    wait_s = max(hourly_s, daily_s)
    return Refusal(Reason.RATE_LIMITED, message, retry_after_s=wait_s, detail={"window": window})


def _wait_s(filled_ms: int | None, window_ms: int, now_ms: int) -> int:
    """Whole seconds until the window has room again; 0 when it has."""
    if filled_ms is None or filled_ms <= now_ms - window_ms:
        return 0
    return max(1, -((now_ms - filled_ms - window_ms) // 1000))
