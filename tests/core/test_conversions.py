"""The decision: refusals by descending precedence, and what an accepted conversion starts as."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from refledger.core.conversions import (
    Accepted,
    History,
    Setup,
    decide,
    next_decision,
    screen,
    shown_status,
)
from refledger.core.duplicates import Past
from refledger.core.fraud.case import Case, Click
from refledger.core.fraud.policy import DEFAULT_POLICY
from refledger.core.fraud.scoring import judge
from refledger.core.intake import Report, read_report
from refledger.core.limits import Counted
from refledger.core.lists import Entry, Lists
from refledger.core.programs import Affiliate, Coupon, Program
from refledger.core.refusals import Reason, Refusal

NOW_MS = 1_790_000_000_000
PROGRAM = Program(
    "mer_1", "prog_1", "USD", "active", 30,
    '{"purchase":{"type":"percentage","value":"10"},"signup":{"type":"fixed","value":"0"}}',
    '"first"', 2, 10, "last", 1_000_000_000, "[]", None, "00", 0,
)  # fmt: skip
JOHN = Affiliate(
    "mer_1", "aff_john", "prog_1", "john@a.example", "JOHN123", "k1", "active", None, None, None, "[]", None
)
COUPON = Coupon("mer_1", "cpn_1", "prog_1", "aff_john", "SAVE20", "k3", None, None, True)
PAST = Past("conv_1", "aff_john", "purchase", "approved", True, "mail", None, None, NOW_MS - 1)
BLOCK = Lists([Entry("lst_1", "block", "affiliate", "aff_john")])
FIELDS = {
    "program_id": "prog_1",
    "ref_code": "JOHN123",
    "customer_email": "customer@example.com",
    "conversion_type": "purchase",
    "revenue_amount": Decimal("99.99"),
}


@dataclass
class World:
    """Everything a decision depends on; each fault changes some of it."""

    fields: dict
    setup: Setup
    history: History
    seconds: float | None = None  # since the click
    verified: bool = False


def fine():
    return World(
        dict(FIELDS), Setup(PROGRAM, JOHN, None, None, Lists(())), History((), None, Counted(None, None))
    )


def settle(world):
    """As the services do: read, screen, judge, decide."""
    report = read_report(world.fields, world.verified)
    if isinstance(report, Refusal):
        return report
    screened = screen(report, None, world.setup, NOW_MS)
    if isinstance(screened, Refusal):
        return screened
    case = Case(NOW_MS, report.conversion_type, "aff_john", screened.attribution.via, screened.email)
    if world.seconds is not None:
        case.click, case.click_tie = Click("clk_1", NOW_MS - int(world.seconds * 1000)), "click_id"
    allowed = screened.listed is not None and screened.listed.action == "allow"
    return decide(screened, world.history, judge(case, DEFAULT_POLICY, allowed), world.verified, NOW_MS)


def field(name, value):
    def break_it(world):
        world.fields[name] = value

    return break_it


def setup(**parts):
    def break_it(world):
        world.setup = replace(world.setup, **parts)

    return break_it


def history(**parts):
    def break_it(world):
        world.history = replace(world.history, **parts)

    return break_it


def hasty(world):
    world.seconds = 5


def odd_email(world):
    world.fields["customer_email"] = "test123@example.com"


# One field may have several faults, so a later row overwrites an earlier one: they are applied from the last
# to the first, and mended from the first to the last.
LADDER = [
    ("a field missing", field("conversion_type", None), Reason.MISSING_FIELDS),
    ("a field of the wrong type", field("order_id", []), Reason.INVALID_FIELD),
    ("another merchant's program", setup(program=None), Reason.INVALID_PROGRAM),
    ("a paused program", setup(program=replace(PROGRAM, status="paused")), Reason.INVALID_PROGRAM),
    ("another currency", field("currency", "EUR"), Reason.INVALID_FIELD),
    ("too much", field("revenue_amount", Decimal("10000000.01")), Reason.INVALID_FIELD),
    ("no e-mail address", field("customer_email", "customer-at-example.com"), Reason.INVALID_EMAIL),
    ("a disposable one", field("customer_email", "customer@tempmail.com"), Reason.DISPOSABLE_EMAIL),
    ("an unknown code", setup(by_ref_code=None), Reason.INVALID_AFFILIATE),
    ("a duplicate", history(own=(PAST,)), Reason.DUPLICATE),
    ("the limit", history(counted=Counted(NOW_MS - 1, None)), Reason.RATE_LIMITED),
    ("blocked", setup(lists=BLOCK), Reason.BLOCKED),
    ("five seconds after the click", hasty, Reason.TIMING_TOO_FAST),
    ("an odd e-mail", odd_email, "pending_review"),
    ("nothing", lambda world: None, "pending"),
]


@pytest.mark.parametrize("mended", range(len(LADDER)), ids=[row[0] for row in LADDER])
def test_refusals_by_descending_precedence(mended):
    """All the faults at once; mended one at a time, each next one is named in the documented order."""
    world = fine()
    for _, break_it, _ in reversed(LADDER[mended:]):
        break_it(world)
    outcome = settle(world)
    assert (outcome.reason if isinstance(outcome, Refusal) else outcome.status) == LADDER[mended][2]


@pytest.mark.parametrize(("name", "break_it", "expected"), LADDER, ids=[row[0] for row in LADDER])
def test_each_fault_alone(name, break_it, expected):
    world = fine()
    break_it(world)
    outcome = settle(world)
    assert (outcome.reason if isinstance(outcome, Refusal) else outcome.status) == expected


@pytest.mark.parametrize(
    ("amount", "maximum", "currency", "refused"),
    [
        ("10000000.00", 1_000_000_000, "USD", False),
        ("10000000.004", 1_000_000_000, "USD", False),  # rounded first
        ("10000000.01", 1_000_000_000, "USD", True),
        ("1e30", 1_000_000_000, "USD", True),
        ("10000000", 10_000_000, "JPY", False),
        ("10000001", 10_000_000, "JPY", True),
    ],
)
def test_the_programs_maximum(amount, maximum, currency, refused):
    world = fine()
    world.fields["revenue_amount"] = Decimal(amount)
    world.setup = replace(world.setup, program=replace(PROGRAM, currency=currency, max_revenue_minor=maximum))
    outcome = settle(world)
    assert isinstance(outcome, Refusal) == refused
    if refused:
        assert (outcome.reason, outcome.fields) == (Reason.INVALID_FIELD, ("revenue_amount",))
        assert "maximum" in outcome.message


def test_surplus_decimals_are_rounded_with_a_warning():
    report = Report(
        "prog_1", "purchase", "JOHN123", email="c@example.com", revenue=Decimal("14.989999999999998")
    )
    screened = screen(report, None, fine().setup, NOW_MS)
    assert screened.revenue_minor == 1499
    assert screened.warnings == ("revenue_amount rounded to 14.99 USD",)
    exact = screen(replace(report, revenue=Decimal("14.99")), None, fine().setup, NOW_MS)
    assert exact.warnings == ()


@pytest.mark.parametrize("currency", ["USD", "usd", "Usd"])
def test_the_programs_own_currency(currency):
    world = fine()
    world.fields["currency"] = currency
    assert isinstance(settle(world), Accepted)


ALLOW = Lists([Entry("lst_2", "allow", "mailbox", "test123@tempmail.com")])


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (hasty, "pending"),
        (history(own=(PAST,)), Reason.DUPLICATE),
        (history(counted=Counted(NOW_MS - 1, None)), Reason.RATE_LIMITED),
    ],
)
def test_an_allow_entry_waives_disposable_timing_and_score_but_no_duplicate_and_no_limit(break_it, expected):
    world = fine()
    world.fields["customer_email"] = "test123@tempmail.com"
    world.setup = replace(world.setup, lists=ALLOW)
    break_it(world)
    outcome = settle(world)
    assert (outcome.reason if isinstance(outcome, Refusal) else outcome.status) == expected


def test_a_coupon_needs_no_email_and_no_click():
    world = fine()
    world.fields |= {"coupon_code": "SAVE20", "customer_email": None, "ref_code": None}
    world.setup = replace(world.setup, coupon=COUPON, by_coupon=JOHN)
    world.seconds = 1
    outcome = settle(world)
    assert (outcome.status, outcome.commission.minor) == ("pending", 999)


def test_what_is_displaced_comes_with_the_acceptance():
    world = fine()
    unverified = replace(PAST, verified=False, decision="pending")
    world.history = replace(world.history, own=(unverified,))
    assert settle(world).reason is Reason.DUPLICATE
    world.verified = True
    assert settle(world).displaces == (unverified,)


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("decision", "refunded", "dispute", "shown"),
    [
        ("pending", False, None, "pending"),
        ("pending_review", False, None, "pending_review"),
        ("approved", False, "won", "approved"),
        ("rejected", False, None, "rejected"),
        ("approved", True, None, "refunded"),
        ("rejected", True, None, "refunded"),
        ("approved", True, "won", "refunded"),
        ("approved", True, "open", "chargeback"),
        ("approved", False, "lost", "chargeback"),
        ("pending", False, "open", "chargeback"),
    ],
)
def test_the_status_shown(decision, refunded, dispute, shown):
    assert shown_status(decision, refunded, dispute) == shown


@pytest.mark.parametrize("initial", ["pending", "pending_review"])
@pytest.mark.parametrize("decision", ["pending", "pending_review", "approved", "rejected"])
@pytest.mark.parametrize("step", ["approve", "reject", "reopen"])
def test_steps(step, decision, initial):
    legal = {
        "approve": {"pending": "approved", "pending_review": "approved"},
        "reject": {"pending": "rejected", "pending_review": "rejected"},
        "reopen": {"rejected": initial},
    }[step].get(decision)
    found = next_decision(step, decision, initial)
    if legal:
        assert found == legal
    else:
        assert found.reason is Reason.ILLEGAL_STATUS
        assert decision in found.message and found.detail["to"] in found.message
