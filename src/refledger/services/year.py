"""A demo year: two busy programs in two currencies, with everything that happens to money, made up from a seed.

Each sale, refund, dispute, decision and payout passes the services that serve; only the clock is set. So what the year
ends with, to the cent, is what the rules make of it.
"""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from refledger.core.programs import DAY_MS, HOUR_MS, MINUTE_MS
from refledger.core.refusals import Refused
from refledger.services import adjustment, affiliate_ledger, catalogue, payouts, reversals, sealing, steps
from refledger.services.credentials import Tenant
from refledger.services.made_up import Agenda, AlreadyThere, Unheard, claim_of
from refledger.services.maturing import Maturing
from refledger.services.periods import month_start_ms
from refledger.services.tracking import Tracking
from refledger.services.year_cast import CASTS, Cast, Fate, fates, sale
from refledger.store import affiliates as affiliate_store
from refledger.store import programs as program_store
from refledger.store import seals
from refledger.store.engine import Connection, Database

MONTHS = 12
SEED = 2026
SLUGS = tuple(cast.wanted["slug"] for cast in CASTS)

Row = dict[str, Any]
Tell = Callable[[int, int], None]


class SealedMeanwhile(Exception):
    """The merchant's ledger is sealed beyond the year's beginning: nothing earlier can be written any more."""


@dataclass(slots=True)
class _Year:
    """What the year is made with. `waiting`: conversion id → (when, the answer): somebody has to decide."""

    database: Database
    tenant: Tenant
    keys: dict[str, str]
    key_hashes: dict[bool, str]
    chance: random.Random
    agenda: Agenda
    tracking: Tracking
    maturing: Maturing
    happened: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, tuple[int, str]] = field(default_factory=dict)
    sold: int = 0

    def write(self, what: str, deed: Callable[[Connection], Any]) -> Any:
        """In one transaction; what is refused is nobody's to do any more, and happens in life too."""
        with suppress(Refused), self.database.write(self.tenant.merchant_id) as connection:
            done = deed(connection)
            self.happened[what] += 1
            return done


@dataclass(slots=True)
class _Program:
    """A program of the year: its row, and its affiliates' codes."""

    row: Row
    codes: list[str]


def make_year(
    database: Database,
    tenant: Tenant,
    keys: dict[str, str],
    key_hashes: dict[bool, str],
    now_ms: int,
    seed: int = SEED,
    tell: Tell = lambda done, total: None,
    months: int = MONTHS,
) -> Counter[str]:
    """Makes both programs with these whole months and what has passed of this one. Answers how often what happened.

    Arguments as `month.make_month` takes them.
    """
    began = datetime.fromtimestamp(now_ms / 1000, UTC)
    years, month = divmod(began.year * 12 + began.month - 1 - months, 12)
    start_ms = int(datetime(years, month + 1, 1, tzinfo=UTC).timestamp()) * 1000
    chance, agenda = random.Random(seed), Agenda(start_ms)
    entropy = random.Random(f"{seed} {start_ms} {tenant.merchant_id}").randbytes
    tracking = Tracking(database, Unheard(), agenda, entropy)
    maturing = Maturing(database, agenda, entropy)
    year = _Year(database, tenant, keys, key_hashes, chance, agenda, tracking, maturing)
    with database.write(tenant.merchant_id) as connection:
        if program_store.slug_is_taken(connection, SLUGS[0]):
            raise AlreadyThere
        if seals.sealed_ms(connection, tenant.merchant_id) >= start_ms:
            raise SealedMeanwhile
        programs = [_set_up(connection, year, cast) for cast in CASTS]
    days = (now_ms - start_ms) // DAY_MS + 1
    for day in range(days):
        _plan(year, programs, start_ms + day * DAY_MS, is_half_way=day == days // 2)
    agenda.live_until(now_ms, lambda: tell((agenda() - start_ms) // DAY_MS, days))
    agenda.now_ms = now_ms
    maturing.run_of(tenant.merchant_id)
    tell(days, days)
    return year.happened


def _set_up(connection: Connection, year: _Year, cast: Cast) -> _Program:
    how = (year.agenda(), year.chance.randbytes)
    row = catalogue.create_program(connection, year.tenant, cast.wanted, *how)
    made: dict[str | None, str] = {}
    for code, name, recruiter in cast.affiliates:
        wanted = {"name": name, "email": f"{code.lower()}@affiliate.example.com", "ref_code": code}
        if recruiter:
            wanted["recruiter_id"] = made[recruiter]
        made[code] = catalogue.create_affiliate(connection, year.tenant, row["id"], wanted, *how)["id"]
    return _Program(row, [code for code, *_ in cast.affiliates])


def _plan(year: _Year, programs: list[_Program], midnight_ms: int, is_half_way: bool) -> None:
    at, chance = year.agenda.at, year.chance
    for program, cast in zip(programs, CASTS, strict=True):
        for _ in range(chance.randrange(*cast.sales)):
            at_ms = midnight_ms + round(chance.triangular(0, 24, 19) * HOUR_MS) - 1
            at(max(midnight_ms, at_ms), lambda program=program: _sell(year, program))
        if is_half_way:
            at(midnight_ms, lambda program=program, cast=cast: _change(year, program, cast.changed))
        if datetime.fromtimestamp(midnight_ms / 1000, UTC).day == 3:
            at(midnight_ms + 12 * HOUR_MS, lambda program=program: _pay(year, program))
    at(midnight_ms + 9 * HOUR_MS, lambda: _look_through(year))


# ── what customers and their banks do ────────────────────────────────────────────────────────────────────────────


def _sell(year: _Year, program: _Program) -> None:
    year.sold += 1
    fields = sale(year.chance, year.sold) | {"ref_code": year.chance.choice(program.codes)}
    fields["program_id"] = program.row["id"]
    claim = claim_of(fields, year.keys, year.key_hashes, True, f"req_demo_{year.agenda.numbered}")
    (answer,) = year.tracking.settle([claim])
    year.happened["sale" if answer.body else "refused"] += 1
    if not answer.body:
        return
    conversion_id = answer.body.decode()
    if answer.code == "pending_review" or program.row["approve_days"] is None:
        year.waiting[conversion_id] = (year.agenda(), answer.code)
    if fields["conversion_type"] == "purchase":
        amount = Decimal(fields["revenue_amount"])
        for number, fate in enumerate(fates(year.chance)):
            at_ms = year.agenda() + fate.after_days * DAY_MS + year.chance.randrange(DAY_MS)
            own_id = f"{fields['order_id']}-{number}"
            year.agenda.at(
                at_ms, lambda fate=fate, own_id=own_id: _befall(year, fate, conversion_id, own_id, amount)
            )


def _befall(year: _Year, fate: Fate, conversion_id: str, own_id: str, amount: Decimal) -> None:
    how, tenant, of_sale = (year.agenda(), year.chance.randbytes), year.tenant, reversals.Sale(conversion_id)
    part = fate.told and fate.deed != "dispute" and str(_cents(amount * Decimal(fate.told)))
    if fate.deed == "refund":
        what = "part refunded" if part else "refunded"
        year.write(
            what, lambda write: reversals.refund(write, tenant, of_sale, own_id, part or None, None, *how)
        )
    elif fate.deed == "adjust":
        year.write(
            "adjusted", lambda write: adjustment.adjust(write, tenant, conversion_id, part, None, *how)
        )
    else:
        _dispute(year, conversion_id, own_id, "open")
        if fate.told:
            at_ms = year.agenda() + 21 * DAY_MS
            year.agenda.at(at_ms, lambda: _dispute(year, conversion_id, own_id, fate.told))


def _dispute(year: _Year, conversion_id: str, own_id: str, told: str) -> None:
    how, of_sale = (year.agenda(), year.chance.randbytes), reversals.Sale(conversion_id)
    what = f"dispute {told}"
    year.write(what, lambda write: reversals.dispute(write, year.tenant, of_sale, own_id, told, None, *how))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_DOWN)


# ── what the merchant does, and time ─────────────────────────────────────────────────────────────────────────────


def _look_through(year: _Year) -> None:
    """Each morning: holds that are over end, what is old enough is decided; what others decided is passed over."""
    merchant_id, now_ms = year.tenant.merchant_id, year.agenda()
    year.maturing.run_of(merchant_id)
    chosen: dict[str, list[str]] = {"approve": [], "reject": []}
    for conversion_id, (at_ms, status) in list(year.waiting.items()):
        wait_days = 2 if status == "pending_review" else 9
        if now_ms - at_ms > wait_days * DAY_MS:
            del year.waiting[conversion_id]
            chosen["reject" if year.chance.random() < 0.03 else "approve"].append(conversion_id)
    for step, ids in chosen.items():
        if ids:
            how = (None, now_ms, year.chance.randbytes)
            results = year.write(
                "looked through",
                lambda write, step=step, ids=ids, how=how: steps.take_each(
                    write, year.tenant, step, ids, *how
                ),
            )
            year.happened[f"{step} by hand"] += sum(each.refusal is None for each in results)
    while sealing.seal_next(year.database, merchant_id, now_ms):
        pass


def _change(year: _Year, program: _Program, changed: Row) -> None:
    how, program_id = (year.agenda(), year.chance.randbytes), program.row["id"]
    what = "terms changed"
    year.write(what, lambda write: catalogue.update_program(write, year.tenant, program_id, changed, *how))


def _pay(year: _Year, program: _Program) -> None:
    """Last month's payout: sent the day after. A few come back, and now and then a whole one is cancelled."""
    until_ms = month_start_ms(year.agenda(), program.row["time_zone"])
    wanted = {"program_id": program.row["id"], "until_ms": until_ms}
    how = (year.agenda(), year.chance.randbytes)
    made = year.write("payout", lambda write: payouts.create(write, year.tenant, wanted, *how))
    if made is None:
        return
    payout_id, _ = made
    with year.database.read(year.tenant.merchant_id) as connection:
        _, items = payouts.get(connection, year.tenant, payout_id)
    at_ms = year.agenda() + DAY_MS
    if year.chance.random() < 0.1:
        year.agenda.at(at_ms, lambda: _step(year, payout_id, None, "cancelled", {"reason": "wrong account"}))
        return
    for item in items:
        if year.chance.random() < 0.08:
            affiliate_id, told = item["affiliate_id"], {"reason": "no such account"}
            year.agenda.at(
                at_ms,
                lambda affiliate_id=affiliate_id, told=told: _step(
                    year, payout_id, affiliate_id, "failed", told
                ),
            )
    year.agenda.at(
        at_ms + MINUTE_MS, lambda: _step(year, payout_id, None, "paid", {"reference": f"SEPA {payout_id}"})
    )


def _step(year: _Year, payout_id: str, affiliate_id: str | None, step: str, told: Row) -> None:
    what, how = (payout_id, affiliate_id, step, told), (year.agenda(), year.chance.randbytes)
    year.write(f"payout {step}", lambda write: payouts.take_step(write, year.tenant, *what, *how))


# ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one program: what payouts have brought, and what affiliates' statements from month to month tell of that."""

    program: Row
    affiliates: list[Row]
    by_payouts_minor: int
    by_statements_minor: int


def sums(connection: Connection, tenant: Tenant, now_ms: int) -> list[Sums]:
    """The year's programs, as they are now."""
    found, _ = program_store.list_programs(connection, tenant.merchant_id, None, 500, None)
    by_slug = {row["slug"]: row for row in found}
    return [_sums(connection, tenant, by_slug[slug], now_ms) for slug in SLUGS]


def _sums(connection: Connection, tenant: Tenant, program: Row, now_ms: int) -> Sums:
    found, _ = payouts.list_payouts(connection, tenant, {"program_id": program["id"]}, 500, None)
    by_payouts = sum(
        item["amount_minor"]
        for payout in found
        for item in payouts.get(connection, tenant, payout["id"])[1]
        if item["status"] == "paid"
    )
    earning, _ = affiliate_store.list_affiliates(
        connection, tenant.merchant_id, program["id"], None, 500, None
    )
    by_statements = 0
    for affiliate in earning:
        to_ms = now_ms
        while to_ms > program["created_ms"]:
            from_ms = month_start_ms(to_ms - 1, program["time_zone"])
            statement = affiliate_ledger.statement(
                connection, tenant, affiliate["id"], from_ms, to_ms, now_ms
            )
            by_statements += statement.closing["paid"] - statement.opening["paid"]
            to_ms = from_ms
    return Sums(program, earning, by_payouts, by_statements)
