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
    waits = [
        (_wait_s(counted.hourly_ms, HOUR_MS, now_ms), "Hourly conversion limit exceeded", "hourly"),
        (_wait_s(counted.daily_ms, DAY_MS, now_ms), "Daily conversion limit exceeded", "daily"),
    ]
    wait_s, message, window = max(waits, key=lambda each: each[0])
    if wait_s == 0:
        return None
    return Refusal(Reason.RATE_LIMITED, message, retry_after_s=wait_s, detail={"window": window})


def _wait_s(filled_ms: int | None, window_ms: int, now_ms: int) -> int:
    """Whole seconds until the window has room again; 0 when it has."""
    if filled_ms is None or filled_ms <= now_ms - window_ms:
        return 0
    return max(1, -((now_ms - filled_ms - window_ms) // 1000))
