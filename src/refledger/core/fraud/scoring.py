"""From findings to a verdict, and from the verdict to the record it is explained from (`sentences`).

Score: the sum over families of the family's largest counted points, at most 100. One family is one suspicion,
however many of its signals say so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from refledger.core.fraud.case import Case
from refledger.core.fraud.catalogue import BY_CODE, CATALOGUE, CATALOGUES, SIGNALS
from refledger.core.fraud.policy import MOST_POINTS, Policy, Rule
from refledger.core.fraud.signal import ABSENT, Finding, failed, missing

_ORDER = {signal.code: place for place, signal in enumerate(SIGNALS)}


class Judgement(NamedTuple):
    """What follows from signals: `leading` is the code that decided (None when clear); `counted` holds the points by
    code, and adds up to `score`.
    """

    score: int
    outcome: str  # clear | review | refuse
    leading: str | None
    counted: dict[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement with what it was made of. `findings` is aligned with the policy's rules; `allowed`: an allow entry
    held.
    """

    score: int
    outcome: str
    leading: str | None
    findings: tuple[Finding, ...]
    policy: Policy = field(repr=False)
    counted: dict[str, int] = field(default_factory=dict)
    allowed: bool = False


def judge(case: Case, policy: Policy, allowed: bool = False) -> Verdict:
    """Ask every signal, then weigh. `allowed`: an allow entry matched, so what is waivable counts nothing."""
    absent = missing(case)
    findings = []
    for asks, needs in policy.steps:
        if lacking := needs & absent:
            findings.append(ABSENT[lacking])
        else:
            try:
                findings.append(asks(case))
            except Exception as error:
                # One signal's fault must cost neither the sale nor the other signals; it is in the record.
                findings.append(failed(error))
    return weigh(tuple(findings), policy, allowed)


def weigh(findings: tuple[Finding, ...], policy: Policy, allowed: bool = False) -> Verdict:
    noticed = [
        (rule, finding.level)
        for rule, finding in zip(policy.rules, findings, strict=True)
        if finding.state == "fired"
    ]
    score, outcome, leading, counted = conclude(noticed, policy, allowed)
    return Verdict(score, outcome, leading, findings, policy, counted, allowed)


def conclude(noticed: Iterable[tuple[Rule, int]], policy: Policy, allowed: bool = False) -> Judgement:
    """From what fired, as (rule, level) in the catalogue's order: asked just now, or read from a record."""
    heard = [
        (rule, _points(rule, level))
        for rule, level in noticed
        if rule.counts and not (allowed and rule.waivable)
    ]
    if not heard:
        return Judgement(0, "clear", None, {})
    counted = _count(heard)
    score = sum(counted.values())
    return Judgement(score, *_outcome(heard, counted, score, policy), counted)


def _points(rule: Rule, level: int) -> int:
    return rule.points[min(level, len(rule.points) - 1)]


def _count(heard: list[tuple[Rule, int]]) -> dict[str, int]:
    """The largest of each family, in order, until the score is full."""
    best: dict[str, tuple[str, int]] = {}
    for rule, points in heard:
        if points > best.get(rule.family, ("", 0))[1]:
            best[rule.family] = (rule.code, points)
    counted, left = {}, MOST_POINTS
    for code, points in sorted(best.values(), key=lambda pair: -pair[1]):
        counted[code] = min(points, left)
        left -= counted[code]
    return counted


def _outcome(heard: list[tuple[Rule, int]], counted: dict[str, int], score: int, policy: Policy):
    """The ladder, strictest first: (outcome, the code that decided)."""
    heaviest = next(iter(counted), None)
    if code := _first(heard, "refuse"):
        return "refuse", code
    if policy.refuse_at is not None and score >= policy.refuse_at:
        return "refuse", heaviest
    if code := _first(heard, "review"):
        return "review", code
    if policy.review_at is not None and score >= policy.review_at:
        return "review", heaviest
    return "clear", None


def _first(heard: list[tuple[Rule, int]], action: str) -> str | None:
    return next((rule.code for rule, _ in heard if rule.action == action), None)


def record(verdict: Verdict) -> dict:
    """The verdict as compact JSON, kept for ever: enough to explain it, and to weigh it under another policy.

    {"score", "outcome", "leading", "review_at", "refuse_at", "fired": [{"code", "action", "mode", "points",
    "counted", "evidence", "level" unless 0}], "not_evaluated": {reason: [codes]}, "off": [codes], "muted": [{"code",
    "level" unless 0}] for those of "off" that fired, "error": [{"code", "error"}], "catalogue"}, and "allowed": true
    where an allow entry held. All other signals of that catalogue were clear: naming them would be a quarter of the
    record.
    """
    shown, unknown, off, muted, errors = [], {}, [], [], []
    for rule, finding in zip(verdict.policy.rules, verdict.findings, strict=True):
        state = finding.state
        if rule.action == "off":
            off.append(rule.code)
            if state == "fired":
                muted.append({"code": rule.code} | ({"level": finding.level} if finding.level else {}))
        elif state == "clear":
            continue
        elif state == "not_evaluated":
            unknown.setdefault(finding.reason, []).append(rule.code)
        elif state == "fired":
            shown.append(_shown(rule, finding, verdict.counted.get(rule.code, 0)))
        else:
            errors.append({"code": rule.code, "error": finding.error})
    kept = {
        "score": verdict.score,
        "outcome": verdict.outcome,
        "leading": verdict.leading,
        "review_at": verdict.policy.review_at,
        "refuse_at": verdict.policy.refuse_at,
        "fired": shown,
        "not_evaluated": unknown,
        "off": off,
        "error": errors,
        "catalogue": CATALOGUE,
    }
    if muted:
        kept["muted"] = muted
    if verdict.allowed:
        kept["allowed"] = True
    return kept


def _shown(rule: Rule, finding: Finding, counted: int) -> dict:
    entry = {
        "code": rule.code,
        "action": rule.action,
        "mode": rule.mode,
        "points": _points(rule, finding.level),
        "counted": counted,
        "evidence": finding.evidence,
    }
    if finding.level:
        entry["level"] = finding.level
    return entry


def expand(record: dict) -> list[dict]:
    """The record as a readable list, one entry per signal, in the catalogue's order; removed ones last."""
    entries = [_entry(each["code"], "fired", **_without_code(each)) for each in record.get("fired", ())]
    for reason, codes in record.get("not_evaluated", {}).items():
        entries += [_entry(code, "not_evaluated", reason=reason) for code in codes]
    entries += [_entry(each["code"], "error", error=each["error"]) for each in record.get("error", ())]
    entries += [_entry(code, "off") for code in record.get("off", ())]
    told = {entry["code"] for entry in entries}
    asked = CATALOGUES.get(record.get("catalogue"), ())
    entries += [_entry(code, "clear") for code in asked if code not in told]
    return sorted(entries, key=lambda entry: _ORDER.get(entry["code"], len(_ORDER)))


def _without_code(fired: dict) -> dict:
    return {key: value for key, value in fired.items() if key != "code"}


def _entry(code: str, state: str, **more) -> dict:
    signal = BY_CODE.get(code)
    return {
        "code": code,
        "family": code.partition(".")[0],
        "state": state,
        **more,
        "notice": signal.notice if signal else "a signal of an earlier version",
    }
