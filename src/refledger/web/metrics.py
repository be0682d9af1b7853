"""What is counted, for Prometheus. Labels are bounded: routes by template, codes by refusal."""

import os
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from refledger.services.observe import Observers

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)

requests = Counter("refledger_requests", "Requests answered.", ["route", "method", "status"])
request_seconds = Histogram(
    "refledger_request_seconds", "Time from a request's head to its answer.", ["route"], buckets=_SECONDS
)
answers = Counter("refledger_answers", "Answers of track-conversion by machine code.", ["code"])
group_size = Histogram("refledger_group_size", "Conversions settled in one transaction.", buckets=_SIZES)
commit_seconds = Histogram(
    "refledger_commit_seconds", "Time to settle and commit a group of conversions.", buckets=_SECONDS
)
queue_waiting = Gauge(
    "refledger_queue_waiting", "Accepted and not stored yet.", ["kind"], multiprocess_mode="livesum"
)
click_group_size = Histogram(
    "refledger_click_group_size", "Clicks stored in one transaction.", buckets=_SIZES
)
click_commit_seconds = Histogram(
    "refledger_click_commit_seconds", "Time to store and commit a group of clicks.", buckets=_SECONDS
)

_requests: dict[tuple[str, str, int], Counter] = {}
_seconds: dict[str, Histogram] = {}


def request_answered(route: str, method: str, status: int, seconds: float) -> None:
    """`route`: a template; `method`: one of `METHODS`, or OTHER."""
    counter = _requests.get((route, method, status))
    if counter is None:
        counter = _requests[route, method, status] = requests.labels(route, method, str(status))
        _seconds[route] = request_seconds.labels(route)
    counter.inc()
    _seconds[route].observe(seconds)


@cache
def _labelled(code: str) -> Counter:
    return answers.labels(code)


def observers() -> Observers:
    """Services' ears, for `Observers`' callers."""
    return Observers(
        group_settled=lambda size, seconds: (group_size.observe(size), commit_seconds.observe(seconds)),
        answered=lambda code: _labelled(code).inc(),
        clicks_stored=lambda n, seconds: (click_group_size.observe(n), click_commit_seconds.observe(seconds)),
        waiting=lambda kind, n: queue_waiting.labels(kind).set(n),
    )


def exposition() -> tuple[bytes, str]:
    """All metrics of all serving processes, and their content type."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(), CONTENT_TYPE_LATEST
    for path in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("gauge_live*.db"):
        pid = path.stem.rpartition("_")[2]
        if not _is_alive(int(pid)):
            multiprocess.mark_process_dead(pid)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
