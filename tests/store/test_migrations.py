import json
import os
import subprocess
import sys
from copy import copy

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, insert, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable
from starlette.testclient import TestClient

from refledger.app import create
from refledger.services import acceptance, review
from refledger.services.housekeeping import Housekeeping
from refledger.services.ledger_check import verify
from refledger.store import migrate, schema
from refledger.store.engine import EVERYONE, Database
from refledger.web.tracking import Words
from tests.builders import PURCHASE, Counter, Shop, settings_for


def sqlite_shapes(connection):
    """Every table and index as SQLite itself wrote it down, spaces apart."""
    found = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
        "AND name NOT LIKE 'alembic%'"
    )
    return {name: sorted(" ".join(sql.split()).replace(",", "").split()) for name, sql in found}


POSTGRESQL_SHAPES = """
SELECT attrelid::regclass || '.' || attname, format('%%s %%s %%s', format_type(atttypid, atttypmod), attnotnull,
    pg_get_expr(adbin, adrelid))
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE relnamespace = %(schema)s::text::regnamespace AND relkind = 'r' AND attnum > 0
UNION ALL SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace = %(schema)s::text::regnamespace
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %(schema)s::text"""


def postgresql_shapes(connection, schema):
    """Every column, constraint and index as PostgreSQL itself tells it, Alembic's own apart."""
    found = connection.exec_driver_sql(POSTGRESQL_SHAPES, {"schema": schema})
    shapes = {name.replace(f"{schema}.", ""): shape.replace(f"{schema}.", "") for name, shape in found}
    return {name: shape for name, shape in shapes.items() if not name.startswith("alembic")}


def made_and_wanted(database, metadata):
    """What the migrations made, and what the metadata would make, each by name."""
    if database.is_sqlite:
        fresh = create_engine("sqlite://")
        metadata.create_all(fresh)
        with database.read() as migrated, fresh.connect() as created:
            return sqlite_shapes(migrated), sqlite_shapes(created)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE SCHEMA wanted")
        metadata.create_all(connection.execution_options(schema_translate_map={None: "wanted"}))
        shapes = postgresql_shapes(connection, "public"), postgresql_shapes(connection, "wanted")
        connection.exec_driver_sql("DROP SCHEMA wanted CASCADE")
    return shapes


def differences(database, metadata):
    """What the migrated database and the metadata do not agree on."""
    made, wanted = made_and_wanted(database, metadata)
    with database.read() as migrated:
        context = MigrationContext.configure(migrated, opts={"compare_type": True})
        drift = list(compare_metadata(context, metadata))
    return drift + [name for name in made.keys() | wanted.keys() if made.get(name) != wanted.get(name)]


def test_the_migrations_build_what_the_schema_says(database):
    assert differences(database, schema.metadata) == []


def test_a_drift_is_seen(database):
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE merchants ADD COLUMN colour TEXT")
        connection.exec_driver_sql("DROP INDEX ix_clicks_merchant_id_address_key_at_ms")
    found = str(differences(database, schema.metadata))
    assert "colour" in found and "ix_clicks_merchant_id_address_key_at_ms" in found


@pytest.mark.only_on("sqlite", "PostgreSQL knows no other tables")
def test_tables_are_strict(database):
    with database.read() as connection:
        kinds = {
            row[1]: row[5] for row in connection.exec_driver_sql("PRAGMA table_list") if row[2] == "table"
        }
    assert [name for name in schema.metadata.tables if kinds[name] != 1] == []


def test_head_is_the_newest_of_the_chain():
    config = Config()
    config.set_main_option("script_location", str(migrate.HERE))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head()]


def test_an_empty_database_is_pending_and_then_current(empty_url):
    database = Database(empty_url)
    assert migrate.current(database) is None and migrate.pending(database)
    assert migrate.upgrade(database) is True
    assert migrate.current(database) == migrate.head() and not migrate.pending(database)
    assert migrate.upgrade(database) is False
    if database.is_sqlite:
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()


def test_nothing_to_do_is_found_out_without_alembic(database_url):
    code = (
        "import sys; from refledger.store import migrate; from refledger.store.engine import Database; "
        f"migrate.upgrade(Database({database_url!r})); print('alembic' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def upgrade_to(database, revision):
    config = Config()
    config.set_main_option("script_location", str(migrate.HERE))
    config.set_main_option("path_separator", "os")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_the_terms_of_an_installation_become_their_first_version(empty_url):
    database = Database(empty_url)
    upgrade_to(database, "0002")
    program = {
        "id": "prog_1",
        "currency": "EUR",
        "commission": '{"purchase":{"type":"fixed","value":"1"}}',
        "repeat_purchases": '{"months":3}',
    }
    own = '{"signup":{"type":"fixed","value":"2"}}'
    with database.write() as connection:
        before = MetaData()
        before.reflect(connection, only=["programs", "affiliates"])
        programs, affiliates = before.tables["programs"], before.tables["affiliates"]
        connection.execute(insert(programs), [a_row(programs) | program])
        for affiliate_id, terms in (("aff_2", own), ("aff_3", None)):
            mine = {"id": affiliate_id, "code_key": affiliate_id, "commission": terms, "program_id": "prog_1"}
            connection.execute(insert(affiliates), [a_row(affiliates) | mine])
    migrate.upgrade(database)
    with database.read(EVERYONE) as connection:
        kept = connection.execute(select(schema.terms).order_by(schema.terms.c.id)).mappings().all()
        in_force = select(schema.affiliates.c.id, schema.affiliates.c.terms_id)
        assert dict(map(tuple, connection.execute(in_force))) == {"aff_2": "terms_2", "aff_3": None}
    database.close()
    assert [(row["id"], row["program_id"], row["affiliate_id"], row["version"]) for row in kept] == [
        ("terms_1", "prog_1", None, 1),
        ("terms_2", "prog_1", "aff_2", 1),
    ]
    assert [json.loads(row["document"]) for row in kept] == [
        {
            "currency": "EUR",
            "commission": {"purchase": {"type": "fixed", "value": "1"}},
            "repeat_purchases": {"months": 3},
            "recruiter": None,
            "hold_days": 0,
            "approve_days": None,
            "time_zone": "UTC",
        },
        {"commission": {"signup": {"type": "fixed", "value": "2"}}},
    ]


def test_what_was_refunded_or_disputed_becomes_a_refund_or_a_dispute(empty_url):
    database = Database(empty_url)
    upgrade_to(database, "0002")
    common = {
        "decision": "approved",
        "mode": "live",
        "revenue_minor": 9999,
        "updated_ms": 7,
        "merchant_id": "m",
    }
    with database.write() as connection:
        before = MetaData()
        before.reflect(connection, only=["conversions"])
        conversions = before.tables["conversions"]
        for number, facts in enumerate(
            ({}, {"refunded": True, "refunded_minor": 9999}, {"dispute": "open", "refunded": False})
        ):
            own = {
                "id": f"conv_{number}",
                "order_key": str(number),
                "email_key": str(number),
                "dispute": None,
            }
            own["refunded"] = False
            connection.execute(insert(conversions), [a_row(conversions) | common | own | facts])
    migrate.upgrade(database)
    with database.read(EVERYONE) as connection:
        (refund,) = connection.execute(select(schema.refunds)).mappings()
        (dispute,) = connection.execute(select(schema.disputes)).mappings()
    database.close()
    assert (refund["id"], refund["conversion_id"], refund["mode"]) == ("ref_1", "conv_1", "live")
    assert (refund["amount_minor"], bool(refund["is_whole"]), refund["at_ms"]) == (9999, True, 7)
    assert (dispute["id"], dispute["conversion_id"], dispute["status"]) == ("dis_2", "conv_2", "open")


def test_a_second_time_there_is_nothing_to_do(database):
    assert not migrate.upgrade(database)


def test_a_database_of_a_newer_version_is_left_alone(database):
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.UnknownRevision, match="9999"):
        migrate.upgrade(database)


def test_several_processes_may_migrate_at_once(empty_url):
    code = (
        "from refledger.store import migrate; from refledger.store.engine import Database; "
        f"print(migrate.upgrade(Database({empty_url!r}, 30)))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = [process.communicate() for process in running]
    assert [error for _, error in answers if error] == []
    assert sorted(out.strip() for out, _ in answers) == ["False", "False", "False", "True"]


def a_row(table):
    return {column.name: 1 if column.type.python_type is not str else column.name for column in table.columns}


@pytest.mark.parametrize("table", schema.APPEND_ONLY, ids=lambda table: table.name)
@pytest.mark.parametrize("deed", ["UPDATE {} SET at_ms = 2", "DELETE FROM {}"])
def test_what_may_only_be_added_to_refuses_change(database, table, deed):
    with database.write() as connection:
        connection.execute(insert(table), [a_row(table)])
    with pytest.raises(DBAPIError, match="may only be added to"), database.write() as connection:
        connection.exec_driver_sql(deed.format(table.name))
    with database.read() as connection:
        assert connection.exec_driver_sql(f"SELECT at_ms FROM {table.name}").fetchall() == [(1,)]


@pytest.mark.parametrize("table", schema.APPEND_ONLY, ids=lambda table: table.name)
def test_without_its_trigger_the_table_would_change(database, table):
    with database.write() as connection:
        connection.execute(insert(table), [a_row(table)])
        if database.is_sqlite:
            connection.exec_driver_sql(f"DROP TRIGGER {table.name}_no_delete")
        else:
            connection.exec_driver_sql(f"DROP TRIGGER {table.name}_no_change ON {table.name}")
        assert connection.exec_driver_sql(f"DELETE FROM {table.name}").rowcount == 1


def test_every_table_can_be_written_for_postgresql():
    from sqlalchemy.dialects import postgresql

    for table in schema.metadata.sorted_tables:
        assert "STRICT" not in str(CreateTable(table).compile(dialect=postgresql.dialect()))


def test_names_are_the_conventions(database):
    reflected = MetaData()
    with database.read() as connection:
        reflected.reflect(connection)
        assert set(inspect(connection).get_table_names()) == {*schema.metadata.tables, "alembic_version"}


# ── what was kept before ─────────────────────────────────────────────────────────────────────────────────────────


def put(database, table_name, rows):
    for row in rows:
        names, marks = ", ".join(row), ", ".join("?" if database.is_sqlite else "%s" for _ in row)
        with database.write(EVERYONE) as connection:
            raw = connection.connection.driver_connection
            raw.execute(f"INSERT INTO {table_name} ({names}) VALUES ({marks})", list(row.values()))


@pytest.fixture
def lived(database_url, tmp_path, clock):
    """A shop with something in every table that is altered."""
    shop = Shop(settings_for(database_url, tmp_path), clock)
    counter = Counter(shop)
    shop.click()
    assert counter.signup(idempotency_key="k1").status == 200
    clock.advance_s(3600)
    assert counter.purchase("test123@example.com", order_id="o1").code == "pending_review"
    assert counter.report(ref_code="NOBODY", customer_email="new@example.com", **PURCHASE).status == 404
    yield shop
    shop.close()


def columns_of(database):
    """table → its columns, as the database is now."""
    with database.read() as connection:
        found = inspect(connection)
        return {
            name: [column["name"] for column in found.get_columns(name)]
            for name in found.get_table_names()
            if not name.startswith("alembic")
        }


def rows_of(shop, columns):
    return {name: shop.rows(f"SELECT {', '.join(names)} FROM {name}") for name, names in columns.items()}


@pytest.fixture
def upgraded(lived, empty_url, tmp_path):
    """The same shop in a database that was made by revision 0001, used, and then brought to the newest."""
    old = Database(empty_url)
    upgrade_to(old, "0001")
    kept = rows_of(lived, columns_of(old))
    for name, rows in kept.items():
        put(old, name, rows)
    assert migrate.current(old) == "0001" and migrate.upgrade(old)
    shop = copy(lived)
    shop.settings, shop.database, shop.kept = settings_for(empty_url, tmp_path), old, kept
    yield shop
    old.close()


def test_what_was_kept_before_is_kept_whole(upgraded):
    assert all(upgraded.kept[name] for name in ("conversions", "affiliates", "attempts", "entries"))
    found = rows_of(upgraded, {name: list(rows[0]) for name, rows in upgraded.kept.items() if rows})
    for name, rows in found.items():
        wanted = upgraded.kept[name]
        assert sorted(map(repr, map(sorted_items, rows))) == sorted(map(repr, map(sorted_items, wanted))), (
            name
        )
    assert differences(upgraded.database, schema.metadata) == []


def sorted_items(row):
    return sorted(row.items())


def test_what_was_kept_before_is_worked_with(upgraded, clock):
    counter = Counter(upgraded)
    assert counter.signup(idempotency_key="k1").status == 200  # the answer that was remembered
    assert counter.signup().code == "duplicate"
    assert counter.purchase("other@example.com", order_id="o1").code == "duplicate"
    clock.advance_s(86_400)
    assert counter.purchase("one.more@example.com").status == 200
    attempt, held = (
        upgraded.one(f"SELECT id FROM {of}")["id"]
        for of in (
            "attempts WHERE code = 'invalid_affiliate'",
            "conversions WHERE decision = 'pending_review'",
        )
    )
    where = (upgraded.tenant, attempt, upgraded.john_id, clock(), os.urandom, Words())
    with upgraded.database.write(upgraded.merchant_id) as connection:
        acceptance.accept_attempt(connection, *where)
        review.approve(connection, upgraded.tenant, held, None, clock(), os.urandom)
    clock.advance_s(400 * 86_400)
    Housekeeping(upgraded.database, clock).forget()
    assert list(verify(upgraded.database)) == []


def test_the_service_serves_from_it(upgraded):
    with TestClient(create(upgraded.settings)) as client:
        body = upgraded.report(ref_code="JOHN123", customer_email="joe@example.com", **PURCHASE)
        assert client.post("/v1/track-conversion", json=body).status_code == 200
        secret = {"Authorization": f"Bearer {upgraded.keys['secret_key']}"}
        shown = client.get("/v1/conversions", headers=secret).json()["data"]
        assert len(shown) == 3
        assert all(
            client.get(f"/v1/conversions/{each['id']}", headers=secret).json()["explanation"]
            for each in shown
        )
