"""`refledger copy` between real databases: both directions, killed in the middle, changed behind its back."""

import contextlib
import re
import signal
import sqlite3
import uuid

import httpx
import psycopg
import pytest
from sqlalchemy import inspect
from sqlalchemy.engine import make_url

from refledger.core.ids import make_id
from refledger.services.ledger_check import verify
from refledger.store import copying
from refledger.store.engine import Database, now_ms
from refledger.store.schema import clicks, metadata
from refledger.store.statements import Insert
from tests.builders import PURCHASE, Counter, Shop, rows, settings_for
from tests.cli.test_serve import serving

pytestmark = pytest.mark.only_on(
    "sqlite", "each copy has both engines in it, one to read from and one to write to"
)

SECRET = "a secret for tests, for tests only"
MANY = 20_000  # rows that take long enough to be interrupted


@pytest.fixture
def copier(shell):
    """Runs commands with the secret that the shops of these tests have."""
    shell.environment["REFLEDGER_SECRET"] = SECRET
    return shell


@pytest.fixture
def shop(database_url, tmp_path):
    """A shop on SQLite with something in nearly every table, its database closed."""
    made = Shop(settings_for(database_url, tmp_path), now_ms)
    fill(made)
    made.close()
    return made


@pytest.fixture
def source(shop):
    return shop.settings.database_url


@pytest.fixture
def emptied(postgresql_databases):
    """The address of a database on PostgreSQL without any table."""
    with postgresql_databases.fresh() as url:
        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")  # as in a database just created
        yield url


@pytest.fixture
def target(onto, tmp_path, request):
    """The address of an empty database on that onto."""
    if onto == "sqlite":
        return f"sqlite:///{tmp_path / 'target.db'}"
    return request.getfixturevalue("emptied")


def fill(shop):
    shop.change_program(limits={"hourly": 1000, "daily": 1000}, policy={"review_at": 60})
    shop.list_entry("block", "domain", "bad.example.org")
    counter = Counter(shop)
    for number in range(30):
        shop.click(address=None if number % 5 else "2001:db8::1", agent=f'Agent/1.0 "ü\\{number}" 🛒')
        counter.purchase(f"kunde{number}@example.com", order_id=f"Ö-{number}", secret=number % 2 == 0)
        counter.purchase(f"kunde{number}@example.com", idempotency_key=f"k{number}")
    counter.purchase("x@bad.example.org")
    counter.coupon_sale()


def add_clicks(url, how_many):
    """Rows enough for a copy to be met in the middle of them."""
    database = Database(url)
    with database.write() as connection:
        like = dict(connection.execute(clicks.select().limit(1)).mappings().one())
        made = [{**like, "id": make_id("clk", n, n.to_bytes(10))} for n in range(how_many)]
        Insert(clicks).run(connection, made)
    database.close()


def run(url, sql, *parameters):
    """One statement, past everything that guards."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return connection.execute(sql, parameters)
    with psycopg.connect(url) as connection:
        return connection.execute(sql.replace("?", "%s"), parameters)


def run_within(url, sql, wait_s):
    """As `run`, but waits no longer for whoever holds the table; nothing is kept of it."""
    if url.startswith("sqlite"):
        with contextlib.closing(
            sqlite3.connect(url.removeprefix("sqlite:///"), timeout=wait_s)
        ) as connection:
            connection.execute(sql)
            return
    with psycopg.connect(url) as connection:
        connection.execute(f"SET lock_timeout = {round(wait_s * 1000)}")
        connection.execute(sql)
        connection.rollback()


def exported(shell, url):
    """The whole export, line by line: what differs is the order of rows, which means nothing."""
    done = shell.run("export", "--database", url)
    assert done.returncode == 0
    return sorted(done.stdout.splitlines())


def all_rows(url):
    """Every row of every table as text, what the export leaves out included."""
    return {
        table.name: sorted(
            repr({name: int(value) if isinstance(value, bool) else value for name, value in row.items()})
            for row in rows(url, f"SELECT * FROM {table.name}")
        )
        for table in metadata.sorted_tables
    }


def balances(url):
    database = Database(url)
    found = list(verify(database))
    database.close()
    return found == []


# ── there and back ───────────────────────────────────────────────────────────────────────────────────────────────


def test_there_and_back_again_is_what_it_was(copier, source, emptied):
    back = f"sqlite:///{copier.folder / 'new' / 'back.db'}"
    for start, end in ((source, emptied), (emptied, back)):
        done = copier.run("copy", "--database", start, "--to", end)
        assert done.returncode == 0, done.stderr
        assert "equal: everything is copied" in done.stderr and "DIFFERENT" not in done.stdout
        assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == set(metadata.tables)
        assert balances(end) and copier.run("verify-ledger", "--database", end).returncode == 0
    assert all_rows(source)["conversions"] and all_rows(source) == all_rows(emptied) == all_rows(back)
    assert exported(copier, source) == exported(copier, emptied) == exported(copier, back)


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_a_copy_leaves_nothing_of_itself_behind(copier, source, target):
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0
    assert copier.run("migrate", "--database", target).stdout.startswith("already at revision")
    database = Database(target)
    with database.read() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    database.close()


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_the_copy_answers_as_the_source_did(copier, shop, source, target):
    """Keys are known, a duplicate is one still, a remembered answer is given again; what is new is counted on."""

    def report(address, name, **headers):
        body = shop.report(ref_code="JOHN123", customer_email=f"{name}@example.com", **PURCHASE)
        return httpx.post(f"{address}/v1/track-conversion", json=body, headers=headers)

    with serving(copier, "--database", source) as (_, address):
        first = report(address, "first")
        remembered = report(address, "second", **{"Idempotency-Key": "wire"})
    assert (first.status_code, remembered.status_code) == (200, 200)
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0
    with serving(copier, "--database", target) as (_, address):
        assert report(address, "first").status_code == 409
        assert report(address, "second", **{"Idempotency-Key": "wire"}).content == remembered.content
        assert report(address, "third").status_code == 200
        bearer = {"Authorization": f"Bearer {shop.keys['secret_key']}"}
        found = httpx.get(f"{address}/v1/conversions/{first.json()['conversion_id']}", headers=bearer)
    assert (found.status_code, found.json()["status"]) == (200, first.json()["status"])
    assert balances(target)
    (counted,) = rows(target, "SELECT count(*) AS n FROM conversions")
    assert counted["n"] == len(rows(source, "SELECT id FROM conversions")) + 1


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_what_may_only_be_added_to_stays_so(copier, source, target, onto):
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0
    with pytest.raises((psycopg.Error, sqlite3.Error), match="may only be added to"):
        run(target, "DELETE FROM entries")


# ── interrupted ──────────────────────────────────────────────────────────────────────────────────────────────────


def kill_in_the_middle(copier, source, target):
    """Ends a copy with a signal that nobody can catch, while rows go over; answers how many had."""
    process = copier.start("copy", "--database", source, "--to", target)
    try:
        for line in process.stderr:
            told = re.match(r"copying: ([0-9,]+) of ([0-9,]+) rows", line)
            if told and int(told[1].replace(",", "")) > MANY // 4:
                break
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    (found,) = rows(target, "SELECT sum(copied) AS copied FROM copy_progress")
    return int(found["copied"])


@pytest.fixture
def half_copied(copier, source, target):
    """How many rows a killed run copied."""
    add_clicks(source, MANY)
    copied = kill_in_the_middle(copier, source, target)
    assert MANY // 4 < copied < MANY
    return copied


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_killed_in_the_middle_it_goes_on_where_it_was(copier, source, target, half_copied):
    done = copier.run("copy", "--database", source, "--to", target)
    assert done.returncode == 0, done.stderr
    first = next(line for line in done.stderr.splitlines() if line.startswith("copying"))
    assert int(re.search(r"[0-9,]+", first)[0].replace(",", "")) > half_copied  # not from the beginning
    assert "checking: " in done.stderr and all_rows(source) == all_rows(target)


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_nothing_uses_a_copy_that_is_not_finished(copier, source, target, half_copied):
    for arguments in (["init", "--name", "x"], ["verify-ledger"], ["serve", "--port", "0"], ["keys", "list"]):
        done = copier.run(*arguments, "--database", target)
        assert (done.returncode, done.stdout) == (1, "")
        assert "a copy into it was begun and is not finished" in done.stderr
    assert "fail  migrations: a copy into this" in copier.run("doctor", "--database", target).stdout
    done = copier.run("copy", "--database", target, "--to", f"sqlite:///{copier.folder / 'third.db'}")
    assert done.returncode == 1 and "the source is itself a copy that was not finished" in done.stderr


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_a_source_that_changed_in_between_is_not_gone_on_from(copier, source, target, half_copied, onto):
    run(source, "UPDATE affiliates SET name = 'Another' WHERE ref_code = 'JOHN123'")
    done = copier.run("copy", "--database", source, "--to", target)
    assert done.returncode == 1 and "what an earlier run copied to affiliates is not what" in done.stderr
    run(source, "UPDATE affiliates SET name = 'JOHN123' WHERE ref_code = 'JOHN123'")  # the control
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0


@pytest.mark.parametrize("onto", ["sqlite"])
def test_what_comes_behind_where_it_stopped_is_copied_too(copier, source, target, half_copied):
    """The source may have been served in between, as long as nothing changed that was copied."""
    run(source, "UPDATE standings SET last_accepted_ms = last_accepted_ms + 1")
    done = copier.run("copy", "--database", source, "--to", target)
    assert done.returncode == 0 and all_rows(source) == all_rows(target)


@pytest.mark.parametrize("onto", ["sqlite"])
def test_another_source_does_not_go_on(copier, source, target, half_copied):
    other = f"sqlite:///{copier.folder / 'other.db'}"
    assert copier.run("init", "--name", "Other", "--database", other).returncode == 0
    done = copier.run("copy", "--database", other, "--to", target)
    assert done.returncode == 1 and "or is another one" in done.stderr


# ── differences ──────────────────────────────────────────────────────────────────────────────────────────────────

DIFFERENCES = [
    ("conversions", "UPDATE conversions SET order_id = 'x' WHERE order_id = 'Ö-3'", ["the rows differ"]),
    (
        "conversions",
        "UPDATE conversions SET revenue_minor = revenue_minor + 1 WHERE order_id = 'Ö-3'",
        ["revenue_minor adds up to", "the rows differ"],
    ),
    ("clicks", "UPDATE clicks SET address = '' WHERE address IS NULL", ["the rows differ"]),
    ("coupons", "DELETE FROM coupons", ["1 rows in the source, 0 in the target"]),
    (
        "slug_routes",
        "INSERT INTO slug_routes VALUES ('s', 'm', 'p')",
        ["1 rows in the source, 2 in the target"],
    ),
    # Two numbers that cancel each other out: sums alone would not see it.
    (
        "conversions",
        "UPDATE conversions SET score = score + CASE order_id WHEN 'Ö-3' THEN 1 ELSE -1 END "
        "WHERE order_id IN ('Ö-3', 'Ö-5')",
        ["the rows differ"],
    ),
]


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("table", "sql", "words"), DIFFERENCES)
def test_a_difference_is_found_and_named(copier, source, target, table, sql, words):
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0
    same = copier.run("copy", "--database", source, "--to", target, "--compare")
    assert same.returncode == 0 and "equal: both hold the same" in same.stderr  # the control
    run(target, sql)
    done = copier.run("copy", "--database", source, "--to", target, "--compare")
    assert done.returncode == 1 and f"different: {table}." in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if "DIFFERENT" in line] == [table]
    assert [each for each in words if each not in done.stdout] == []


# A target in which each name of a coupon's code is stored otherwise than it was sent.
LOSING = {
    "sqlite": [
        "CREATE TRIGGER careless AFTER INSERT ON coupons BEGIN UPDATE coupons SET code = 'X' WHERE id = new.id; END"
    ],
    "postgresql": [
        "CREATE FUNCTION careless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.code = 'X'; RETURN NEW; END $$",
        "CREATE TRIGGER careless BEFORE INSERT ON coupons FOR EACH ROW EXECUTE FUNCTION careless()",
    ],
}


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_what_went_wrong_on_the_way_is_never_called_equal(copier, source, target, onto):
    """A target that quietly keeps something else: the copy names it, and stays unfinished."""
    assert copier.run("migrate", "--database", target).returncode == 0
    for sql in LOSING[onto]:
        run(target, sql)
    again = copier.run("copy", "--database", source, "--to", target)
    assert again.returncode == 1 and "different: coupons." in again.stderr
    assert "a copy into it was begun" in copier.run("keys", "list", "--database", target).stderr


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_a_target_that_is_not_empty_is_left_alone(copier, source, target):
    assert copier.run("init", "--name", "Mine", "--database", target).returncode == 0
    before = all_rows(target)
    done = copier.run("copy", "--database", source, "--to", target)
    assert done.returncode == 1 and "the target is not empty" in done.stderr
    assert all_rows(target) == before


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_a_database_of_something_else_is_left_alone(copier, source, target):
    run(target, "CREATE TABLE wishes (id INTEGER)")
    done = copier.run("copy", "--database", source, "--to", target)
    assert done.returncode == 1 and "it holds the table wishes" in done.stderr
    with pytest.raises((psycopg.Error, sqlite3.Error)):
        run(target, "SELECT * FROM merchants")


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_a_migrated_empty_target_will_do(copier, source, target):
    assert copier.run("migrate", "--database", target).returncode == 0
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0


def test_a_file_under_another_name_is_the_same(copier, source):
    (copier.folder / "link.db").symlink_to("refledger.db")
    for target in (source, "sqlite:///link.db"):
        done = copier.run("copy", "--database", source, "--to", target)
        assert done.returncode == 1 and "the target is the source itself" in done.stderr


def test_a_server_s_database_under_another_address_is_the_same(copier, postgresql_url):
    done = copier.run("copy", "--database", postgresql_url, "--to", f"{postgresql_url}&connect_timeout=9")
    assert done.returncode == 1 and "the target is the source itself" in done.stderr


def test_a_source_to_be_migrated_is_told(copier, source):
    run(source, "UPDATE alembic_version SET version_num = '0000'")
    done = copier.run("copy", "--database", source, "--to", "sqlite:///copy.db")
    assert done.returncode == 1 and "run `refledger migrate`" in done.stderr
    assert not (copier.folder / "copy.db").exists()


def test_a_source_that_is_not_there_is_told(copier):
    done = copier.run("copy", "--database", "sqlite:///none.db", "--to", "sqlite:///copy.db")
    assert done.returncode == 1 and "there is no database at none.db" in done.stderr
    assert list(copier.folder.iterdir()) == []
    (copier.folder / "empty.db").touch()
    done = copier.run("copy", "--database", "sqlite:///empty.db", "--to", "sqlite:///copy.db")
    assert done.returncode == 1 and "the source holds nothing of refledger" in done.stderr


def test_a_target_that_is_no_address_names_the_option(copier, source):
    done = copier.run("copy", "--database", source, "--to", "nonsense")
    assert done.returncode == 1 and "what --to says is not a database URL" in done.stderr


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_what_is_being_served_is_not_copied(copier, source, target, side):
    other = f"sqlite:///{copier.folder / 'other.db'}"
    assert copier.run("init", "--name", "Other", "--database", other).returncode == 0
    start, end = (other, target) if side == "target" else (target, f"sqlite:///{copier.folder / 'copy.db'}")
    copier.environment["REFLEDGER_DATABASE_WAIT_S"] = "1"
    with serving(copier, "--database", target) as (_, address):
        # PostgreSQL knows a service by its connections, and it has none before it is asked for something.
        assert httpx.get(f"{address}/readyz").status_code == 200
        done = copier.run("copy", "--database", start, "--to", end)
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert re.search(rf"the {side}(:| is being served)", done.stderr), done.stderr
        assert httpx.get(f"{address}/readyz").status_code == 200
    assert copier.run("copy", "--database", start, "--to", end).returncode == 0  # the control


@pytest.mark.parametrize("onto", ["sqlite", "postgresql"])
def test_nobody_writes_to_the_source_meanwhile(copier, source, target, onto):
    """The control: before and after it can be written to."""
    assert copier.run("copy", "--database", source, "--to", target).returncode == 0
    write = "UPDATE merchants SET name = 'Other'"
    run(target, write)
    database = Database(target, 0.2)
    with copying.held(database), pytest.raises((psycopg.errors.LockNotAvailable, sqlite3.OperationalError)):
        run_within(target, write, 0.2)
    run_within(target, write, 0.2)
    database.close()


def test_a_writer_in_the_way_is_told(copier, source, postgresql_url):
    database = Database(postgresql_url, 0.2)
    with psycopg.connect(postgresql_url) as writer:
        writer.execute("INSERT INTO slug_routes VALUES ('s', 'm', 'p')")
        with pytest.raises(copying.Busy), copying.held(database):
            pass
        writer.rollback()
    with copying.held(database):
        pass
    database.close()


def test_what_the_target_cannot_hold_is_told_by_table_and_row(copier, source, emptied):
    run(source, "UPDATE affiliates SET name = 'a' || char(0) || 'b' WHERE ref_code = 'JOHN123'")
    done = copier.run("copy", "--database", source, "--to", emptied)
    assert (
        done.returncode == 1 and "the target does not take what the source holds: affiliates" in done.stderr
    )
    run(source, "UPDATE affiliates SET name = 'John' WHERE ref_code = 'JOHN123'")
    assert copier.run("copy", "--database", source, "--to", emptied).returncode == 0


@pytest.fixture
def poor(emptied):
    """The same database, for an account that owns nothing in it and may read and write its tables."""
    name = f"poor_{uuid.uuid4().hex[:12]}"
    run(emptied, f"CREATE ROLE {name} LOGIN")
    yield make_url(emptied).set(username=name).render_as_string(hide_password=False), name
    run(emptied, f"DROP OWNED BY {name}")
    run(emptied, f"DROP ROLE {name}")


def test_an_account_that_may_not_make_tables_is_told(copier, source, poor):
    done = copier.run("copy", "--database", source, "--to", poor[0])
    assert done.returncode == 1 and "use an account that owns the database" in done.stderr
    assert done.stderr.count("\n") == 1


def test_rows_that_a_policy_hides_are_never_left_out_in_silence(copier, source, emptied, poor):
    """The control: without the policy the account copies everything."""
    url, name = poor
    assert copier.run("copy", "--database", source, "--to", emptied).returncode == 0
    run(emptied, f"GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {name}")
    first, second = (f"sqlite:///{copier.folder / each}" for each in ("first.db", "second.db"))
    done = copier.run("copy", "--database", url, "--to", first)
    assert done.returncode == 1 and "row-level security policy" in done.stderr.splitlines()[-1]
    for table in metadata.tables:
        run(emptied, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    assert copier.run("copy", "--database", url, "--to", second).returncode == 0
    assert all_rows(second) == all_rows(source)
