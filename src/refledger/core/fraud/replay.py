"""What was decided, decided again under another policy: from the records alone, one after the other, in their order.

What follows from a decision that comes out differently is followed: it fills or frees the affiliate's limits, and it
is or is no longer what later reports duplicate. What the signals found stays as it was found.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from refledger.core.conversions import settle
from refledger.core.duplicates import Past, check_identity
from refledger.core.fraud.catalogue import CATALOGUES
from refledger.core.fraud.policy import Policy
from refledger.core.fraud.scoring import Judgement, conclude
from refledger.core.limits import Counted
from refledger.core.programs import DAY_MS
from refledger.core.refusals import Reason, Refusal

# Refusals that come after every signal was asked; what is refused before, no policy changes.
JUDGED = (
    Reason.DUPLICATE,
    Reason.RATE_LIMITED,
    Reason.BLOCKED,
    Reason.TIMING_TOO_FAST,
    Reason.TIMING_TOO_SLOW,
    Reason.POLICY,
)
_STATES = {"pending": "accepted", "pending_review": "review"}
_POSITIONS = {
    version: {code: place for place, code in enumerate(codes)} for version, codes in CATALOGUES.items()
}
_MANY = 1000  # times kept of one affiliate before the old ones are dropped

Policies = Callable[[str], Policy]  # by the name that a record has of the policy that judged


class Kept(NamedTuple):
    """What of a record is needed to decide again; the rest is let go, for a million are read.

    `noticed`: (code, level) of what fired, in the catalogue's order of that time, which decides who leads. `limits`:
    hourly and daily, None in records of an earlier version.
    """

    policy: str
    noticed: tuple[tuple[str, int], ...]
    allowed: bool
    code: str
    score: int
    leading: str | None
    block_id: str | None
    duplicate_of: str | None
    displaced: tuple[str, ...]
    accepted_before: int
    limits: tuple[int, int] | None
    filled: Counted


def keep(record: dict[str, Any]) -> Kept | None:
    """None where it was refused before any signal was asked: no policy changes that."""
    fraud = record.get("fraud")
    if fraud is None:
        return None
    facts, told, listed = record["facts"], record["outcome"], record.get("list_entry")
    limits, filled_ms = facts.get("limits"), facts["limits_filled_ms"]
    return Kept(
        record["policy"],
        _noticed(fraud) if fraud["fired"] or "muted" in fraud else (),
        fraud.get("allowed", False),
        told.get("status") or told["reason"],
        fraud["score"],
        fraud["leading"],
        listed["id"] if listed and listed["action"] == "block" else None,
        told.get("conversion_id"),
        tuple(record.get("displaced", ())),
        facts["accepted_before"],
        (limits["hourly"], limits["daily"]) if limits else None,
        Counted(filled_ms["hourly"], filled_ms["daily"]),
    )


def _noticed(fraud: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    found = [(each["code"], each.get("level", 0)) for each in fraud["fired"]]
    if muted := fraud.get("muted"):
        places = _POSITIONS.get(fraud.get("catalogue"), {})
        found += [(each["code"], each.get("level", 0)) for each in muted]
        found.sort(key=lambda each: places.get(each[0], len(places)))
    return tuple(found)


@dataclass(slots=True, eq=False)
class Decision:
    """A stored decision. `code`: the status it began with, or the refusal's reason. `type`, `revenue_minor` and
    `commission_minor` are None where an attempt's record is of an earlier version.

    `later`: what the merchant decided. Orders are told apart by their key, for it is all that attempts keep.
    """

    id: str
    object: str  # conversion | attempt
    at_ms: int
    affiliate_id: str
    type: str | None
    verified: bool
    email_key: str | None
    order_key: str | None
    revenue_minor: int | None
    commission_minor: int | None
    code: str
    score: int
    later: str
    kept: Kept

    @property
    def place(self) -> tuple:
        """By which decisions are ordered: at the same time, by what was accepted for the affiliate before."""
        return self.at_ms, self.kept.accepted_before, self.object, self.id


class Outcome(NamedTuple):
    """`code`: the status to begin with, or the refusal's reason."""

    code: str
    score: int
    leading: str | None

    @property
    def state(self) -> str:
        return _STATES.get(self.code, "refused")


class Replayed(NamedTuple):
    """What was stored, what the policy that judged makes of it again, and what the changed one would have."""

    stored: Outcome
    again: Outcome
    changed: Outcome

    @property
    def is_reproduced(self) -> bool:
        return self.stored == self.again


class Replay:
    """One pass. `judged_by` and `changed_to` give the two policies by the name in a record."""

    def __init__(self, judged_by: Policies, changed_to: Policies, repeat_purchases: Any):
        self._judged_by, self._changed_to, self._repeats = judged_by, changed_to, repeat_purchases
        self._judgements: dict[tuple, tuple[Judgement, Judgement]] = {}
        # When conversions were accepted, by affiliate: all, and the verified ones; a day back, as far as limits look.
        self._accepted: dict[str, tuple[list[int], list[int]]] = {}
        self._moved: set[str] = set()  # affiliates whose accepted conversions are others than those stored
        self._gone: dict[
            str, bool
        ] = {}  # stored, not accepted here → whether what it displaced stands instead
        self._own: dict[str, list[Past]] = {}  # accepted only here, by customer
        self._orders: dict[str, Past] = {}  # likewise, by order

    def remember(self, affiliate_id: str, verified: bool, at_ms: int) -> None:
        """An accepted conversion that fills limits."""
        kept = self._accepted.get(affiliate_id)
        if kept is None:
            kept = self._accepted[affiliate_id] = ([], [])
        for times in kept if verified else kept[:1]:
            times.append(at_ms)
            if len(times) > _MANY and times[0] <= at_ms - DAY_MS:
                del times[: bisect_right(times, at_ms - DAY_MS)]

    def take(self, decision: Decision) -> Replayed:
        """The next decision, in order."""
        kept = decision.kept
        stored = Outcome(decision.code, decision.score, kept.leading)
        if (kept.code, kept.score) != stored[:2]:
            stored = stored._replace(
                code=f"{decision.code}, recorded as {kept.code} with {kept.score} points"
            )
        judged, changed = self._judge(kept)
        held, counted = (), kept.filled
        if decision.code == Reason.DUPLICATE:
            held = Refusal(Reason.DUPLICATE, conversion_id=kept.duplicate_of)
        again = _outcome(decision, held, counted, judged)
        identity = self._identity(decision, held)
        if decision.affiliate_id in self._moved and kept.limits:
            counted = self._counted(decision, kept.limits)
        is_same = judged is changed and identity is held and counted is kept.filled
        now = again if is_same else _outcome(decision, identity, counted, changed)
        self._follow(decision, stored, now, identity)
        return Replayed(stored, again, now)

    def _judge(self, kept: Kept) -> tuple[Judgement, Judgement]:
        """Under the policy that judged and under the changed one, the same twice where they agree. Few combinations are
        met again and again.
        """
        key = kept[:3]
        found = self._judgements.get(key)
        if found is None:
            judged, changed = (
                _conclude(policy(kept.policy), kept.noticed, kept.allowed)
                for policy in (self._judged_by, self._changed_to)
            )
            found = self._judgements[key] = (judged, judged if judged == changed else changed)
        return found

    def _identity(self, decision: Decision, stored: Refusal | tuple) -> Refusal | tuple[Past, ...]:
        """What it duplicates here; of an attempt that duplicates a conversion which is gone, nothing any more."""
        own, order = self._own.get(decision.email_key, ()), self._orders.get(decision.order_key)
        if (own or order) and decision.type:
            found = check_identity(
                decision.type,
                decision.order_key,
                self._repeats,
                own,
                order,
                decision.verified,
                decision.at_ms,
            )
            if isinstance(found, Refusal):
                return found
            if not stored:
                return found
        return () if stored and self._is_free(decision, stored.conversion_id) else stored

    def _is_free(self, decision: Decision, holder_id: str | None) -> bool:
        if holder_id not in self._gone or decision.type is None:
            return False
        if not (decision.email_key or decision.order_key):
            return False  # of an earlier version: the next of its kind would not be known as its duplicate
        # What the holder displaced is unverified, and stands: for an unverified report it is the same duplicate.
        return decision.verified or not self._gone[holder_id]

    def _counted(self, decision: Decision, limits: tuple[int, int]) -> Counted:
        times = self._accepted.get(decision.affiliate_id, ([], []))[decision.verified]
        return Counted(*(_filled_ms(times, limit, decision.at_ms) for limit in limits))

    def _follow(self, decision: Decision, stored: Outcome, now: Outcome, identity: Any) -> None:
        """What later decisions meet because of this one."""
        was_accepted, is_accepted = stored.code in _STATES, now.code in _STATES
        if is_accepted:
            self.remember(decision.affiliate_id, decision.verified, decision.at_ms)
            for past in identity:
                self._release(past)
        if was_accepted == is_accepted:
            return
        self._moved.add(decision.affiliate_id)
        if was_accepted:
            self._gone[decision.id] = any(each not in self._gone for each in decision.kept.displaced)
        else:
            self._hold(decision, now)

    def _hold(self, decision: Decision, now: Outcome) -> None:
        past = Past(
            decision.id,
            decision.affiliate_id,
            decision.type or "",
            now.code,
            decision.verified,
            decision.email_key or "",
            decision.order_key,
            None,
            decision.at_ms,
        )
        if decision.email_key:
            self._own.setdefault(decision.email_key, []).append(past)
        if decision.order_key:
            self._orders[decision.order_key] = past

    def _release(self, past: Past) -> None:
        """It was unverified, and a verified report has taken its place."""
        self._own[past.email_key] = [each for each in self._own.get(past.email_key, ()) if each is not past]
        if self._orders.get(past.order_id) is past:
            del self._orders[past.order_id]


def _conclude(policy: Policy, noticed: tuple[tuple[str, int], ...], allowed: bool) -> Judgement:
    rules = [(policy.by_code[code], level) for code, level in noticed if code in policy.by_code]
    return conclude(rules, policy, allowed)


def _outcome(decision: Decision, identity: Any, counted: Counted, judgement: Judgement) -> Outcome:
    settled = settle(identity, counted, decision.kept.block_id, judgement, decision.at_ms)
    code = settled.reason.value if isinstance(settled, Refusal) else settled
    return Outcome(code, judgement.score, judgement.leading)


def _filled_ms(times: list[int], limit: int, now_ms: int) -> int | None:
    """As in `Counted`."""
    if limit == 0:
        return now_ms
    return times[-limit] if len(times) >= limit else None
