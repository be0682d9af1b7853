"""Deciding alone: facts in hand, all signals asked; no database, no door."""

import statistics
import time
from pathlib import Path

from bench import installation as installations
from bench import places, profile
from refledger.core import addresses
from refledger.core.conversions import Accepted, decide
from refledger.core.fraud.case import Click
from refledger.core.fraud.scoring import judge, record
from refledger.core.origins import ASN, CITY, CLASSES, Operator, Origin, Place, Seen, Whereabouts
from refledger.core.programs import DAY_MS, HOUR_MS
from refledger.services import tracking
from refledger.store.engine import Database

LOOK_UP = f"a look-up in {places.RANGES:,} ranges"
_EACH = 20  # decisions timed together, for one alone is near the clock's own cost
_ELSEWHERE = addresses.parse("9.9.9.9")
_MADRID = Place("madrid", "Madrid", 40_417, -3_704, 20)
_OPERATOR = Operator(64_500, "Example")


def collect(folder: Path, count: int) -> list[tracking.Work]:
    """Works with all facts, as the service gathers them, kept as they are decided; then told all that may be known."""
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
    for number, work in enumerate(kept):
        _inform(work, number)
    return kept


def _inform(work: tracking.Work, number: int) -> None:
    """Every fact a signal may ask for, so that each is evaluated to its end and only the weakest fires: one city."""
    case, known = work.case, frozenset({CITY, ASN, *CLASSES})
    case.address = case.address or addresses.parse(f"81.2.{number >> 8 & 255}.{number & 255}")
    case.agent = case.agent or "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0"
    case.origin = Origin(case.address, _MADRID, _OPERATOR, known=known)
    if case.via != "coupon":
        at_ms = case.now_ms - HOUR_MS
        case.click, case.click_tie = (
            Click("clk_1", at_ms, case.address.text, case.agent, "document"),
            "click_id",
        )
        case.first_click_ms = case.last_click_ms = at_ms
        case.click_origin = case.origin
    case.whereabouts = Whereabouts(case.now_ms - HOUR_MS, 40_000, -3_000, 20, False)
    # More than an affiliate usually has; each further one costs half a microsecond.
    theirs = Origin(_ELSEWHERE, _MADRID, Operator(64_501, "Another"), known=known)
    case.affiliate_seen = tuple(
        Seen(4, _ELSEWHERE.number + place, _ELSEWHERE.number + place, "portal", case.now_ms - DAY_MS, theirs)
        for place in range(8)
    )


def run(folder: Path, rounds: int = 20, count: int = 1_000) -> dict[str, float]:
    """Median µs of one decision, of the parts it is made of, and of looking an address up, which comes before."""
    works, listed = collect(folder, count), places.ranges()
    parts = {
        "judge (every signal)": _judge,
        "record (why)": lambda work: record(work.verdict),
        "decide (the ladder, the commission)": _decide,
        "all": lambda work: _all(work),
        LOOK_UP: lambda work: listed.holds(work.case.address.version, work.case.address.number),
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
