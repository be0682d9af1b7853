"""Row-level security: a role that owns nothing sees the merchants that a transaction names, and no others."""

import io
import os
import uuid

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from refledger import app
from refledger.core.refusals import Refused
from refledger.services import export, ledger_check, review
from refledger.services.doctor import examine
from refledger.services.housekeeping import Housekeeping
from refledger.store import migrate
from refledger.store.engine import EVERYONE, Database, see
from refledger.store.schema import APPEND_ONLY, ROUTING, conversions, merchants, metadata
from tests.builders import PURCHASE, Counter, Shop, settings_for

pytestmark = pytest.mark.only_on("postgresql", "SQLite knows no roles")

WALLED = [table for table in metadata.sorted_tables if table not in ROUTING]


@pytest.fixture
def role(database_url, clock):
    """A role that serves and owns nothing."""
    name = f"serving_{uuid.uuid4().hex[:8]}"
    owner = Database(database_url)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS")
        migrate.grant(owner, name)
        admin.execute(f"GRANT SELECT ON machine_clock TO {name}")  # the tests' own
        yield name
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")
    owner.close()


@pytest.fixture
def served(database_url, role):
    return make_url(database_url).set(username=role).render_as_string(hide_password=False)


@pytest.fixture
def shop(served, tmp_path, clock):
    made = Shop(settings_for(served, tmp_path), clock, limits={"hourly": 100, "daily": 100})
    yield made
    made.close()


@pytest.fixture
def other(shop, clock):
    made = Shop(shop.settings, clock, name="Another")
    yield made
    made.close()


def test_the_role_is_none_that_passes_by(shop, role):
    with shop.database.read(EVERYONE) as connection:
        sql = "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        assert tuple(connection.exec_driver_sql(sql).one()) == (role, False, False)
        owners = connection.exec_driver_sql(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        )
        assert role not in set(owners.scalars())


@pytest.mark.parametrize("table", WALLED, ids=lambda table: table.name)
def test_every_table_of_merchants_has_the_wall(shop, table):
    with shop.database.read() as connection:
        sql = f"SELECT relrowsecurity FROM pg_class WHERE oid = '{table.name}'::regclass"
        assert connection.exec_driver_sql(sql).scalar_one() is True


def test_a_whole_life_behind_the_wall(shop, clock):
    counter = Counter(shop)
    shop.click()
    clock.advance_s(120)
    first, second = counter.purchase("a@example.com"), counter.purchase("b@example.com", secret=True)
    assert counter.purchase("a@example.com").code == "duplicate"
    shop.list_entry("block", "mailbox", "c@example.com")
    assert counter.purchase("c@example.com").code == "blocked"
    with shop.database.write(shop.merchant_id) as connection:
        review.approve(connection, shop.tenant, first.id, None, clock(), os.urandom)
        review.reject(connection, shop.tenant, second.id, "fraud", clock(), os.urandom)
        assert review.balance(connection, shop.tenant, shop.john_id)["payable"] == 999
    assert list(ledger_check.verify(shop.database)) == []
    assert export.export(shop.database, io.BytesIO(), lambda table: None) > 10
    clock.advance_s(400 * 86_400)
    Housekeeping(shop.database, clock).forget()
    assert counter.purchase("d@example.com").status == 200


def test_without_a_word_nothing_is_seen(shop):
    Counter(shop).purchase()
    with shop.database.read() as connection:
        for table in WALLED:
            assert connection.execute(select(table)).first() is None, table.name


def test_who_names_one_merchant_sees_no_other(shop, other):
    """Even by a statement that has forgotten its condition; and the negative control: the owner sees both."""
    for each in (shop, other):
        Counter(each).purchase()
    with shop.database.read(shop.merchant_id) as connection:
        assert set(connection.execute(select(conversions.c.merchant_id)).scalars()) == {shop.merchant_id}
    with shop.database.read() as connection:
        see(connection, [shop.merchant_id, other.merchant_id])
        assert len(set(connection.execute(select(conversions.c.merchant_id)).scalars())) == 2


def test_the_control_an_owner_passes_by(shop, other, database_url):
    owner = Database(database_url)
    with owner.read() as connection:
        assert len(connection.execute(select(merchants.c.merchant_id)).all()) == 2
    owner.close()


def test_nothing_is_written_for_a_merchant_who_is_not_named(shop, other):
    words = "row-level security"
    with pytest.raises(DBAPIError, match=words), shop.database.write(shop.merchant_id) as connection:
        row = dict.fromkeys(map(str, merchants.columns.keys()), 0)
        row |= {"merchant_id": other.merchant_id + "x", "name": "", "fingerprint_key": ""}
        connection.execute(merchants.insert().values(**row))
    with shop.database.write(shop.merchant_id) as connection:
        done = connection.execute(
            merchants.update().where(merchants.c.merchant_id == other.merchant_id).values(name="taken over")
        )
        assert done.rowcount == 0


def test_it_ends_with_the_transaction(shop):
    """A pooled connection carries nothing on to whoever has it next."""
    for _ in range(20):
        with shop.database.read(EVERYONE) as connection:
            assert connection.execute(select(merchants)).first()
        with shop.database.write() as connection:
            assert connection.execute(select(merchants)).first() is None


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
@pytest.mark.parametrize("deed", ["UPDATE {} SET at_ms = 2", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_role_may_not_change_what_is_only_added_to(shop, table, deed):
    with (
        pytest.raises(DBAPIError, match="permission denied"),
        shop.database.write(EVERYONE) as connection,
    ):
        connection.exec_driver_sql(deed.format(table.name))


def test_a_tenants_call_names_its_tenant(shop, other, clock):
    conversion = Counter(other).purchase()
    with pytest.raises(Refused), shop.database.write(shop.merchant_id) as connection:
        review.approve(connection, shop.tenant, conversion.id, None, clock(), os.urandom)


def test_every_door_behind_the_wall(shop, clock):
    """Clicks, reports, the management API and the doctor, over HTTP, as the role that owns nothing."""
    with TestClient(app.create(shop.settings, clock), follow_redirects=False) as client:
        client.headers["Authorization"] = f"Bearer {shop.keys['secret_key']}"
        slug = client.get(f"/v1/programs/{shop.program_id}").json()["slug"]
        assert client.get(f"/r/{slug}/JOHN123").status_code == 302
        click = {"program_id": shop.program_id, "ref_code": "JOHN123"}
        assert client.post("/v1/track-click", json=click).status_code == 202
        report = shop.report(ref_code="JOHN123", customer_email="a@example.com", **PURCHASE)
        assert client.post("/v1/track-conversion", json=report).json()["success"]
        (found,) = client.get("/v1/conversions").json()["data"]
        approved = client.post(
            f"/v1/conversions/{found['id']}/approve", json={}, headers={"Idempotency-Key": "k"}
        )
        assert approved.json()["status"] == "approved"
        made = client.post(
            f"/v1/programs/{shop.program_id}/coupons", json={"affiliate_id": shop.john_id, "code": "NEW"}
        )
        assert made.status_code == 201
        for path in ("/v1/attempts", "/v1/clicks", "/v1/audit", f"/v1/conversions/{found['id']}", "/readyz"):
            assert client.get(path).status_code == 200
    found = list(examine(shop.settings, shop.database, clock.now_ms))
    # The tests' server does not wait for the disk, and the doctor says so.
    assert {each.subject for each in found if each.level == "fail"} <= {"durability"}
