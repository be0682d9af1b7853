"""What a signal is, and the three things it may answer: clear, fired, or not evaluated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from refledger.core.fraud.case import COUPON, Case


class Finding(NamedTuple):
    """One signal's answer. `reason` is set when not evaluated, `error` (a type's name) when the signal failed."""

    state: str
    evidence: dict | None = None
    level: int = 0
    reason: str | None = None
    error: str | None = None


CLEAR = Finding("clear")
REASONS: dict[str, Finding] = {}


def fired(evidence: dict, level: int = 0) -> Finding:
    """`evidence`: plain JSON, no more personal data than an explanation needs. `level` picks the points."""
    return Finding("fired", evidence, level)


def not_evaluated(reason: str) -> Finding:
    """Unknown is a value. Call it once per reason, at import: the finding is shared."""
    return REASONS.setdefault(reason, Finding("not_evaluated", reason=reason))


def failed(error: Exception) -> Finding:
    """The type only: a message might carry what was looked at."""
    return Finding("error", error=type(error).__name__)


@dataclass(frozen=True, slots=True)
class Signal:
    """`points`: one number per level. `needs`: names out of INPUTS; without them the signal is not even asked.

    `says`: the sentence for the merchant, filled from the evidence, where times get their units; it accuses nobody.
    `waivable`: False for what an allow entry does not suppress.
    """

    code: str
    notice: str
    check: Callable[[Case], Finding]
    points: tuple[int, ...]
    says: str
    needs: tuple[str, ...] = ()
    action: str = "score"
    mode: str = "enforce"
    waivable: bool = True

    @property
    def family(self) -> str:
        return self.code.partition(".")[0]


# What may be missing, and what is then said. In order: the first missing one gives the reason.
# "journey" is the way by a link: a coupon sale may have no click, and a click says nothing about it.
INPUTS = {
    "email": not_evaluated("no_email"),
    "affiliate_email": not_evaluated("no_affiliate_email"),
    "address": not_evaluated("no_ip"),
    "agent": not_evaluated("no_agent"),
    "journey": not_evaluated("coupon"),
    "click": not_evaluated("no_click"),
    "origin": not_evaluated("no_database"),
    "affiliate_seen": not_evaluated("no_affiliate_address"),
}
# Said by signals of several families, for reasons of their own.
NO_AGENT, NO_DATABASE, NO_AFFILIATE_ADDRESS = INPUTS["agent"], INPUTS["origin"], INPUTS["affiliate_seen"]
NOT_IN_DATABASE = not_evaluated("not_in_database")
SHARED_ADDRESS = not_evaluated("shared_address")

BITS = {name: 1 << position for position, name in enumerate(INPUTS)}
EMAIL, AFFILIATE_EMAIL, ADDRESS, AGENT, JOURNEY, CLICK, ORIGIN, AFFILIATE_SEEN = BITS.values()


def _absences() -> tuple[Finding, ...]:
    by_bits = [CLEAR]
    for bits in range(1, 1 << len(INPUTS)):
        lowest = next(name for name, bit in BITS.items() if bits & bit)
        by_bits.append(INPUTS[lowest])
    return tuple(by_bits)


ABSENT = _absences()  # missing inputs, as bits → the finding


def needed(signal: Signal) -> int:
    return sum(BITS[name] for name in signal.needs)


def missing(case: Case) -> int:
    bits = 0
    if case.email is None:
        bits |= EMAIL
    if case.affiliate_email is None:
        bits |= AFFILIATE_EMAIL
    if case.address is None:
        bits |= ADDRESS
    if case.agent is None:
        bits |= AGENT
    if case.via == COUPON:
        bits |= JOURNEY
    if case.click is None:
        bits |= CLICK
    if case.origin is None:
        bits |= ORIGIN
    if not case.affiliate_seen:
        bits |= AFFILIATE_SEEN
    return bits
