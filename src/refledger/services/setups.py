"""Looks up what merchants set up for a group of claims, and screens each claim against it."""

from collections.abc import Sequence

import orjson

from refledger.core.conversions import Screened, Setup, screen
from refledger.core.fingerprints import code_key, email_key, fingerprint, order_key
from refledger.core.fraud.policy import DEFAULT, DEFAULT_VERSION, Policy, merge
from refledger.core.lists import Lists
from refledger.core.programs import Affiliate, Program
from refledger.core.refusals import Reason, Refusal
from refledger.services.claims import EMPTY_LISTS, ENDPOINT, Credential, Work
from refledger.store import setup
from refledger.store.engine import Connection

_MOST_SHELVED = 10_000


class Shelf:
    """Compiled policies and lists, by the version that the database names: a version never changes."""

    def __init__(self):
        self._policies: dict[tuple[str | None, str | None], Policy] = {}
        self._lists: dict[str, tuple[int, Lists]] = {}

    def fill(
        self, connection: Connection, programs: Sequence[Program], affiliates: Sequence[Affiliate]
    ) -> None:
        """Reads what these programs and affiliates need and the shelf lacks."""
        if len(self._policies) > _MOST_SHELVED or len(self._lists) > _MOST_SHELVED:
            self.__init__()
        stale = {each.merchant_id: each.lists_version for each in programs if self._is_stale(each)}
        if stale:
            for merchant_id, entries in setup.list_entries_of(connection, stale).items():
                self._lists[merchant_id] = (stale[merchant_id], Lists(entries))
        by_id = {each.id: each for each in programs}
        missing = [
            (by_id[each.program_id], each)
            for each in affiliates
            if each.program_id in by_id
            and (by_id[each.program_id].policy_id, each.policy_id) not in self._policies
        ]
        if missing:
            self._compile(connection, missing)

    def policy(self, program: Program, affiliate: Affiliate) -> Policy:
        return self._policies[program.policy_id, affiliate.policy_id]

    def lists(self, program: Program) -> Lists:
        return self._lists[program.merchant_id][1] if program.lists_version else EMPTY_LISTS

    def _is_stale(self, program: Program) -> bool:
        return program.lists_version != self._lists.get(program.merchant_id, (0,))[0]

    def _compile(self, connection: Connection, missing: list[tuple[Program, Affiliate]]) -> None:
        wanted = {
            (program.merchant_id, policy_id)
            for program, affiliate in missing
            for policy_id in (program.policy_id, affiliate.policy_id)
            if policy_id
        }
        documents = {
            pair[1]: orjson.loads(text) for pair, text in setup.policy_documents(connection, wanted).items()
        }
        for program, affiliate in missing:
            overrides = [documents[each] for each in (program.policy_id, affiliate.policy_id) if each]
            self._policies[program.policy_id, affiliate.policy_id] = merge(DEFAULT, *overrides)


def policy_version(program: Program, affiliate: Affiliate) -> str:
    """The name of the policy that judges this affiliate's conversions: the default and the overrides laid over it."""
    return "+".join(each for each in (DEFAULT_VERSION, program.policy_id, affiliate.policy_id) if each)


def look_up(connection: Connection, works: Sequence[Work], shelf: Shelf, now_ms: int) -> None:
    """Fills credential, program and set-up of each work, then screens it; a refusal ends in `outcome`."""
    _credentials(connection, works)
    known = [work for work in works if work.credential]
    _programs(connection, known)
    open_works = [work for work in known if work.outcome is None]
    _codes(connection, open_works, shelf)
    for work in open_works:
        screened = screen(work.claim.report, work.claim.address, work.setup, now_ms)
        if isinstance(screened, Screened):
            work.screened = screened
            name(work)
        else:
            work.outcome = screened
    for work in known:
        if work.claim.idempotency_key and not work.is_dry_run:
            kind, mode = work.credential.kind, work.mode
            work.replay_key = fingerprint(
                b"", "idempotency", ENDPOINT, kind, mode, work.claim.idempotency_key
            )


def _credentials(connection: Connection, works: Sequence[Work]) -> None:
    found = setup.credentials(connection, (work.claim.key_hash for work in works))
    for work in works:
        if work.claim.key_hash in found:
            work.credential = Credential(*found[work.claim.key_hash])
        else:
            work.outcome = Refusal(Reason.INVALID_KEY)


def _programs(connection: Connection, works: Sequence[Work]) -> None:
    named = {}
    for work in works:
        program_id = work.claim.given.get("program_id")
        if isinstance(program_id, str):
            named[id(work)] = (work.merchant_id, program_id.strip())
    found = setup.programs_of(connection, named.values())
    for work in works:
        work.program = found.get(named.get(id(work)))
        if work.program:
            work.fingerprint_key = bytes.fromhex(work.program.fingerprint_key)
        if isinstance(work.claim.report, Refusal):
            work.outcome = work.claim.report


def _codes(connection: Connection, works: Sequence[Work], shelf: Shelf) -> None:
    by_ref = {id(work): key for work in works if (key := _code_key(work, work.claim.report.ref_code))}
    by_coupon = {id(work): key for work in works if (key := _code_key(work, work.claim.report.coupon_code))}
    affiliates = setup.affiliates_by_code(connection, by_ref.values())
    coupons = setup.coupons_by_code(connection, by_coupon.values())
    shelf.fill(
        connection,
        [work.program for work in works if work.program],
        [*affiliates.values(), *(affiliate for _, affiliate in coupons.values())],
    )
    for work in works:
        coupon, owner = coupons.get(by_coupon.get(id(work)), (None, None))
        lists = shelf.lists(work.program) if work.program else EMPTY_LISTS
        work.setup = Setup(work.program, affiliates.get(by_ref.get(id(work))), coupon, owner, lists)


def _code_key(work: Work, code: str | None) -> tuple[str, str] | None:
    if not code or not work.program:
        return None
    return work.merchant_id, code_key(work.fingerprint_key, work.program.id, code)


def name(work: Work) -> None:
    """The fingerprints under which the customer and the order are known in this program and mode."""
    screened, key, scope = work.screened, work.fingerprint_key, (work.program.id, work.mode)
    if screened.email:
        work.email_key = email_key(key, *scope, screened.email.address)
        work.mailbox_key = fingerprint(key, "mailbox", *scope, screened.email.mailbox)
    if screened.report.order_id and screened.report.conversion_type == "purchase":
        work.order_key = order_key(key, *scope, screened.report.order_id)
