"""How long after the click. Times are the server's.

Counted from the visitor's earliest click within the window for haste, from their latest for staleness. When
nothing but the address ties click and customer, it may be a colleague's click: such a tie leads to review,
never to a refusal.
"""

from refledger.core.fraud.case import Case
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired, not_evaluated
from refledger.core.programs import DAY_MS

TOO_FAST_MS = 10_000
SUSPICIOUS_MS = 60_000
WEAK = "address"
WEAK_TIE = not_evaluated("weak_tie")
# The window is for winning a customer; how long further purchases are paid is the program's `repeat_purchases`.
PAID_REPEAT = not_evaluated("paid_repeat")


def _since_first_ms(case: Case) -> int:
    first_ms = case.first_click_ms
    return case.now_ms - (case.click.at_ms if first_ms is None else first_ms)


def too_fast(case: Case) -> Finding:
    age_ms = _since_first_ms(case)
    if age_ms >= TOO_FAST_MS:
        return CLEAR
    if case.click_tie == WEAK:
        return WEAK_TIE
    if _returning(case):
        return CLEAR
    return fired({"seconds": age_ms / 1000, "tie": case.click_tie})


def _returning(case: Case) -> bool:
    """A known customer is a person already: a quick purchase after another click is theirs."""
    return case.known_customer and case.conversion_type == "purchase"


def suspicious(case: Case) -> Finding:
    age_ms = _since_first_ms(case)
    if age_ms > SUSPICIOUS_MS:
        return CLEAR
    if age_ms < TOO_FAST_MS and case.click_tie != WEAK and not _returning(case):
        return CLEAR  # too_fast has it
    return fired({"seconds": age_ms / 1000, "tie": case.click_tie})


def too_slow(case: Case) -> Finding:
    if case.paid_repeat:
        return PAID_REPEAT
    last_ms = case.last_click_ms
    age_ms = case.now_ms - (case.click.at_ms if last_ms is None else last_ms)
    if age_ms <= case.window_days * DAY_MS:
        return CLEAR
    if case.click_tie == WEAK:
        return WEAK_TIE
    return fired({"days": round(age_ms / DAY_MS, 2), "window_days": case.window_days, "tie": case.click_tie})


_NEEDS = ("journey", "click")
SIGNALS = (
    Signal(
        "timing.too_fast",
        "less than 10 seconds after the click",
        too_fast,
        (40,),
        "The report came {seconds} after the visitor's first click: hardly anybody is that fast.",
        _NEEDS,
        action="refuse",
    ),
    Signal(
        "timing.suspicious",
        "10 to 60 seconds after the click, or less where the tie is weak",
        suspicious,
        (40,),
        "The report came {seconds} after the visitor's first click: few people are that fast.",
        _NEEDS,
    ),
    Signal(
        "timing.too_slow",
        "after the program's window",
        too_slow,
        (40,),
        "The report came {days} after the visitor's latest click, past the program's window of {window_days}.",
        _NEEDS,
        action="refuse",
    ),
)
