"""What would have been different: each decision that comes out otherwise, their sums, and some in sentences."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from refledger.core.fraud.catalogue import BY_CODE
from refledger.core.fraud.replay import Decision, Outcome, Policies
from refledger.core.money import as_object, to_text
from refledger.core.refusals import Reason
from refledger.core.times import to_text as time_text

EXAMPLES = 3  # of each transition
Named = tuple[str, str]  # an affiliate's name and referral code
_STRICTNESS = {"accepted": 0, "review": 1, "refused": 2}
_KNOCK_ON = {Reason.RATE_LIMITED.value: "limit", Reason.DUPLICATE.value: "duplicate"}


class Flip(NamedTuple):
    """`signal`: what leads to it, or `limit` or `duplicate` where another flip does. Money is None where an attempt of
    an earlier version has not kept it. `review_at` and `refuse_at` are the changed policy's.
    """

    id: str
    object: str
    at_ms: int
    old: str  # accepted | review | refused
    new: str
    signal: str
    affiliate_id: str
    type: str | None
    revenue_minor: int | None
    commission_minor: int | None
    old_score: int
    new_score: int
    later: str
    review_at: int | None
    refuse_at: int | None


def flip(decision: Decision, old: Outcome, new: Outcome, changed_to: Policies) -> Flip | None:
    if old.code == new.code or old.state == new.state:
        return None
    policy = changed_to(decision.kept.policy)
    return Flip(
        decision.id,
        decision.object,
        decision.at_ms,
        old.state,
        new.state,
        _signal(old, new),
        decision.affiliate_id,
        decision.type,
        decision.revenue_minor,
        decision.commission_minor,
        old.score,
        new.score,
        decision.later,
        policy.review_at,
        policy.refuse_at,
    )


def _signal(old: Outcome, new: Outcome) -> str:
    """Of the new outcome where it is stricter, of the old one where that was."""
    told = new if _STRICTNESS[new.state] > _STRICTNESS[old.state] else old
    return _KNOCK_ON.get(told.code) or told.leading or told.code


# ── as they are shown ────────────────────────────────────────────────────────────────────────────────────────────


def shown(each: Flip, currency: str) -> dict[str, Any]:
    return {
        "id": each.id,
        "object": each.object,
        "at": time_text(each.at_ms),
        "from": each.old,
        "to": each.new,
        "signal": each.signal,
        "affiliate_id": each.affiliate_id,
        "revenue": _money(each.revenue_minor, currency),
        "commission": _money(each.commission_minor, currency),
        "score": {"from": each.old_score, "to": each.new_score},
        "decided": each.later,
    }


def summed(
    flips: Iterable[Flip], currency: str, name: str = "", by: Callable[[Flip], str] = lambda each: ""
) -> list[dict[str, Any]]:
    """Number, revenue and commission by transition, and by what `by` names; the most first. With a name also by what
    the merchant decided later.
    """
    groups: dict[tuple, list[Flip]] = {}
    for each in flips:
        groups.setdefault((by(each), each.old, each.new), []).append(each)
    found = []
    for (named, old, new), members in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        entry = {name: named} if name else {}
        entry |= {"from": old, "to": new, **_sums(members, currency)}
        if name:
            decided = sorted({each.later for each in members})
            entry["decided"] = {
                later: _sums([each for each in members if each.later == later], currency) for later in decided
            }
        found.append(entry)
    return found


def _sums(flips: list[Flip], currency: str) -> dict[str, Any]:
    return {
        "count": len(flips),
        "revenue": _money(sum(each.revenue_minor or 0 for each in flips), currency),
        "commission": _money(sum(each.commission_minor or 0 for each in flips), currency),
    }


def _money(minor: int | None, currency: str) -> dict[str, Any] | None:
    return None if minor is None else as_object(minor, currency)


# ── in sentences ─────────────────────────────────────────────────────────────────────────────────────────────────

_WAS = {"accepted": "was accepted", "review": "was held for review", "refused": "was refused"}
_WOULD = {"accepted": "be accepted", "review": "be held for review", "refused": "be refused"}
_LATER = {
    "undecided": "The merchant has not decided yet.",
    "superseded": "A report signed by the merchant's server took its place.",
    "left": "The merchant left it at that.",
    "accepted_attempt": "The merchant accepted it after all.",
    "approved": "The merchant approved it later.",
    "refunded": "The customer got their money back later.",
    "chargeback": "The customer disputed the payment later.",
}


def examples(flips: Iterable[Flip], currency: str, named: Mapping[str, Named]) -> list[dict[str, Any]]:
    """Of each transition those that are worth the most. `named`: who the affiliates are, by id."""
    groups: dict[tuple[str, str], list[Flip]] = {}
    for each in flips:
        groups.setdefault((each.old, each.new), []).append(each)
    found = []
    for (old, new), members in sorted(groups.items()):
        members.sort(key=lambda each: (-(each.revenue_minor or 0), each.at_ms, each.id))
        sentences = [_sentences(each, currency, named) for each in members[:EXAMPLES]]
        found.append({"from": old, "to": new, "sentences": sentences})
    return found


def _sentences(each: Flip, currency: str, named: Mapping[str, Named]) -> str:
    name, ref_code = named[each.affiliate_id]
    what = each.type or "report"
    if each.revenue_minor:
        what += f" of {to_text(each.revenue_minor, currency)} {currency}"
    return (
        f"The {what} {each.id} of {time_text(each.at_ms)[:10]}, for {name} ({ref_code}, {each.affiliate_id}), "
        f"{_WAS[each.old]} and would {_WOULD[each.new]}: {_why(each)}. {_decided(each.later)}"
    )


def _why(each: Flip) -> str:
    stricter = _STRICTNESS[each.new] > _STRICTNESS[each.old]
    if each.signal == "limit":
        return "others fill the affiliate's limit" if stricter else "the affiliate's limit has room then"
    if each.signal == "duplicate":
        return "another report stands first then" if stricter else "what it duplicates would be refused"
    notice = BY_CODE[each.signal].notice if each.signal in BY_CODE else each.signal
    scores = f"score {each.new_score}"
    if each.new_score != each.old_score:
        scores += f" instead of {each.old_score}"
    scores += _threshold(each, stricter)
    return f"{notice} ({each.signal}, {scores})" if stricter else f"no longer for {each.signal} ({scores})"


def _threshold(each: Flip, stricter: bool) -> str:
    """Of the changed policy, where the score reaches it, or reaches it no longer."""
    state = each.new if stricter else each.old
    at, what = (each.refuse_at, "refused") if state == "refused" else (each.review_at, "held for review")
    if at is None:
        return "" if stricter else f"; no score is {what}"
    return f"; {what} from {at} points on" if (each.new_score >= at) == stricter else ""


def _decided(later: str) -> str:
    if later.startswith("rejected"):
        return f"The merchant rejected it later ({later.partition(':')[2] or 'no reason given'})."
    return _LATER[later]
