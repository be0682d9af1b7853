"""Erasing a customer: what was theirs goes, what was earned and why stays.

First they are looked for, which may take its time and holds nobody up; then, in one transaction, whoever decides about
them waits, what came meanwhile is found, and everything is written over. Whoever is forgotten is a new customer when
they come again.
"""

import os
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

import orjson

from refledger.core import emails
from refledger.core.emails import Email
from refledger.core.fingerprints import agent_key, email_key, fingerprint, lock_number, looked_at, mailbox_key
from refledger.core.ids import FIRST, make_id
from refledger.core.personal import (
    CLICK,
    MAILBOX,
    record_without_customer,
    unnamed,
    without_customer,
    without_naming,
)
from refledger.services.credentials import Tenant
from refledger.services.histories import confirmed_keys
from refledger.services.notes import Entropy, note
from refledger.services.review import take_back
from refledger.store import forgetting as store
from refledger.store import personal, programs
from refledger.store.engine import Connection, Database, hold

MODES = ("live", "test")
_ALWAYS_MS = 1 << 62
# Tables with texts that others chose, and how their ids begin.
_WRITTEN_IN = (("clicks", "click"), ("automated_clicks", "click"), ("conversions", "conv"))

Names = Callable[[str], bool]
_UNDER_WAY_MS = 60_000  # what was under way when it was looked for is dated by so much earlier at most


@dataclass(slots=True)
class Traces:
    """What leads to the customer in one mode, as it was found by reading."""

    email: Email
    email_keys: list[str]
    mailbox_keys: list[str]
    since_ms: int  # what is dated from here on may be missing
    attempts: dict[str, bool] = field(default_factory=dict)  # id → whether it is theirs, or only names them
    written_in: dict[str, set[str]] = field(default_factory=dict)  # table → ids of rows whose texts name them
    sightings: list[tuple] = field(default_factory=list)
    answers: list[tuple[str, str, str]] = field(default_factory=list)  # key, as it is, without the customer


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows were written over or removed; and what the merchant set up with that mailbox, which is left."""

    conversions: int
    attempts: int
    clicks: int
    sightings: int
    answers: int
    list_entries: list[str]
    affiliates: list[str]


def find(connection: Connection, tenant: Tenant, email: Email, now_ms: int) -> Traces:
    """Of the tenant's mode, until about now."""
    key, mode, merchant_id = tenant.fingerprint_key, tenant.mode, tenant.merchant_id
    scope = programs.program_ids(connection, merchant_id)
    traces = Traces(
        email,
        [email_key(key, program_id, mode, email.address) for program_id in scope],
        [mailbox_key(key, program_id, mode, email.mailbox) for program_id in scope],
        now_ms - _UNDER_WAY_MS,
    )
    _look(connection, tenant, traces, "")
    _find_left(
        connection, merchant_id, traces, store.conversions_of(connection, merchant_id, traces.email_keys)
    )
    return traces


def _look(connection: Connection, tenant: Tenant, traces: Traces, after: str) -> None:
    """Adds refused reports, clicks and conversions made later. `after`: the part of an id behind its prefix."""
    place, known, names = (tenant.merchant_id, tenant.mode), set(traces.email_keys), _naming(traces.email)
    after_id = f"att_{after}"
    while page := store.attempts_after(connection, *place, after_id):
        for attempt_id, key, given in page:
            if key in known or names(given):
                traces.attempts[attempt_id] = key in known or _is_theirs(key, orjson.loads(given), names)
        after_id = page[-1][0]
    for table_name, prefix in _WRITTEN_IN:
        ids, after_id = traces.written_in.setdefault(table_name, set()), f"{prefix}_{after}"
        while page := store.written_in(connection, table_name, *place, after_id):
            ids |= {row[0] for row in page if any(map(names, filter(None, row[1:])))}
            after_id = page[-1][0]


def _is_theirs(key: str | None, given: dict[str, Any], names: Names) -> bool:
    """Not where it tells another customer, and has this one's address in some other field."""
    customer = given.get(MAILBOX)
    return names(str(customer)) if customer else key is None


def _find_left(
    connection: Connection, merchant_id: str, traces: Traces, theirs: list[store.Conversion]
) -> None:
    """What their conversions left elsewhere, which is all gone through."""
    customer_keys, ids = [*traces.email_keys, *traces.mailbox_keys], {each.id for each in theirs}
    traces.sightings = store.sightings_of(connection, merchant_id, customer_keys)
    answers = personal.answers_with_customers(connection, merchant_id, _ALWAYS_MS)
    told = ((key, text, _without_customer(text, ids)) for key, text in answers)
    traces.answers = [each for each in told if each[1] != each[2]]


def _catch_up(connection: Connection, tenant: Tenant, traces: Traces, theirs: list[store.Conversion]) -> None:
    """Adds what came since they were looked for. Nothing is left elsewhere unless a conversion of theirs was made or
    changed.
    """
    _look(connection, tenant, traces, make_id("", max(0, traces.since_ms), FIRST).removeprefix("_"))
    if any(each.updated_ms >= traces.since_ms for each in theirs):
        _find_left(connection, tenant.merchant_id, traces, theirs)


def forget(
    database: Database, tenant: Tenant, email: Email, clock: Callable[[], int], entropy: Entropy = os.urandom
) -> Forgotten:
    """All of it, in the tenant's mode."""
    with database.read(tenant.merchant_id) as connection:
        traces = find(connection, tenant, email, database.now_ms(connection, clock()))
    with database.write(tenant.merchant_id) as connection:
        return erase(connection, tenant, traces, database.now_ms(connection, clock()), entropy)


def erase(connection: Connection, tenant: Tenant, traces: Traces, now_ms: int, entropy: Entropy) -> Forgotten:
    """In the transaction that is given. Noted in the audit, in numbers."""
    merchant_id, key = tenant.merchant_id, tenant.fingerprint_key
    hold(connection, [lock_number(each) for each in (*traces.email_keys, *traces.mailbox_keys)])
    theirs = store.conversions_of(connection, merchant_id, traces.email_keys)
    _catch_up(connection, tenant, traces, theirs)
    attempts = store.records(connection, "attempts", merchant_id, traces.attempts)
    clicked = {each.click_id for each in theirs} | traces.written_in["clicks"]
    clicked |= {each for row in attempts if traces.attempts[row[0]] for each in _clicks_in(*row[1:])}
    visitors = store.visitors_of(connection, merchant_id, filter(None, clicked))
    fresh = {each: fingerprint(entropy(16), "forgotten") for each in traces.email_keys}
    named = {name: sorted(ids) for name, ids in traces.written_in.items()}
    named["conversions"] = sorted(traces.written_in["conversions"] - {each.id for each in theirs})
    found = Forgotten(
        conversions=store.unname(connection, merchant_id, fresh)
        + store.unwrite(connection, "conversions", merchant_id, named["conversions"]),
        attempts=_shorten_attempts(connection, merchant_id, traces, attempts),
        clicks=store.blank_clicks(connection, merchant_id, visitors, agent_key(key, None))
        + store.unwrite(connection, "automated_clicks", merchant_id, named["automated_clicks"]),
        sightings=_forget_sightings(connection, tenant, traces, [each.id for each in theirs]),
        answers=personal.rewrite(connection, "idempotency", merchant_id, traces.answers),
        list_entries=store.entries_with(connection, merchant_id, traces.email.mailbox),
        affiliates=_affiliates_with(connection, merchant_id, traces.email.mailbox),
    )
    places = [each for key in traces.mailbox_keys for each in looked_at(key, verified=False)]
    store.delete_whereabouts(connection, merchant_id, places)
    counts = {
        name: [None, getattr(found, name)]
        for name in ("conversions", "attempts", "clicks", "sightings", "answers")
    }
    note(connection, tenant, "customer.forgotten", merchant_id, counts, now_ms, entropy)
    return found


def _clicks_in(record: str, given: str) -> list[str]:
    """The clicks that a refused report was tied to, or named before anything was looked at."""
    tied = orjson.loads(record).get("facts", {}).get("click", {}).get("id")
    named = orjson.loads(given).get(CLICK)
    return [each for each in (tied, named) if isinstance(each, str)]


def _shorten_attempts(connection: Connection, merchant_id: str, traces: Traces, attempts: list[tuple]) -> int:
    """Theirs, but for what the sale was; of those that only name them the fields that do."""
    names, changes = _naming(traces.email), {True: [], False: []}
    for attempt_id, record, text in attempts:
        given, told, theirs = orjson.loads(text), orjson.loads(record), traces.attempts[attempt_id]
        if theirs:
            given, told = without_customer(given), record_without_customer(told)
        left = without_naming(names, given)
        changes[theirs].append(
            (attempt_id, *(orjson.dumps(each).decode() for each in (unnamed(names, told), left)))
        )
    return store.change_records(connection, "attempts", merchant_id, changes[True]) + store.change_records(
        connection, "attempts of others", merchant_id, changes[False]
    )


def _shortened(record: str, names: Names) -> str:
    return orjson.dumps(unnamed(names, record_without_customer(orjson.loads(record)))).decode()


def _forget_sightings(
    connection: Connection, tenant: Tenant, traces: Traces, conversion_ids: Iterable[str]
) -> int:
    """What they left to be compared with; and what is held against their mailbox and their addresses, by the records,
    which are shortened then. What is held against the affiliate stays.
    """
    merchant_id, names, changes = tenant.merchant_id, _naming(traces.email), []
    for conversion_id, record in store.records(connection, "decisions", merchant_id, conversion_ids):
        keys = confirmed_keys("", tenant.mode, orjson.loads(record).get("known_as", {}))
        take_back(connection, tenant, keys.values(), conversion_id)
        changes.append((conversion_id, _shortened(record, names)))
    store.change_records(connection, "decisions", merchant_id, changes)
    return store.delete_sightings(connection, merchant_id, traces.sightings)


def _affiliates_with(connection: Connection, merchant_id: str, mailbox: str) -> list[str]:
    found = store.affiliate_emails(connection, merchant_id)
    return [each for each, text in found if (email := emails.parse(text)) and email.mailbox == mailbox]


# ── in texts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _naming(email: Email) -> Names:
    """Whether a text has the address as a word of its own, as it is or as links write it."""
    spelled = re.compile(rf"(?<![\w.+-]){re.escape(email.address)}(?!\.?[\w-])")

    def names(text: str) -> bool:
        told = (text, unquote(text)) if "%40" in text else (text,)
        return any("@" in each and spelled.search(normalize("NFC", each).lower()) for each in told)

    return names


def _without_customer(answer: str, theirs: Container[str]) -> str:
    """A remembered answer that shows a conversion of theirs, without them."""
    found: dict[str, Any] = orjson.loads(answer)
    if found.get("id") not in theirs:
        return answer
    return orjson.dumps(found | {"customer": dict.fromkeys(found["customer"]), "metadata": None}).decode()
