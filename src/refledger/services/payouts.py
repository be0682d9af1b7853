"""Payouts: whoever has enough is taken along once, and what was taken is then paid, or comes back.

Each function works in the transaction it is given, and holds what it decides about. A payout moves what an affiliate
has, not what a conversion earned: its entries name no conversion.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from refledger.core import payouts as rules
from refledger.core.events import EventType
from refledger.core.fingerprints import lock_number
from refledger.core.ids import FIRST, make_id
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.core.terms import read_amount
from refledger.services import maturing
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy, invalid, not_found, note
from refledger.services.periods import day_of
from refledger.services.sealing import dated
from refledger.store import ledger, programs, record
from refledger.store import payouts as store
from refledger.store.engine import Connection, hold

Row = dict[str, Any]

# Taken along by one run: each is held until it ends. The next run takes who is left.
MOST_ITEMS = 2000
KINDS = {
    "paid": EventType.PAYOUT_PAID,
    "failed": EventType.PAYOUT_FAILED,
    "cancelled": EventType.PAYOUT_CANCELLED,
}


class Run(NamedTuple):
    """What was asked for, as rows will have it."""

    place: dict[str, str]  # merchant_id, program_id, mode
    currency: str
    until_ms: int
    minimum_minor: int


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────


def preview(
    connection: Connection, tenant: Tenant, wanted: Mapping[str, Any], now_ms: int
) -> tuple[Row, list[Row], bool]:
    """As `create` would make it now, without an id; nothing is written."""
    run = _read(connection, tenant, wanted, now_ms)
    amounts, more = _first(_amounts(connection, run, now_ms))
    payout = _payout(run, None, amounts, now_ms)
    named = store.affiliates_of(connection, tenant.merchant_id, list(amounts))
    return payout, [each | named[each["affiliate_id"]] for each in _items(payout, amounts)], more


def create(
    connection: Connection, tenant: Tenant, wanted: Mapping[str, Any], now_ms: int, entropy: Entropy
) -> tuple[str, bool]:
    """The new payout's id, and whether there are more to be paid than one payout takes.

    `wanted`: program_id, and perhaps until_ms and minimum (decimal text). Raises Refused where nobody has enough.
    """
    run = _read(connection, tenant, wanted, now_ms)
    chosen, more = _first(_amounts(connection, run, now_ms))
    ripe = {
        conversion_id: earners
        for conversion_id, earners in store.ripe(connection, run.place, now_ms).items()
        if not earners.isdisjoint(chosen)
    }
    hold(connection, [lock_number(each) for each in {*chosen}.union(*ripe.values())])
    held = ledger.conversions_of(connection, [(tenant.merchant_id, each) for each in ripe])
    maturing.mature(connection, tenant, held.values(), now_ms, entropy)
    # Looked up again: another may have paid or refunded meanwhile.
    amounts = {
        affiliate_id: amount
        for affiliate_id, amount in _amounts(connection, run, now_ms).items()
        if affiliate_id in chosen
    }
    at_ms = dated(connection, tenant.merchant_id, now_ms)
    payout = _payout(run, make_id("pay", at_ms, entropy(10)), amounts, at_ms)
    items = _items(payout, amounts)
    if not items:
        raise Refused(Refusal(Reason.NOTHING_TO_PAY))
    store.add(connection, payout, items)
    _post(connection, payout, items, EventType.PAYOUT_CREATED, ("payable", "in_payout"), entropy)
    told = {
        "program_id": run.place["program_id"],
        "amount_minor": payout["amount_minor"],
        "items": len(items),
    }
    _note(
        connection, tenant, payout, "created", {name: [None, value] for name, value in told.items()}, entropy
    )
    return payout["id"], more


def _read(connection: Connection, tenant: Tenant, wanted: Mapping[str, Any], now_ms: int) -> Run:
    program = programs.program(connection, tenant.merchant_id, wanted["program_id"])
    if program is None:
        raise invalid({"program_id": "is no program of yours"})
    minimum_minor = program["payout_minimum_minor"]
    if wanted.get("minimum") is not None:
        try:
            minimum_minor = read_amount(wanted["minimum"], program["currency"])
        except ValueError as why:
            raise invalid({"minimum": str(why)}) from None
    place = {"merchant_id": tenant.merchant_id, "program_id": program["id"], "mode": tenant.mode}
    until_ms = wanted.get("until_ms")
    return Run(
        place, program["currency"], now_ms if until_ms is None else min(until_ms, now_ms), minimum_minor
    )


def _amounts(connection: Connection, run: Run, now_ms: int) -> dict[str, int]:
    """Affiliate id → what is to be paid, by affiliate; who has not enough is not in it. Three statements."""
    payable = store.payable(connection, run.place)
    matured = store.matured(connection, run.place, run.until_ms, now_ms)
    since: Mapping[str, int] = {}
    if run.until_ms < now_ms:
        first_id = make_id("evt", max(0, run.until_ms), FIRST)
        since = store.payable_since(connection, run.place, run.until_ms, first_id)
    found = {}
    for affiliate_id in sorted({*payable, *matured}):
        now_matured, before_matured = matured.get(affiliate_id, (0, 0))
        posted = payable.get(affiliate_id, 0)
        amount = rules.amount_minor(
            posted + now_matured, posted - since.get(affiliate_id, 0) + before_matured, run.minimum_minor
        )
        if amount:
            found[affiliate_id] = amount
    return found


def _first(amounts: Mapping[str, int]) -> tuple[dict[str, int], bool]:
    return dict(list(amounts.items())[:MOST_ITEMS]), len(amounts) > MOST_ITEMS


def _payout(run: Run, payout_id: str | None, amounts: Mapping[str, int], now_ms: int) -> Row:
    return {
        **run.place,
        "id": payout_id,
        "currency": run.currency,
        "status": "open",
        "until_ms": run.until_ms,
        "minimum_minor": run.minimum_minor,
        "amount_minor": sum(amounts.values()),
        "created_ms": now_ms,
        "updated_ms": now_ms,
    }


def _items(payout: Row, amounts: Mapping[str, int]) -> list[Row]:
    return [
        {
            "merchant_id": payout["merchant_id"],
            "payout_id": payout["id"],
            "affiliate_id": affiliate_id,
            "amount_minor": amount,
            "status": "pending",
            "reason": None,
            "reference": None,
            "updated_ms": payout["updated_ms"],
        }
        for affiliate_id, amount in amounts.items()
    ]


# ── what is read of it ──────────────────────────────────────────────────────────────────────────────────────────


def get(connection: Connection, tenant: Tenant, payout_id: str) -> tuple[Row, list[Row]]:
    """The payout, and its items with the names and e-mail addresses of their affiliates."""
    payout = store.payout(connection, tenant.merchant_id, tenant.mode, payout_id)
    if payout is None:
        raise not_found()
    return payout, store.items_of(connection, tenant.merchant_id, payout_id)


def list_payouts(
    connection: Connection, tenant: Tenant, filters: Mapping[str, Any], limit: int, before_id: str | None
) -> tuple[list[Row], bool]:
    return store.list_payouts(connection, tenant.merchant_id, tenant.mode, filters, limit, before_id)


def file_of(connection: Connection, tenant: Tenant, payout_id: str, layout: str) -> str:
    """The payout as CSV, in one of `core.payouts.LAYOUTS`."""
    payout, items = get(connection, tenant, payout_id)
    program = programs.program(connection, tenant.merchant_id, payout["program_id"])
    return rules.write_file(layout, payout, items, day_of(payout["created_ms"], program["time_zone"]))


# ── what becomes of it ───────────────────────────────────────────────────────────────────────────────────────────


def take_step(
    connection: Connection,
    tenant: Tenant,
    payout_id: str,
    affiliate_id: str | None,
    step: str,
    told: Mapping[str, str | None],
    now_ms: int,
    entropy: Entropy,
) -> None:
    """Marks one item as `paid`, `failed` or `cancelled`; without an affiliate all that are pending.

    `told`: reason, reference. Refused where the item, or every one of them, has left `pending` already.
    """
    _, items = get(connection, tenant, payout_id)
    wanted = [each for each in items if affiliate_id in (None, each["affiliate_id"])]
    if not wanted:
        raise not_found()
    pending = [each["affiliate_id"] for each in wanted if each["status"] == "pending"]
    hold(connection, [lock_number(key) for key in (payout_id, *pending)])
    payout, items = get(connection, tenant, payout_id)  # again: another may have been faster
    chosen, account = _choose(items, affiliate_id, step)
    at_ms = max(dated(connection, tenant.merchant_id, now_ms), payout["updated_ms"] + 1)
    values = {"status": step, "updated_ms": at_ms} | {
        name: told.get(name) for name in ("reason", "reference")
    }
    store.change_items(connection, chosen, values)
    taken = {each["affiliate_id"] for each in chosen}
    after = rules.status_of(step if each["affiliate_id"] in taken else each["status"] for each in items)
    payout |= {"status": after, "updated_ms": at_ms}
    store.change(connection, payout, {"status": after, "updated_ms": at_ms})
    _post(connection, payout, chosen, KINDS[step], ("in_payout", account), entropy, **told)
    changes = {"items": [None, sorted(taken)]} | {name: [None, text] for name, text in told.items() if text}
    _note(connection, tenant, payout, step, changes, entropy)


def _choose(items: Sequence[Row], affiliate_id: str | None, step: str) -> tuple[list[Row], str]:
    """The items that the step is taken for, and the account their amounts go to."""
    if affiliate_id is None:
        chosen = [each for each in items if each["status"] == "pending"] or items[:1]
    else:
        chosen = [each for each in items if each["affiliate_id"] == affiliate_id]
    account = rules.account_after(step, chosen[0]["status"])
    if isinstance(account, Refusal):
        raise Refused(account)
    return chosen, account


def _post(
    connection: Connection,
    payout: Row,
    items: Sequence[Row],
    kind: EventType,
    path: tuple[str, str],
    entropy: Entropy,
    **told: Any,
) -> None:
    """Moves each item's amount along the path, by the one event that causes it, at the payout's `updated_ms`."""
    event = _event(payout, items, kind, make_id("evt", payout["updated_ms"], entropy(10)), told)
    debit, credit = path
    of_payout = {name: payout[name] for name in ("merchant_id", "program_id", "mode", "currency")}
    of_payout |= {"cause": event["id"], "kind": kind.value, "at_ms": event["at_ms"]}
    of_payout |= {"conversion_id": "", "payout_id": payout["id"], "debit": debit, "credit": credit}
    entries, moves = [], []
    for line, each in enumerate(items):
        amount_minor, affiliate_id = each["amount_minor"], each["affiliate_id"]
        entries.append(of_payout | {"line": line, "affiliate_id": affiliate_id, "amount_minor": amount_minor})
        change = {f"{debit}_minor": -amount_minor, f"{credit}_minor": amount_minor}
        moves.append(of_payout | {"affiliate_id": affiliate_id} | change)
    record.insert_entries(connection, entries)
    record.move_standings(connection, moves)
    record.insert_events(connection, [event])


def _event(payout: Row, items: Sequence[Row], kind: EventType, event_id: str, told: Mapping[str, Any]) -> Row:
    data = {
        "payout_id": payout["id"],
        "program_id": payout["program_id"],
        "status": payout["status"],
        "currency": payout["currency"],
        "items": [{name: each[name] for name in ("affiliate_id", "amount_minor")} for each in items],
        **{name: text for name, text in told.items() if text},
    }
    return {
        "merchant_id": payout["merchant_id"],
        "id": event_id,
        "type": kind.value,
        "mode": payout["mode"],
        "subject_id": payout["id"],
        "data": orjson.dumps(data).decode(),
        "at_ms": payout["updated_ms"],
    }


def _note(
    connection: Connection,
    tenant: Tenant,
    payout: Row,
    step: str,
    changes: Mapping[str, Any],
    entropy: Entropy,
) -> None:
    note(connection, tenant, f"payout.{step}", payout["id"], changes, payout["updated_ms"], entropy)
