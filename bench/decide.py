"""Deciding alone: facts in hand, all signals asked; no database, no door."""

import statistics
import time
from pathlib import Path

from bench import installation as installations
from bench import profile
from refledger.core.conversions import Accepted, decide
from refledger.core.fraud.scoring import judge, record
from refledger.services import tracking
from refledger.store.engine import Database

_EACH = 20  # decisions timed together, for one alone is near the clock's own cost


def collect(folder: Path, count: int) -> list[tracking.Work]:
    """Works with all facts, as the service gathers them, kept as they are decided."""
    installation = installations.make(folder / "decide")
    database, kept = Database(installation.settings.database_url), []
    settling = tracking.Tracking(database, profile.Words(), profile.now_ms)
    write = tracking.writing.write

    def keep(connection, works, *rest):
        kept.extend(works)
        write(connection, works, *rest)

    tracking.writing.write = keep
    try:
        profile.settle_all(settling, profile.claims(installation, 1, count)[0], 64)
    finally:
        tracking.writing.write = write
        database.close()
    return kept


def run(folder: Path, rounds: int = 20, count: int = 1_000) -> dict[str, float]:
    """Median µs of one decision, and of the parts it is made of."""
    works = collect(folder, count)
    parts = {
        "judge (every signal)": _judge,
        "record (why)": lambda work: record(work.verdict),
        "decide (the ladder, the commission)": _decide,
        "all": lambda work: _all(work),
    }
    timed: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, part in parts.items():
            for start in range(0, len(works), _EACH):
                group = works[start : start + _EACH]
                started = time.perf_counter()
                for work in group:
                    part(work)
                timed[name].append((time.perf_counter() - started) / len(group) * 1e6)
    return {name: statistics.median(each) for name, each in timed.items()}


def _judge(work: tracking.Work):
    listed = work.screened.listed
    return judge(work.case, work.policy, listed is not None and listed.action == "allow")


def _decide(work: tracking.Work):
    return decide(work.screened, work.history, work.verdict, work.verified, work.now_ms)


def _all(work: tracking.Work):
    work.verdict = _judge(work)
    outcome = _decide(work)
    assert isinstance(outcome, Accepted), outcome
    return record(work.verdict)
