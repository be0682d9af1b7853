"""What a merchant sets up: programs, affiliates and coupons.

`wanted` holds what a call asks for, by the API's field names, well-formed already (types and ranges are the door's
business); what is judged here needs the currency, the rest of the row, or other rows. Each function takes the open
connection of a transaction that may write, and answers the row as stored, with its overrides under `policy`.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from refledger.core.fingerprints import code_key, lock_number
from refledger.core.ids import make_id
from refledger.core.money import to_minor
from refledger.core.programs import (
    DEFAULT_COMMISSION,
    DEFAULT_LIMITS,
    DEFAULT_MAX_REVENUE,
    DEFAULT_TIME_ZONE,
    DEFAULT_WINDOW_DAYS,
)
from refledger.core.terms import CODE_LENGTH, make_code, make_slug
from refledger.services import months, policies, terms
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy, differences, invalid, not_found, note, taken
from refledger.services.own_addresses import with_test_links
from refledger.store import affiliates as affiliate_store
from refledger.store import coupons as coupon_store
from refledger.store import programs as program_store
from refledger.store.engine import Connection, hold

Row = dict[str, Any]
Wanted = Mapping[str, Any]

_TRIES = 20


# ── programs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def create_program(
    connection: Connection, tenant: Tenant, wanted: Wanted, now_ms: int, entropy: Entropy
) -> Row:
    currency = wanted.get("currency") or "USD"
    blank = {
        "merchant_id": tenant.merchant_id,
        "id": make_id("prog", now_ms, entropy(10)),
        "name": "",
        "slug": "",
        "currency": currency,
        "site_url": "",
        "allowed_hosts": "[]",
        "allowed_origins": "[]",
        "window_days": DEFAULT_WINDOW_DAYS,
        "commission": _json(DEFAULT_COMMISSION),
        "repeat_purchases": '"first"',
        "limit_hourly": DEFAULT_LIMITS["hourly"],
        "limit_daily": DEFAULT_LIMITS["daily"],
        "attribution": "last",
        "max_revenue_minor": to_minor(DEFAULT_MAX_REVENUE, currency)[0],
        "policy_id": None,
        "status": "active",
        "terms_id": None,
        "recruiter": None,
        "hold_days": 0,
        "approve_days": None,
        "payout_minimum_minor": 0,
        "time_zone": DEFAULT_TIME_ZONE,
        "created_ms": now_ms,
    }
    row = blank | _program_values(blank, wanted)
    row["slug"] = _free_slug(connection, wanted.get("slug"), row["name"], entropy)
    row["policy_id"], _ = policies.new_version(connection, tenant, row, wanted.get("policy"), now_ms, entropy)
    row["terms_id"] = terms.new_version(connection, tenant, row, now_ms, entropy)
    program_store.add_program(connection, row)
    note(connection, tenant, "program.created", row["id"], differences({}, row), now_ms, entropy)
    return _shown(connection, tenant, row)


def update_program(
    connection: Connection, tenant: Tenant, program_id: str, wanted: Wanted, now_ms: int, entropy: Entropy
) -> Row:
    """A new currency is refused once there are conversions: what was earned stays what it is."""
    row = _held_program(connection, tenant, program_id)
    values = _program_values(row, wanted)
    if wanted.get("slug") and wanted["slug"] != row["slug"]:
        values["slug"] = _free_slug(connection, wanted["slug"], "", entropy)
    if values.get("currency", row["currency"]) != row["currency"]:
        _change_currency(connection, tenant, row, values["currency"])
    changes = differences(row, values)
    if "policy" in wanted:
        values["policy_id"], versions = policies.new_version(
            connection, tenant, row, wanted["policy"], now_ms, entropy
        )
        changes |= {"policy": versions} if versions else {}
    if changes:
        values["terms_id"] = terms.new_version(connection, tenant, row | values, now_ms, entropy)
        if values["terms_id"] != row["terms_id"]:
            changed = row | values
            months.count_anew(connection, tenant, changed, changed, now_ms)
        program_store.change_program(connection, row, values)
        note(connection, tenant, "program.updated", program_id, changes, now_ms, entropy)
    return _shown(connection, tenant, row | values)


def get_program(connection: Connection, tenant: Tenant, program_id: str) -> Row:
    return _shown(connection, tenant, _program(connection, tenant, program_id))


def put_policy(
    connection: Connection, tenant: Tenant, program_id: str, overrides: Any, now_ms: int, entropy: Entropy
) -> Row:
    """The program with a new version of its overrides; the same overrides again make no new version."""
    row = _held_program(connection, tenant, program_id)
    policy_id, versions = policies.new_version(connection, tenant, row, overrides, now_ms, entropy, path="")
    if versions:
        program_store.change_program(connection, row, {"policy_id": policy_id})
        note(connection, tenant, "program.updated", program_id, {"policy": versions}, now_ms, entropy)
    return _shown(connection, tenant, row | {"policy_id": policy_id})


def _program_values(row: Row, wanted: Wanted) -> Row:
    """The columns that `wanted` sets; raises `Refused` naming every field that the currency does not admit."""
    plain = ("name", "currency", "site_url", "window_days", "attribution", "status")
    values = {name: wanted[name] for name in plain if name in wanted}
    values |= {
        name: _json(wanted[name])
        for name in ("allowed_hosts", "allowed_origins", "repeat_purchases")
        if name in wanted
    }
    values |= {f"limit_{window}": most for window, most in (wanted.get("limits") or {}).items()}
    currency = wanted.get("currency") or row["currency"]
    of_money, errors = terms.program_values(row, wanted, currency)
    if errors:
        raise invalid(errors)
    return values | of_money


def _change_currency(connection: Connection, tenant: Tenant, row: Row, currency: str) -> None:
    # First the standings: whoever has just moved one has a conversion to be found then, and whoever is about to finds
    # another currency and decides again.
    program_store.set_currency_of_standings(connection, tenant.merchant_id, row["id"], currency)
    if program_store.has_conversions(connection, tenant.merchant_id, row["id"]):
        raise taken("currency", "The program has conversions, so its currency stays as it is")
    for affiliate_id, own in program_store.own_terms(connection, tenant.merchant_id, row["id"]):
        if terms.faults_in_commission(orjson.loads(own), currency):
            raise taken("currency", f"The terms of {affiliate_id} have more decimals than {currency}")


def _free_slug(connection: Connection, wanted: str | None, name: str, entropy: Entropy) -> str:
    if wanted:
        if program_store.slug_is_taken(connection, wanted):
            raise taken("slug", "This slug is taken")
        return wanted
    slug = make_slug(name)
    for _ in range(_TRIES):
        if not program_store.slug_is_taken(connection, slug):
            return slug
        slug = f"{make_slug(name)}-{entropy(3).hex()}"
    raise taken("slug", "No free slug was found; name one")


# ── affiliates ───────────────────────────────────────────────────────────────────────────────────────────────────


def create_affiliate(
    connection: Connection, tenant: Tenant, program_id: str, wanted: Wanted, now_ms: int, entropy: Entropy
) -> Row:
    program = _held_program(connection, tenant, program_id)
    blank = {
        "merchant_id": tenant.merchant_id,
        "id": make_id("aff", now_ms, entropy(10)),
        "program_id": program_id,
        "email": "",
        "name": "",
        "ref_code": "",
        "code_key": "",
        "status": "active",
        "limit_hourly": None,
        "limit_daily": None,
        "commission": None,
        "known_addresses": "[]",
        "policy_id": None,
        "seen_addresses": "[]",
        "terms_id": None,
        "recruiter_id": None,
        "created_ms": now_ms,
    }
    row = blank | _affiliate_values(blank, wanted, program)
    _check_recruiter(connection, tenant, row)
    row |= _free_ref_code(connection, tenant, row, wanted.get("ref_code"), entropy)
    row["policy_id"], _ = policies.new_version(connection, tenant, row, wanted.get("policy"), now_ms, entropy)
    row["terms_id"] = terms.new_version(connection, tenant, row, now_ms, entropy)
    affiliate_store.add_affiliate(connection, row, program["currency"])
    note(connection, tenant, "affiliate.created", row["id"], differences({}, row), now_ms, entropy)
    return _shown_affiliate(connection, tenant, program, row)


def update_affiliate(
    connection: Connection, tenant: Tenant, affiliate_id: str, wanted: Wanted, now_ms: int, entropy: Entropy
) -> Row:
    program = _held_program(connection, tenant, _affiliate(connection, tenant, affiliate_id)["program_id"])
    row = _affiliate(connection, tenant, affiliate_id)  # again: another may have changed it meanwhile
    values = _affiliate_values(row, wanted, program)
    _check_recruiter(connection, tenant, row | values)
    if wanted.get("ref_code"):
        values |= _free_ref_code(connection, tenant, row, wanted["ref_code"], entropy)
    changes = differences(row, values)
    if "policy" in wanted:
        values["policy_id"], versions = policies.new_version(
            connection, tenant, row, wanted["policy"], now_ms, entropy
        )
        changes |= {"policy": versions} if versions else {}
    if changes:
        values["terms_id"] = terms.new_version(connection, tenant, row | values, now_ms, entropy)
        if values["terms_id"] != row["terms_id"]:
            months.count_anew(connection, tenant, row | values, program, now_ms)
        affiliate_store.change_affiliate(connection, row, values)
        note(connection, tenant, "affiliate.updated", affiliate_id, changes, now_ms, entropy)
    return _shown_affiliate(connection, tenant, program, row | values)


def get_affiliate(connection: Connection, tenant: Tenant, affiliate_id: str) -> Row:
    row = _affiliate(connection, tenant, affiliate_id)
    return _shown_affiliate(connection, tenant, _program(connection, tenant, row["program_id"]), row)


def _affiliate_values(row: Row, wanted: Wanted, program: Row) -> Row:
    """The columns that `wanted` sets; null clears what is the affiliate's own, so that the program's holds again."""
    values = {name: wanted[name] for name in ("email", "name", "status", "recruiter_id") if name in wanted}
    if "known_addresses" in wanted:
        values["known_addresses"] = _json(wanted["known_addresses"])
    if "limits" in wanted:
        limits = wanted["limits"] or {"hourly": None, "daily": None}
        values |= {f"limit_{window}": most for window, most in limits.items()}
    if "commission" not in wanted:
        return values
    own = wanted["commission"] and (orjson.loads(row["commission"] or "{}") | wanted["commission"])
    own = {kind: each for kind, each in (own or {}).items() if each is not None}
    errors = terms.faults_in_commission(own, program["currency"])
    if errors:
        raise invalid(errors)
    return values | {"commission": _json(own) if own else None}


def _check_recruiter(connection: Connection, tenant: Tenant, row: Row) -> None:
    """Another affiliate of the program, whose own recruiters do not lead back to this one. The program is held."""
    recruiter_id, passed = row["recruiter_id"], {row["id"]}
    while recruiter_id is not None:
        if recruiter_id in passed:
            raise invalid({"recruiter_id": "must not lead back to the affiliate themselves"})
        passed.add(recruiter_id)
        recruiter = affiliate_store.affiliate(connection, tenant.merchant_id, recruiter_id)
        if recruiter is None or recruiter["program_id"] != row["program_id"]:
            raise invalid({"recruiter_id": "is no affiliate of the program"})
        recruiter_id = recruiter["recruiter_id"]


def _free_ref_code(
    connection: Connection, tenant: Tenant, row: Row, wanted: str | None, entropy: Entropy
) -> Row:
    """`ref_code` and `code_key`: the wanted code if no other affiliate of the program has it, or a made one."""
    for _ in range(1 if wanted else _TRIES):
        code = wanted or make_code(entropy(CODE_LENGTH))
        key = _code_key(tenant, row["program_id"], code)
        holder = affiliate_store.holder_of_code(connection, tenant.merchant_id, key)
        if holder in (None, row["id"]):
            return {"ref_code": code, "code_key": key}
    raise taken("ref_code", "Another affiliate of the program has this referral code")


# ── coupons ──────────────────────────────────────────────────────────────────────────────────────────────────────


def create_coupon(
    connection: Connection, tenant: Tenant, program_id: str, wanted: Wanted, now_ms: int, entropy: Entropy
) -> Row:
    _held_program(connection, tenant, program_id)
    blank = {
        "merchant_id": tenant.merchant_id,
        "id": make_id("coup", now_ms, entropy(10)),
        "program_id": program_id,
        "affiliate_id": "",
        "code": "",
        "code_key": "",
        "starts_ms": None,
        "ends_ms": None,
        "active": True,
        "created_ms": now_ms,
    }
    row = blank | _coupon_values(connection, tenant, blank, wanted)
    coupon_store.add_coupon(connection, row)
    note(connection, tenant, "coupon.created", row["id"], differences({}, row), now_ms, entropy)
    return row


def update_coupon(
    connection: Connection, tenant: Tenant, coupon_id: str, wanted: Wanted, now_ms: int, entropy: Entropy
) -> Row:
    _held_program(connection, tenant, _coupon(connection, tenant, coupon_id)["program_id"])
    row = _coupon(connection, tenant, coupon_id)  # again: another may have changed it meanwhile
    values = _coupon_values(connection, tenant, row, wanted)
    changes = differences(row, values)
    if changes:
        coupon_store.change_coupon(connection, row, values)
        note(connection, tenant, "coupon.updated", coupon_id, changes, now_ms, entropy)
    return row | values


def _coupon_values(connection: Connection, tenant: Tenant, row: Row, wanted: Wanted) -> Row:
    names = ("affiliate_id", "code", "starts_ms", "ends_ms", "active")
    values = {name: wanted[name] for name in names if name in wanted}
    whole = row | values
    affiliate = affiliate_store.affiliate(connection, tenant.merchant_id, whole["affiliate_id"])
    if affiliate is None or affiliate["program_id"] != row["program_id"]:
        raise invalid({"affiliate_id": "is no affiliate of the program"})
    starts_ms, ends_ms = whole["starts_ms"], whole["ends_ms"]
    if starts_ms is not None and ends_ms is not None and ends_ms <= starts_ms:
        raise invalid({"ends_at": "must be after starts_at"})
    if "code" in values:
        values["code_key"] = _code_key(tenant, row["program_id"], values["code"])
        holder = coupon_store.holder_of_code(connection, tenant.merchant_id, values["code_key"])
        if holder not in (None, row["id"]):
            raise taken("code", "Another coupon of the program has this code")
    return values


# ── shared ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _program(connection: Connection, tenant: Tenant, program_id: str) -> Row:
    row = program_store.program(connection, tenant.merchant_id, program_id)
    if row is None:
        raise not_found()
    return row


def _held_program(connection: Connection, tenant: Tenant, program_id: str) -> Row:
    """As it is while nobody else changes anything of it: what is changed together is judged together."""
    hold(connection, [lock_number(program_id)])
    return _program(connection, tenant, program_id)


def _coupon(connection: Connection, tenant: Tenant, coupon_id: str) -> Row:
    row = coupon_store.coupon(connection, tenant.merchant_id, coupon_id)
    if row is None:
        raise not_found()
    return row


def _affiliate(connection: Connection, tenant: Tenant, affiliate_id: str) -> Row:
    row = affiliate_store.affiliate(connection, tenant.merchant_id, affiliate_id)
    if row is None:
        raise not_found()
    return row


def _shown(connection: Connection, tenant: Tenant, row: Row) -> Row:
    return policies.with_policies(connection, tenant, [row])[0]


def _shown_affiliate(connection: Connection, tenant: Tenant, program: Row, row: Row) -> Row:
    (shown,) = with_test_links(tenant.fingerprint_key, program["slug"], [_shown(connection, tenant, row)])
    return shown


def _code_key(tenant: Tenant, program_id: str, code: str) -> str:
    return code_key(tenant.fingerprint_key, program_id, code)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
