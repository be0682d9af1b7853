"""Looks up what merchants set up for a group of claims, and screens each claim against it."""

from collections.abc import Sequence

from refledger.core.conversions import Screened, Setup, screen
from refledger.core.fingerprints import code_key, email_key, fingerprint, known_key, mailbox_key, order_key
from refledger.core.refusals import Reason, Refusal
from refledger.services.claims import EMPTY_LISTS, ENDPOINT, Work
from refledger.services.shelf import Shelf
from refledger.store.engine import Connection


def look_up(connection: Connection, works: Sequence[Work], shelf: Shelf, now_ms: int) -> None:
    """Fills credential, program and set-up of each work, then screens it; a refusal ends in `outcome`."""
    _credentials(connection, works, shelf)
    known = [work for work in works if work.credential]
    _programs(connection, known, shelf)
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


def _credentials(connection: Connection, works: Sequence[Work], shelf: Shelf) -> None:
    found = shelf.credentials(connection, (work.claim.key_hash for work in works))
    for work in works:
        work.credential = found.get(work.claim.key_hash)
        if work.credential is None:
            work.outcome = Refusal(Reason.INVALID_KEY)


def _programs(connection: Connection, works: Sequence[Work], shelf: Shelf) -> None:
    named = {}
    for work in works:
        program_id = work.claim.given.get("program_id")
        if isinstance(program_id, str):
            named[id(work)] = (work.merchant_id, program_id.strip())
    found = shelf.programs(connection, named.values())
    for work in works:
        work.program = found.get(named.get(id(work)))
        if work.program:
            work.fingerprint_key = bytes.fromhex(work.program.fingerprint_key)
        if isinstance(work.claim.report, Refusal):
            work.outcome = work.claim.report


def _codes(connection: Connection, works: Sequence[Work], shelf: Shelf) -> None:
    by_ref = {id(work): key for work in works if (key := _code_key(work, work.claim.report.ref_code))}
    by_coupon = {id(work): key for work in works if (key := _code_key(work, work.claim.report.coupon_code))}
    affiliates = shelf.affiliates(connection, by_ref.values())
    coupons = shelf.coupons(connection, by_coupon.values())
    named = []
    for work in works:
        affiliate = affiliates.get(by_ref.get(id(work)))
        coupon, owner = coupons.get(by_coupon.get(id(work)), (None, None))
        named.append((work, affiliate, coupon, owner))
    shelf.fill(
        connection,
        [work.program for work in works if work.program],
        [each for _, affiliate, _, owner in named for each in (affiliate, owner) if each],
    )
    for work, affiliate, coupon, owner in named:
        lists = shelf.lists(work.program) if work.program else EMPTY_LISTS
        work.setup = Setup(work.program, affiliate, coupon, owner, lists)


def _code_key(work: Work, code: str | None) -> tuple[str, str] | None:
    if not code or not work.program:
        return None
    return work.merchant_id, code_key(work.fingerprint_key, work.program.id, code)


def name(work: Work) -> None:
    """The fingerprints under which the customer and the order are known in this program and mode."""
    screened, key, scope = work.screened, work.fingerprint_key, (work.program.id, work.mode)
    address = work.claim.address
    if screened.email:
        work.email_key = email_key(key, *scope, screened.email.address)
        work.mailbox_key = mailbox_key(key, *scope, screened.email.mailbox)
        work.known_as["mailbox"] = known_key(key, "mailbox", work.mode, screened.email.mailbox)
    if address and not address.special:
        work.known_as["address"] = known_key(key, "address", work.mode, address.unit)
    if screened.report.order_id and screened.report.conversion_type == "purchase":
        work.order_key = order_key(key, *scope, screened.report.order_id)
