"""Settles groups of claims: look up the set-up → hold → stamp → gather → decide → record, in one transaction."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from refledger.core.conversions import decide
from refledger.core.fingerprints import lock_number
from refledger.core.fraud.scoring import judge
from refledger.core.ids import make_id
from refledger.core.money import to_text
from refledger.core.refusals import Reason, Refusal
from refledger.services import histories, writing
from refledger.services.claims import Answer, Claim, Wording, Work
from refledger.services.desk import LATER, LaterPlease
from refledger.services.origins import Origins
from refledger.services.setups import look_up
from refledger.services.shelf import Shelf
from refledger.store import history, ledger
from refledger.store.engine import Connection, Database

Riding = Callable[[], AbstractContextManager[Callable[[Connection], None]]]


class Tracking:
    """Decides conversions. `settle` is what the desk calls; it holds no state but compiled policies."""

    def __init__(
        self,
        database: Database,
        wording: Wording,
        clock: Callable[[], int],
        entropy: Callable[[int], bytes] = os.urandom,
        riding: Riding = lambda: nullcontext(lambda connection: None),
        origins: Origins | None = None,
    ):
        """`riding`: what is stored with each group before it is decided (`ClickBuffer.riding`)."""
        self._riding, self._origins = riding, origins or Origins()
        self._database, self._wording, self._clock, self._entropy = database, wording, clock, entropy
        self._shelf = Shelf()

    def settle(self, claims: Sequence[Claim]) -> list[Answer | LaterPlease]:
        """One answer for each claim, durable when this returns; LATER for those that contend with an earlier one."""
        works = [Work(claim) for claim in claims]
        with self._riding() as ride, self._database.write() as connection:
            ride(connection)
            now_ms = self._database.now_ms(connection, self._clock())
            look_up(connection, works, self._shelf, now_ms)
            mine, later = without_contention([work for work in works if work.credential])
            keys = {lock_number(key) for work in mine for key in work.held}
            now_ms = self._database.hold(connection, keys, now_ms)
            later += self._decide(connection, mine, now_ms)
            waiting = {id(work) for work in later}
            settled = [work for work in mine if id(work) not in waiting]
            answers = {id(work): self._answer(work) for work in works if id(work) not in waiting}
            writing.write(connection, settled, answers, now_ms, self._entropy)
        return [LATER if id(work) in waiting else answers[id(work)] for work in works]

    def _decide(self, connection: Connection, works: Sequence[Work], now_ms: int) -> list[Work]:
        """Ends each work with an outcome. Answers those that need more than they hold: they must wait."""
        replayed = history.replays(
            connection,
            [(work.merchant_id, work.replay_key) for work in works if work.replay_key],
            now_ms - writing.REMEMBERED_MS,
        )
        for work in works:
            work.now_ms = now_ms
            work.conversion_id = make_id("conv", now_ms, self._entropy(10))
            remembered = replayed.get((work.merchant_id, work.replay_key))
            if remembered:
                work.outcome = _replay(work, *remembered)
        undecided = [work for work in works if work.outcome is None]
        if not undecided:
            return []
        later = histories.gather(connection, undecided, self._shelf, self._origins.now, now_ms)
        waiting = {id(work) for work in later}
        for work in undecided:
            if id(work) in waiting:
                work.claim.also_held |= work.earners
                continue
            listed = work.screened.listed
            work.verdict = judge(work.case, work.policy, listed is not None and listed.action == "allow")
            work.outcome = decide(work.screened, work.history, work.verdict, work.verified, work.now_ms)
        return later + self._without_displaced(connection, undecided)

    def _without_displaced(self, connection: Connection, works: Sequence[Work]) -> list[Work]:
        """Those that do not hold everybody who loses by what they displace: they must wait."""
        displacing = [work for work in works if getattr(work.outcome, "displaces", ())]
        places = [(work.merchant_id, past.id) for work in displacing for past in work.outcome.displaces]
        shares, later = ledger.shares_of(connection, places), []
        for work in displacing:
            losing = {past.affiliate_id for past in work.outcome.displaces}
            losing |= {share["affiliate_id"] for past in work.outcome.displaces for share in shares[past.id]}
            if not losing <= work.held:
                work.claim.also_held |= losing
                later.append(work)
        return later

    def _answer(self, work: Work) -> Answer:
        outcome, claim = work.outcome, work.claim
        origins = work.program.allowed_origins if work.program else "[]"
        if isinstance(outcome, Answer):
            return outcome._replace(allowed_origins=origins)
        if isinstance(outcome, Refusal):
            status, body = self._wording.refused(outcome, claim.request_id, claim.is_secret)
            return Answer(status, body, outcome.reason.value, outcome.retry_after_s, allowed_origins=origins)
        body = self._wording.accepted(
            work.conversion_id,
            to_text(outcome.commission.minor, work.program.currency),
            outcome.status,
            work.is_dry_run,
            work.screened.warnings if claim.is_secret else (),
        )
        return Answer(200, body, outcome.status, allowed_origins=origins)


def without_contention(works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """Those that share no key with an earlier one of the group, and the others, which the next group takes."""
    taken: set[str] = set()
    mine, later = [], []
    for work in works:
        work.held = contends_for(work)
        if taken & work.held:
            later.append(work)
        else:
            taken |= work.held
            mine.append(work)
    return mine, later


def contends_for(work: Work) -> set[str]:
    """Everything that no other claim may be deciding about meanwhile: customer, order, affiliates, idempotency key."""
    keys = set(work.claim.also_held)
    if work.replay_key:
        keys.add(work.merchant_id + work.replay_key)
    if work.screened:
        keys |= work.earners
        keys |= {key for key in (work.email_key, work.mailbox_key, work.order_key) if key}
    return keys


def _replay(work: Work, body_key: str, status: int, answer: str) -> Answer | Refusal:
    if body_key != work.claim.body_key:
        return Refusal(Reason.IDEMPOTENCY_MISMATCH)
    return Answer(status, answer.encode(), "replayed", replayed=True)
