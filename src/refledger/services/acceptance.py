"""Accepting a refused attempt after all, dated at its original time and with the terms of that time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from refledger.core import addresses, emails
from refledger.core.attribution import Attribution, attribute
from refledger.core.conversions import Accepted, History, Screened, earned
from refledger.core.duplicates import check_identity
from refledger.core.fingerprints import code_key, lock_number
from refledger.core.fraud.case import Case
from refledger.core.ids import make_id
from refledger.core.intake import Report, read_report
from refledger.core.limits import Counted
from refledger.core.money import to_minor, to_text
from refledger.core.personal import MAILBOX, dropped
from refledger.core.programs import Affiliate, Coupon, Program, stored
from refledger.core.refusals import ACCEPTABLE, Reason, Refusal, Refused
from refledger.services import histories, months, postings, settlement, writing
from refledger.services.claims import Claim, Credential, Wording, Work
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.services.setups import name
from refledger.store import history, ledger, record, review, seals, setup
from refledger.store.engine import Connection, hold


def accept_attempt(
    connection: Connection,
    tenant: Tenant,
    attempt_id: str,
    affiliate_id: str | None,
    now_ms: int,
    entropy: Entropy,
    wording: Wording,
) -> str:
    """The id of the conversion it becomes. Identity and order are checked again (409 naming the conversion).

    A retry under the attempt's Idempotency-Key is answered with this conversion from now on, in the doors' words.
    """
    attempt = _acceptable(connection, tenant, attempt_id)
    now_ms = max(now_ms, attempt["at_ms"])  # whatever a clock does, not before it was asked for
    work = _work(connection, tenant, attempt, affiliate_id, now_ms)
    hold(connection, (lock_number(key) for key in _contends_for(work, attempt_id)))
    attempt = _acceptable(connection, tenant, attempt_id)  # again: another may have accepted it meanwhile
    own, order = review.customer_and_order(connection, tenant.merchant_id, work.email_key, work.order_key)
    work.history = History(own, order, Counted(None, None))
    _not_answered_yet(connection, work, now_ms)
    repeats = stored(work.program.repeat_purchases)
    displaced = check_identity(
        work.report.conversion_type, work.report.order_id, repeats, own, order, work.verified, work.now_ms
    )
    if isinstance(displaced, Refusal):
        raise Refused(displaced)
    losing = ledger.conversions_of(connection, [(work.merchant_id, past.id) for past in displaced])
    hold(connection, settlement.lock_numbers(connection, tenant, list(losing.values())))

    (tally,) = months.gather(connection, [work])
    why = "accepted by the merchant from a refused attempt"
    work.outcome = Accepted("pending", *earned(work.screened, tally), displaced, why)
    work.conversion_id = make_id("conv", now_ms, entropy(10))
    rows = postings.new_rows()
    work.sightings = histories.left_by(work, _case(work), now_ms)
    writing.accept(rows, work, now_ms, entropy, attempt)
    writing.write_rows(connection, rows, [work], now_ms, entropy)
    _remember(connection, work, wording, now_ms)
    review.mark_accepted(connection, tenant.merchant_id, attempt_id, work.conversion_id, now_ms)
    return work.conversion_id


def _case(work: Work) -> Case:
    """As much of the case as what it leaves to be compared with is made of."""
    return Case(
        now_ms=work.now_ms,
        conversion_type=work.report.conversion_type,
        affiliate_id=work.affiliate.id,
        via=work.screened.attribution.via,
        email=work.screened.email,
        address=work.claim.address,
        agent=work.report.agent,
    )


def _not_answered_yet(connection: Connection, work: Work, now_ms: int) -> None:
    """A retry under the same Idempotency-Key may have been accepted meanwhile."""
    place = (work.merchant_id, work.replay_key)
    found = history.replays(connection, [place] if work.replay_key else [], now_ms - writing.REMEMBERED_MS)
    if place in found:
        answer = orjson.loads(found[place][2])
        raise Refused(Refusal(Reason.DUPLICATE, conversion_id=answer.get("conversion_id")))


def _remember(connection: Connection, work: Work, wording: Wording, now_ms: int) -> None:
    if not work.replay_key:
        return
    commission = to_text(work.outcome.commission.minor, work.program.currency)
    body = wording.accepted(work.conversion_id, commission, "pending", False, ())
    remembered = {
        "merchant_id": work.merchant_id,
        "key": work.replay_key,
        "body_key": work.claim.body_key,
        "status": 200,
        "answer": body.decode(),
        "at_ms": now_ms,
    }
    record.remember(connection, [remembered], now_ms - writing.REMEMBERED_MS)


def _acceptable(connection: Connection, tenant: Tenant, attempt_id: str) -> dict[str, Any]:
    attempt = review.attempt(connection, tenant.merchant_id, attempt_id)
    if attempt is None or attempt["mode"] != tenant.mode:
        raise Refused(Refusal(Reason.NOT_FOUND))
    if attempt["conversion_id"]:
        message = f"This attempt was accepted already, as {attempt['conversion_id']}"
        refusal = Refusal(Reason.NOT_ACCEPTABLE_ATTEMPT, message, conversion_id=attempt["conversion_id"])
        raise Refused(refusal)
    if attempt["code"] not in ACCEPTABLE:
        message = f"An attempt refused as {attempt['code']} cannot be accepted; report it again, corrected"
        raise Refused(Refusal(Reason.NOT_ACCEPTABLE_ATTEMPT, message))
    return attempt


def _work(
    connection: Connection, tenant: Tenant, attempt: Mapping[str, Any], affiliate_id: str | None, now_ms: int
) -> Work:
    """The attempt as a work that has passed its screening, under the terms of its time."""
    given, then = orjson.loads(attempt["input"]), orjson.loads(attempt["record"])
    if MAILBOX in dropped(given):
        # Without it nobody could tell the customer's other conversions from those of strangers.
        message = (
            "The customer's e-mail address of this attempt was dropped; report it again, with the address"
        )
        raise Refused(Refusal(Reason.NOT_ACCEPTABLE_ATTEMPT, message))
    report = read_report(given, is_secret=True)
    if isinstance(report, Refusal):
        raise Refused(report)
    place = (tenant.merchant_id, attempt["program_id"])
    program = setup.programs_of(connection, [place])[place]
    terms = then.get("terms", {})
    program = replace(
        program,
        commission=terms.get("program", program.commission),
        recruiter=terms.get("recruiter"),
        terms_id=terms.get("version"),
    )
    attribution = _attribution(connection, tenant, program, report, attempt, affiliate_id, now_ms)
    email = emails.parse(report.email) if report.email else None
    revenue_minor = to_minor(report.revenue, program.currency)[0] if report.revenue is not None else 0
    address = addresses.parse(report.address) if report.address else None
    kind = "secret" if attempt["verified"] else "publishable"
    sealed_ms = seals.sealed_ms(connection, tenant.merchant_id)
    asked_under = then.get("idempotency", {})
    work = Work(
        Claim(
            attempt["request_id"],
            "",
            bool(attempt["verified"]),
            given,
            report,
            address,
            idempotency_key=asked_under.get("key"),
            body_key=asked_under.get("body_key", ""),
        ),
        Credential(tenant.merchant_id, tenant.key_id, kind, tenant.mode, sealed_ms),
        program,
        tenant.fingerprint_key,
        screened=Screened(report, program, email, revenue_minor, attribution, None, report.warnings),
    )
    work.now_ms, work.replay_key = attempt["at_ms"], asked_under.get("key")
    name(work)
    return work


def _attribution(
    connection: Connection,
    tenant: Tenant,
    program: Program,
    report: Report,
    attempt: Mapping[str, Any],
    affiliate_id: str | None,
    now_ms: int,
) -> Attribution:
    """The affiliate the merchant names, else the one decided then, else the one whose code is live by now."""
    wanted = affiliate_id or attempt["affiliate_id"]
    if wanted is None:
        return _by_code(connection, tenant, program, report, now_ms)
    place = (tenant.merchant_id, wanted)
    affiliate = setup.affiliates_by_id(connection, [place]).get(place)
    if affiliate is None or affiliate.program_id != program.id:
        raise Refused(Refusal(Reason.INVALID_AFFILIATE, fields=("affiliate_id",)))
    then = orjson.loads(attempt["record"])
    if wanted == attempt["affiliate_id"]:
        terms = then["terms"]
        affiliate = replace(
            affiliate,
            commission=terms.get("affiliate"),
            recruiter_id=terms.get("recruiter_id"),
            terms_id=terms.get("affiliate_version"),
        )
    if affiliate_id:
        chosen = {"by": "merchant", "code": affiliate.ref_code, "affiliate_id": affiliate.id}
        return Attribution(affiliate, "merchant", None, (chosen | {"state": "chosen"},))
    via, candidates = then["attribution"]["via"], tuple(then["attribution"]["candidates"])
    coupon, _ = _coupon(connection, tenant, program, report) if via == "coupon" else (None, None)
    return Attribution(affiliate, via, coupon, candidates)


def _by_code(
    connection: Connection, tenant: Tenant, program: Program, report: Report, now_ms: int
) -> Attribution:
    by_ref: Affiliate | None = None
    if report.ref_code:
        place = _place(tenant, program, report.ref_code)
        by_ref = setup.affiliates_by_code(connection, [place]).get(place)
    coupon, owner = _coupon(connection, tenant, program, report)
    attribution = attribute(report, by_ref, coupon, owner, now_ms)
    if isinstance(attribution, Refusal):
        raise Refused(attribution)
    return attribution


def _coupon(
    connection: Connection, tenant: Tenant, program: Program, report: Report
) -> tuple[Coupon | None, Affiliate | None]:
    if not report.coupon_code:
        return None, None
    place = _place(tenant, program, report.coupon_code)
    return setup.coupons_by_code(connection, [place]).get(place, (None, None))


def _place(tenant: Tenant, program: Program, code: str) -> tuple[str, str]:
    return tenant.merchant_id, code_key(tenant.fingerprint_key, program.id, code)


def _contends_for(work: Work, attempt_id: str) -> list[str]:
    replay_key = work.merchant_id + work.replay_key if work.replay_key else None
    keys = (replay_key, *work.earners, work.email_key, work.order_key, attempt_id)
    return [key for key in keys if key]
