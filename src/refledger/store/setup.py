"""What merchants set up, looked up for a whole group of reports at once: keys, programs, codes, policies, lists.

Nothing here is contended: it is read before the keys are held.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import and_, select

from refledger.core.lists import Entry
from refledger.core.programs import Affiliate, Coupon, Program
from refledger.store.engine import Connection
from refledger.store.schema import (
    affiliates,
    api_key_routes,
    api_keys,
    coupons,
    list_entries,
    merchants,
    policies,
    programs,
)
from refledger.store.statements import Query, item, rows_of

Pair = tuple[str, str]

_keys = rows_of("hashes")
_ROUTES = Query(
    select(api_key_routes.c.key_hash, api_key_routes.c.merchant_id, api_key_routes.c.key_id).select_from(
        _keys.join(api_key_routes, api_key_routes.c.key_hash == item(_keys, 0))
    )
)

_ids = rows_of("ids")
_KEYS = Query(
    select(
        api_keys.c.merchant_id,
        api_keys.c.id,
        api_keys.c.kind,
        api_keys.c.mode,
        merchants.c.sealed_ms,
        merchants.c.setup_version,
    ).select_from(
        _ids.join(
            api_keys,
            and_(
                api_keys.c.merchant_id == item(_ids, 0),
                api_keys.c.id == item(_ids, 1),
                api_keys.c.revoked_ms.is_(None),
            ),
        ).join(merchants, merchants.c.merchant_id == item(_ids, 0))
    )
)

_PROGRAMS = Query(
    select(
        programs.c.merchant_id,
        programs.c.id,
        programs.c.currency,
        programs.c.status,
        programs.c.window_days,
        programs.c.commission,
        programs.c.repeat_purchases,
        programs.c.limit_hourly,
        programs.c.limit_daily,
        programs.c.attribution,
        programs.c.max_revenue_minor,
        programs.c.allowed_origins,
        programs.c.policy_id,
        merchants.c.fingerprint_key,
        merchants.c.lists_version,
        programs.c.hold_days,
        programs.c.approve_days,
        programs.c.time_zone,
        programs.c.recruiter,
        programs.c.terms_id,
    ).select_from(
        _ids.join(
            programs, and_(programs.c.merchant_id == item(_ids, 0), programs.c.id == item(_ids, 1))
        ).join(merchants, merchants.c.merchant_id == programs.c.merchant_id)
    )
)

_recruiters = affiliates.alias("recruiters")
_AFFILIATE = (
    affiliates.c.merchant_id,
    affiliates.c.id,
    affiliates.c.program_id,
    affiliates.c.email,
    affiliates.c.ref_code,
    affiliates.c.code_key,
    affiliates.c.status,
    affiliates.c.limit_hourly,
    affiliates.c.limit_daily,
    affiliates.c.commission,
    affiliates.c.known_addresses,
    affiliates.c.policy_id,
    affiliates.c.seen_addresses,
    _recruiters.c.id,
    affiliates.c.terms_id,
)
_RECRUITED = and_(
    _recruiters.c.merchant_id == affiliates.c.merchant_id,
    _recruiters.c.id == affiliates.c.recruiter_id,
    _recruiters.c.status == "active",
)
_AFFILIATES_BY_CODE = Query(
    select(*_AFFILIATE).select_from(
        _ids.join(
            affiliates,
            and_(affiliates.c.merchant_id == item(_ids, 0), affiliates.c.code_key == item(_ids, 1)),
        ).outerjoin(_recruiters, _RECRUITED)
    )
)
_AFFILIATES_BY_ID = Query(
    select(*_AFFILIATE).select_from(
        _ids.join(
            affiliates, and_(affiliates.c.merchant_id == item(_ids, 0), affiliates.c.id == item(_ids, 1))
        ).outerjoin(_recruiters, _RECRUITED)
    )
)
_COUPONS = Query(
    select(
        coupons.c.merchant_id,
        coupons.c.id,
        coupons.c.program_id,
        coupons.c.affiliate_id,
        coupons.c.code,
        coupons.c.code_key,
        coupons.c.starts_ms,
        coupons.c.ends_ms,
        coupons.c.active,
        *_AFFILIATE,
    ).select_from(
        _ids.join(coupons, and_(coupons.c.merchant_id == item(_ids, 0), coupons.c.code_key == item(_ids, 1)))
        .join(
            affiliates,
            and_(
                affiliates.c.merchant_id == coupons.c.merchant_id, affiliates.c.id == coupons.c.affiliate_id
            ),
        )
        .outerjoin(_recruiters, _RECRUITED)
    )
)
_POLICIES = Query(
    select(policies.c.merchant_id, policies.c.id, policies.c.document).select_from(
        _ids.join(policies, and_(policies.c.merchant_id == item(_ids, 0), policies.c.id == item(_ids, 1)))
    )
)
_LISTS = Query(
    select(
        list_entries.c.merchant_id,
        list_entries.c.id,
        list_entries.c.action,
        list_entries.c.kind,
        list_entries.c.value,
        list_entries.c.program_id,
        list_entries.c.expires_ms,
        list_entries.c.note,
    ).select_from(_ids.join(list_entries, list_entries.c.merchant_id == item(_ids, 0)))
)


def routes_of(connection: Connection, hashes: Iterable[str]) -> dict[str, Pair]:
    """Key hash → (merchant id, key id), where it leads to one; which never changes."""
    found = _ROUTES.rows(connection, hashes=[[each] for each in hashes])
    return {key_hash: (merchant_id, key_id) for key_hash, merchant_id, key_id in found}


def keys_in_force(connection: Connection, ids: Iterable[Pair]) -> dict[Pair, tuple[str, str, int, int]]:
    """(merchant id, key id) → (kind, mode, the merchant's `sealed_ms`, version of their set-up), of keys that are not
    revoked.
    """
    return {(row[0], row[1]): row[2:] for row in _look_up(_KEYS, connection, ids)}


def programs_of(connection: Connection, ids: Iterable[Pair]) -> dict[Pair, Program]:
    """(merchant id, program id) → program, of those that exist."""
    return {(row[0], row[1]): Program(*row) for row in _look_up(_PROGRAMS, connection, ids)}


def affiliates_by_code(connection: Connection, codes: Iterable[Pair]) -> dict[Pair, Affiliate]:
    """(merchant id, code key) → affiliate."""
    found = (Affiliate(*row) for row in _look_up(_AFFILIATES_BY_CODE, connection, codes))
    return {(affiliate.merchant_id, affiliate.code_key): affiliate for affiliate in found}


def affiliates_by_id(connection: Connection, ids: Iterable[Pair]) -> dict[Pair, Affiliate]:
    """(merchant id, affiliate id) → affiliate."""
    found = (Affiliate(*row) for row in _look_up(_AFFILIATES_BY_ID, connection, ids))
    return {(affiliate.merchant_id, affiliate.id): affiliate for affiliate in found}


def coupons_by_code(connection: Connection, codes: Iterable[Pair]) -> dict[Pair, tuple[Coupon, Affiliate]]:
    """(merchant id, code key) → coupon and the affiliate it belongs to."""
    found = ((Coupon(*row[:9]), Affiliate(*row[9:])) for row in _look_up(_COUPONS, connection, codes))
    return {(coupon.merchant_id, coupon.code_key): (coupon, affiliate) for coupon, affiliate in found}


def policy_documents(connection: Connection, ids: Iterable[Pair]) -> dict[Pair, str]:
    """(merchant id, policy id) → its overrides, as JSON."""
    return {(row[0], row[1]): row[2] for row in _look_up(_POLICIES, connection, ids)}


def list_entries_of(connection: Connection, merchant_ids: Iterable[str]) -> Mapping[str, list[Entry]]:
    """Merchant id → all entries of their allow and block lists."""
    wanted = set(merchant_ids)
    found: dict[str, list[Entry]] = {merchant_id: [] for merchant_id in wanted}
    for merchant_id, *entry in _LISTS.rows(connection, ids=[[each] for each in wanted]):
        found[merchant_id].append(Entry(*entry))
    return found


def _look_up(query: Query, connection: Connection, pairs: Iterable[Pair]) -> list[tuple]:
    wanted = list(set(pairs))
    return query.rows(connection, ids=wanted) if wanted else []
