"""A group costs the same number of statements whatever its size, as PostgreSQL itself counts them."""

import psycopg
import pytest
from sqlalchemy import event

from refledger.services.desk import LATER
from refledger.services.origins import Origins
from refledger.settings import load
from tests.builders import PURCHASE, SIGNUP, Counter, Shop, settings_for
from tests.mmdb import LONDON, write

pytestmark = pytest.mark.only_on(
    "postgresql", "the server is asked to tell of each statement; SQLite has none"
)

LARGE = 48


@pytest.fixture
def told(database_url, tmp_path, clock):
    """A shop, and the statements that the server has run for it since the list was last cleared."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        admin.execute(f"ALTER DATABASE {name} SET client_min_messages = 'log'")
    try:
        shop = Shop(settings_for(database_url, tmp_path), clock, limits={"hourly": 1000, "daily": 1000})
        shop.statements = []

        def listen(raw, _record):
            raw.add_notice_handler(lambda notice: shop.statements.append(notice.message_primary))

        event.listen(shop.database.writer, "connect", listen)
        shop.database.writer.dispose()
        yield shop
        shop.close()
    finally:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} RESET ALL")


def of_many_affiliates(shop, counter, start, count):
    """One report each for affiliates of their own, so that none waits for another: links, coupons, both kinds of key,
    orders, clicks that are named, retries' keys.
    """
    claims = []
    for number in range(start, start + count):
        code, address = f"AFF{number}", f"81.2.{number // 250}.{number % 250}"
        affiliate_id = shop.make_affiliate(code)
        shop.make_coupon(f"SAVE{number}", affiliate_id)
        click_id = shop.click(affiliate_id, at_ms=shop.clock() - 300_000, address=address)
        by = {"coupon_code": f"SAVE{number}"} if number % 4 == 1 else {"ref_code": code}
        kind = PURCHASE | {"order_id": f"o{number}"} if number % 4 < 2 else SIGNUP
        claims.append(
            counter.claim(
                secret=number % 2 == 0, idempotency_key=f"k{number}", customer_email=f"a{number}x@example.com",
                customer_ip=address, click_id=click_id, **by, **kind,
            )
        )  # fmt: skip
    return claims


def settled(shop, counter, claims):
    """The statements that settling these in one group took, and their outcomes."""
    shop.statements.clear()
    outcomes = counter.tracking.settle(claims)
    assert LATER not in outcomes
    return list(shop.statements), [outcome.code for outcome in outcomes]


def test_as_many_statements_for_48_as_for_4(told):
    counter = Counter(told)
    settled(
        told, counter, of_many_affiliates(told, counter, 200, 4)
    )  # what any group needs is at hand from here on
    small, codes = settled(told, counter, of_many_affiliates(told, counter, 0, 4))
    large, more_codes = settled(told, counter, of_many_affiliates(told, counter, 100, LARGE))
    assert set(codes) == set(more_codes) == {"pending"}
    assert len(large) == len(small)
    assert 15 < len(small) < 40


def test_as_many_for_retries_and_duplicates(told):
    counter = Counter(told)
    few, many = (
        of_many_affiliates(told, counter, 0, 4),
        of_many_affiliates(told, counter, 100, LARGE),
    )
    for claims in (few, many):
        settled(told, counter, claims)
    small, codes = settled(told, counter, few)
    large, more_codes = settled(told, counter, many)
    assert set(codes) == set(more_codes) == {"replayed"}
    assert len(large) == len(small)


def test_a_database_of_cities_costs_two_whatever_the_size(told, tmp_path):
    """Where the mailboxes were is asked for, and where they are is left. The other files cost none; what fires by them
    is one insert.
    """
    tor = tmp_path / "tor.txt"
    tor.write_text("81.2.0.0/20\n")
    city = write(tmp_path / "city.mmdb", "GeoLite2-City", {"81.2.0.0/16": LONDON})
    counts = {}
    for start, files in ((0, {}), (1000, {"addresses_tor": tor}), (2000, {"geoip_city": city})):
        origins = Origins(load(**files))
        origins.look()
        counter = Counter(told, origins)
        settled(told, counter, of_many_affiliates(told, counter, start + 200, 4))
        small, _ = settled(told, counter, of_many_affiliates(told, counter, start, 4))
        large, _ = settled(told, counter, of_many_affiliates(told, counter, start + 100, LARGE))
        assert len(large) == len(small)
        counts[start] = len(small)
    assert len(told.rows("SELECT * FROM whereabouts")) == 4 + 4 + LARGE
    assert told.one("SELECT count(*) AS n FROM findings WHERE code <> 'ip.tor'")["n"] == 0
    assert counts[1000] == counts[0] + 1 and counts[2000] == counts[0] + 2


def test_terms_that_look_back_cost_two_and_recruiters_one(told):
    """The months are read and added to; shares are added."""
    tiers = [{"from": {"conversions": 5}, "value": "12"}]
    plain = {"type": "percentage", "value": "10"}
    counts = {}
    for start, terms in (
        (0, {}),
        (
            1000,
            {
                "commission": {
                    "purchase": plain | {"tiers": tiers, "monthly_cap": "9"},
                    "signup": plain | {"cap": "1"},
                }
            },
        ),
        (2000, {"recruiter": {"value": "5", "most": "30"}}),
    ):
        told.change_program(**terms)
        counter = Counter(told)
        settled(told, counter, of_many_affiliates(told, counter, start + 200, 4))
        claims = (
            of_many_affiliates(told, counter, start, 4),
            of_many_affiliates(told, counter, start + 100, LARGE),
        )
        for affiliate in told.rows(
            "SELECT id, ref_code FROM affiliates WHERE ref_code LIKE 'AFF%' AND recruiter_id IS NULL"
        ):
            recruiter_id = told.make_affiliate(f"OF{affiliate['ref_code']}")
            told.change_affiliate(affiliate["id"], recruiter_id=recruiter_id)
        settled(told, counter, of_many_affiliates(told, counter, start + 300, 4))
        small, large = (len(settled(told, counter, each)[0]) for each in claims)
        assert small == large
        counts[start] = small
    assert counts[1000] == counts[0] + 2 and counts[2000] == counts[1000] + 1


def test_what_is_at_hand_is_not_asked_for_again(told):
    counter = Counter(told)
    cold, _ = settled(told, counter, of_many_affiliates(told, counter, 0, 4))
    told.clock.advance_s(3600 * 24)
    again = [
        counter.claim(ref_code=f"AFF{number}", customer_email=f"b{number}x@example.com", **SIGNUP)
        for number in range(4)
    ]
    warm, _ = settled(told, counter, again)
    assert len(warm) < len(cold)


def test_the_control_one_by_one_costs_more(told):
    counter = Counter(told)
    claims = of_many_affiliates(told, counter, 0, 4)
    together, _ = settled(told, counter, claims[:2])
    alone = sum(len(settled(told, counter, [claim])[0]) for claim in claims[2:])
    assert alone > len(together)
