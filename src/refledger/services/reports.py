"""What merchants look up: pages of rows, and one conversion with everything that explains it."""

from collections.abc import Mapping
from typing import Any

from refledger.core import emails
from refledger.core.fingerprints import email_key
from refledger.core.ids import FIRST, make_id
from refledger.core.refusals import Reason
from refledger.services import policies
from refledger.services.credentials import Tenant
from refledger.services.notes import not_found
from refledger.services.own_addresses import with_test_links
from refledger.services.queue import by_column
from refledger.store import affiliates, coupons, ledger, lists, programs, reversals
from refledger.store import reports as store
from refledger.store.engine import Connection

Row = dict[str, Any]
Page = tuple[list[Row], bool]
Filters = Mapping[str, Any]


def list_programs(
    connection: Connection, tenant: Tenant, filters: Filters, limit: int, before_id: str | None
) -> Page:
    rows, more = programs.list_programs(
        connection, tenant.merchant_id, filters.get("status"), limit, before_id
    )
    return policies.with_policies(connection, tenant, rows), more


def list_affiliates(
    connection: Connection,
    tenant: Tenant,
    program_id: str,
    filters: Filters,
    limit: int,
    before_id: str | None,
) -> Page:
    program = _known_program(connection, tenant, program_id)
    rows, more = affiliates.list_affiliates(
        connection, tenant.merchant_id, program_id, filters.get("status"), limit, before_id
    )
    rows = policies.with_policies(connection, tenant, rows)
    return with_test_links(tenant.fingerprint_key, program["slug"], rows), more


def list_coupons(
    connection: Connection,
    tenant: Tenant,
    program_id: str,
    filters: Filters,
    limit: int,
    before_id: str | None,
) -> Page:
    _known_program(connection, tenant, program_id)
    return coupons.list_coupons(
        connection, tenant.merchant_id, program_id, filters.get("affiliate_id"), limit, before_id
    )


def list_entries(
    connection: Connection, tenant: Tenant, filters: Filters, limit: int, before_id: str | None
) -> Page:
    return lists.list_entries_of(connection, tenant.merchant_id, dict(filters), limit, before_id)


def list_conversions(
    connection: Connection, tenant: Tenant, filters: Filters, limit: int, before_id: str | None
) -> Page:
    filters = by_column(filters)
    if "email" in filters:
        filters |= _by_email(connection, tenant, filters["email"], filters.get("program_id"))
    return store.list_conversions(connection, tenant.merchant_id, tenant.mode, filters, limit, before_id)


def _by_email(connection: Connection, tenant: Tenant, text: str, program_id: str | None) -> Filters:
    """By the fingerprint of the address, which is indexed, and stays when the address is dropped."""
    email = emails.parse(text)
    if email is None:
        return {"email": [text.strip().lower()]} if text.strip() else {"email": []}
    scope = [program_id] if program_id else programs.program_ids(connection, tenant.merchant_id)
    keys = [email_key(tenant.fingerprint_key, each, tenant.mode, email.address) for each in scope]
    return {"email": None, "email_key": keys}


def get_conversion(connection: Connection, tenant: Tenant, conversion_id: str) -> Row:
    row = store.conversion(connection, tenant.merchant_id, tenant.mode, conversion_id)
    if row is None:
        raise not_found()
    return row


def get_conversion_whole(connection: Connection, tenant: Tenant, conversion_id: str) -> Row:
    """With its decision record (JSON text) and its entries and events, oldest first."""
    row = get_conversion(connection, tenant, conversion_id)
    first, beyond = make_id("evt", row["at_ms"], FIRST), make_id("evt", row["updated_ms"] + 1, FIRST)
    return row | {
        "record": store.decision_record(connection, tenant.merchant_id, conversion_id),
        "entries": store.entries_of(connection, tenant.merchant_id, conversion_id),
        "events": store.events_of(connection, tenant.merchant_id, conversion_id, first, beyond),
    }


def list_attempts(
    connection: Connection, tenant: Tenant, filters: Filters, limit: int, before_id: str | None
) -> tuple[list[Row], bool, int]:
    """The page, and how many attempts were only counted. Reports without a code are hidden unless asked for."""
    wanted = dict(filters)
    hidden = (
        None if wanted.pop("include_no_referral", False) or "code" in wanted else Reason.NO_REFERRAL.value
    )
    scope = (connection, tenant.merchant_id, tenant.mode, wanted)
    rows, more = store.list_attempts(*scope, hidden, limit, before_id)
    return rows, more, store.attempts_not_kept(*scope)


def get_attempt(connection: Connection, tenant: Tenant, attempt_id: str) -> Row:
    row = store.attempt(connection, tenant.merchant_id, tenant.mode, attempt_id)
    if row is None:
        raise not_found()
    return row


def list_clicks(
    connection: Connection, tenant: Tenant, filters: Filters, limit: int, before_id: str | None
) -> Page:
    wanted = dict(filters)
    automated = wanted.pop("automated", False)
    return store.list_clicks(connection, tenant.merchant_id, tenant.mode, wanted, automated, limit, before_id)


def list_reversals(
    connection: Connection,
    tenant: Tenant,
    kind: str,
    conversion_id: str | None,
    limit: int,
    before: tuple[int, str] | None,
) -> Page:
    """`refunds` or `disputes`, with the currency of their conversions; `before`: the last of the page before."""
    place = (tenant.merchant_id, tenant.mode)
    rows, more = reversals.page(connection, kind, *place, conversion_id, limit, before)
    found = ledger.conversions_of(connection, [(tenant.merchant_id, row["conversion_id"]) for row in rows])
    return [row | {"currency": found[row["conversion_id"]]["currency"]} for row in rows], more


def list_audit(
    connection: Connection, tenant: Tenant, filters: Filters, limit: int, before_id: str | None
) -> Page:
    return store.list_audit(connection, tenant.merchant_id, tenant.mode, filters, limit, before_id)


def _known_program(connection: Connection, tenant: Tenant, program_id: str) -> Row:
    row = programs.program(connection, tenant.merchant_id, program_id)
    if row is None:
        raise not_found()
    return row
