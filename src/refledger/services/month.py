"""A demo month: honest and dishonest affiliates, made up from a seed, decided as in life.

Each click and report passes the services that serve; only the clock is set, to the time at which it would have come. So
what the month shows (signals, refusals, limits, money) is what the rules make of it, and nothing is written by hand.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from refledger.core.programs import DAY_MS, HOUR_MS
from refledger.core.refusals import Refused
from refledger.services import catalogue, steps
from refledger.services.clicks import ClickBuffer, Clicks, Visit
from refledger.services.credentials import Tenant
from refledger.services.made_up import Agenda, AlreadyThere, Unheard, claim_of
from refledger.services.month_cast import CAST, Journey, Member, Report
from refledger.services.routes import AffiliateRoute, ProgramRoute
from refledger.services.tracking import Tracking
from refledger.store import programs as program_store
from refledger.store.engine import Database

DAYS = 30
SLUG = "demo-month"
SEED = 2026

Tell = Callable[[int, int], None]


@dataclass(slots=True)
class _Month:
    """What the month is made with."""

    database: Database
    tenant: Tenant
    keys: dict[str, str]
    key_hashes: dict[bool, str]
    program: dict[str, Any]
    chance: random.Random
    agenda: Agenda
    buffer: ClickBuffer
    clicks: Clicks
    tracking: Tracking
    affiliates: dict[str, AffiliateRoute] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    # Conversions that nobody has decided about: id → (when, the answer, whose).
    open: dict[str, tuple[int, str, Member]] = field(default_factory=dict)


def make_month(
    database: Database,
    tenant: Tenant,
    keys: dict[str, str],
    key_hashes: dict[bool, str],
    now_ms: int,
    seed: int = SEED,
    tell: Tell = lambda done, total: None,
    days: int = DAYS,
) -> dict[str, Any]:
    """Makes the program `demo-month` of that merchant with the days until now. Answers its id and how the reports were
    answered, by code.

    `keys`: the live keys; `key_hashes`: by whether the key is secret. `tell(day, days)` as it goes.
    """
    start_ms = now_ms - now_ms % DAY_MS - (days - 1) * DAY_MS
    month = _set_up(database, tenant, keys, key_hashes, start_ms, seed)
    for day in range(days):
        for member in CAST:
            for journey in member.journeys(month.chance, day):
                _plan(month, member, journey, start_ms)
        month.agenda.at(start_ms + day * DAY_MS + 9 * HOUR_MS, lambda: _look_through(month))
    month.agenda.live_until(now_ms, lambda: tell((month.agenda() - start_ms) // DAY_MS, days))
    with month.buffer.riding() as ride, database.write(tenant.merchant_id) as connection:
        ride(connection)
    tell(days, days)
    return {"program_id": month.program["id"], "answers": month.answered}


def _set_up(
    database: Database,
    tenant: Tenant,
    keys: dict[str, str],
    key_hashes: dict[bool, str],
    start_ms: int,
    seed: int,
) -> _Month:
    chance, agenda = random.Random(seed), Agenda(start_ms)
    entropy = random.Random(f"{seed} {start_ms} {tenant.merchant_id}").randbytes
    buffer = ClickBuffer(database, flush_ms=20, most=1_000_000)
    with database.write(tenant.merchant_id) as connection:
        if program_store.slug_is_taken(connection, SLUG):
            raise AlreadyThere
        program = catalogue.create_program(connection, tenant, _PROGRAM, start_ms, entropy)
        month = _Month(
            database, tenant, keys, key_hashes, program, chance, agenda, buffer,
            Clicks(buffer, agenda, entropy), Tracking(database, Unheard(), agenda, entropy, buffer.riding),
        )  # fmt: skip
        for member in CAST:
            wanted = {
                "name": member.name,
                "email": f"{member.code.lower()}@affiliate.example.com",
                "ref_code": member.code,
                "known_addresses": list(member.own_addresses),
            }
            made = catalogue.create_affiliate(connection, tenant, program["id"], wanted, start_ms, entropy)
            month.affiliates[member.code] = AffiliateRoute(made["id"], member.code)
            if member.coupon:
                coupon = {"code": member.coupon, "affiliate_id": made["id"]}
                catalogue.create_coupon(connection, tenant, program["id"], coupon, start_ms, entropy)
    return month


_PROGRAM = {
    "name": "Demo month",
    "slug": SLUG,
    "currency": "USD",
    "site_url": "https://shop.example",
    "limits": {"hourly": 4, "daily": 25},
}


# ── what customers do ────────────────────────────────────────────────────────────────────────────────────────────


def _plan(month: _Month, member: Member, journey: Journey, start_ms: int) -> None:
    """Times of journeys count from the month's start."""
    known: dict[str, str] = {}
    if journey.click_ms is not None:
        month.agenda.at(start_ms + journey.click_ms, lambda: _click(month, journey, known))
    for report in journey.reports:
        month.agenda.at(start_ms + report.at_ms, lambda report=report: _report(month, member, report, known))


def _click(month: _Month, journey: Journey, known: dict[str, str]) -> None:
    program = month.program
    route = ProgramRoute(
        month.tenant.merchant_id, program["id"], program["site_url"], frozenset(), frozenset(), 30, True,
        month.tenant.fingerprint_key,
    )  # fmt: skip
    visit = Visit(journey.address, journey.agent, dest=journey.dest)
    click_id = month.clicks.note(route, month.affiliates[journey.affiliate], "live", "link", visit)
    if journey.names_click:
        known["click_id"] = click_id


def _report(month: _Month, member: Member, report: Report, known: dict[str, str]) -> None:
    fields = {"program_id": month.program["id"], **known, **report.fields}
    request_id = f"req_demo_{month.agenda.numbered}"
    claim = claim_of(fields, month.keys, month.key_hashes, report.signed, request_id)
    (answer,) = month.tracking.settle([claim])
    month.answered[answer.code] = month.answered.get(answer.code, 0) + 1
    if answer.body:
        month.open[answer.body.decode()] = (month.agenda(), answer.code, member)


# ── what the merchant does ───────────────────────────────────────────────────────────────────────────────────────


def _look_through(month: _Month) -> None:
    """Each morning: what is held since yesterday is decided, mostly; what stood for two weeks is approved."""
    now_ms, chance = month.agenda(), month.chance
    for conversion_id, (at_ms, status, member) in list(month.open.items()):
        age_ms = now_ms - at_ms
        if status == "pending_review" and age_ms > DAY_MS and chance.random() < 0.6:
            step, reason = ("approve", "not_fraud") if member.honest else ("reject", "fraud")
        elif status == "pending" and age_ms > 14 * DAY_MS:
            step, reason = ("approve", None) if chance.random() < 0.97 else ("refund", None)
        else:
            continue
        del month.open[conversion_id]
        # What a later report displaced meanwhile is nobody's to decide any more.
        with suppress(Refused), month.database.write(month.tenant.merchant_id) as connection:
            steps.take(connection, month.tenant, step, conversion_id, reason, now_ms, chance.randbytes)
