"""A back-test over a million stored decisions: some hundred real ones, copied in SQL with ids of their own."""

import json
import random
import resource
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg

from bench import installation as installations
from bench import postgresql, profile, requests
from bench.installation import Installation
from refledger.core import addresses
from refledger.core.ids import make_id
from refledger.core.intake import read_object, read_report
from refledger.core.keys import hash_key, read_key
from refledger.core.programs import DAY_MS
from refledger.services import catalogue
from refledger.services.backtest import Question, backtest
from refledger.services.claims import Claim
from refledger.services.credentials import Tenant
from refledger.store.engine import Database, now_ms
from refledger.store.schema import metadata

PATTERNS = 500  # real decisions that the others are copies of
_REFUSING = {"signals": {"email.plus_numeric": {"action": "refuse"}}}
_SPAN_MS = 25 * DAY_MS
Say = Callable[[str], None]


def run(folder: Path, engine: str, decisions: int, preset: str, say: Say) -> None:
    whole = installations.make(folder / "template")
    tenant = Tenant(whole.merchant_id, "bench", "live", bytes.fromhex(whole.fingerprint_key))
    _happen(whole, tenant)
    with ExitStack() as stack:
        if engine == "postgresql":
            server = stack.enter_context(postgresql.server())
            server.move(whole, "refledger_backtest")
            whole = whole.at(server.create("backtest", "refledger_backtest"))
        started = time.monotonic()
        _copy(whole, decisions // PATTERNS)
        say(f"{decisions:,} decisions on {engine}, copied in {time.monotonic() - started:.0f} s")
        database = stack.enter_context(closing(Database(whole.url)))
        for policy in (None, {"preset": preset}):
            _measure(database, tenant, Question(whole.program_id, policy), say)


def _happen(whole: Installation, tenant: Tenant) -> None:
    """Nine in ten of what is reported is honest; the others set off signals, are refused, or come twice."""
    database = Database(whole.url)
    with database.write(whole.merchant_id) as connection:
        catalogue.put_policy(connection, tenant, whole.program_id, _REFUSING, now_ms(), random.randbytes)
    settling = profile.tracking.Tracking(database, profile.Words(), now_ms)
    chance, emails = random.Random(1), [requests.email(n) for n in range(PATTERNS)]
    for n in range(0, PATTERNS, 20):
        emails[n : n + 2] = [f"test{n}@shop{n}.example", f"anna+{n}@gmail.com"]
        emails[n + 2] = emails[n + 3]
    waiting = [_claim(whole, n, email, chance) for n, email in enumerate(emails)]
    while waiting:
        outcomes = list(zip(waiting, settling.settle(waiting[:64]), strict=False))
        waiting = [claim for claim, answer in outcomes if answer is profile.tracking.LATER] + waiting[64:]
    database.close()


def _claim(whole: Installation, number: int, email: str, chance: random.Random) -> Claim:
    body = json.loads(requests.body(whole, number, chance, number % 2 == 0)) | {"customer_email": email}
    given = read_object(json.dumps(body).encode())
    key, address = given["publishable_key"], addresses.parse(given["customer_ip"])
    is_secret = read_key(key).kind == "secret"
    hashed = hash_key(key, whole.settings.secret_bytes())
    return Claim("r", hashed, is_secret, given, read_report(given, is_secret), address)


def _copy(whole: Installation, copies: int) -> None:
    """Each copy a while before the one before; customers are new each time, affiliates the same."""
    is_sqlite = not whole.address
    raw = (
        sqlite3.connect(whole.path, isolation_level=None)
        if is_sqlite
        else psycopg.connect(whole.address, autocommit=True)
    )
    with closing(raw):
        raw.execute("PRAGMA synchronous = OFF" if is_sqlite else "SET synchronous_commit = off")
        first_ms = raw.execute("SELECT min(at_ms) FROM conversions").fetchone()[0]
        for table in _IDS:
            raw.execute(f"CREATE TEMPORARY TABLE first_{table} AS SELECT * FROM {table}")
        statements = [_copying(table, is_sqlite) for table in _IDS]
        # The earliest first, as they grow in life.
        for n in reversed(range(1, copies)):
            back_ms = n * (_SPAN_MS // copies)
            time_of_id = make_id("x", first_ms - back_ms, bytes(10))[2:12]
            raw.execute("BEGIN")
            for statement in statements:
                raw.execute(statement, {"time": time_of_id, "back": back_ms, "n": str(n)})
            raw.execute("COMMIT")
        raw.execute("ANALYZE")


# The column that orders each table, and what its ids begin with.
_IDS = {"decisions": ("conversion_id", "conv"), "conversions": ("id", "conv"), "attempts": ("id", "att")}


def _copying(table: str, is_sqlite: bool) -> str:
    id_name, prefix = _IDS[table]
    own = {
        id_name: f"'{prefix}_' || :time || substr({id_name}, {len(prefix) + 12})",
        "at_ms": "at_ms - :back",
        "email_key": "email_key || :n",
    }
    columns = metadata.tables[table].columns.keys()
    sql = (
        f"INSERT INTO {table} SELECT {', '.join(own.get(each, each) for each in columns)} FROM first_{table}"
    )
    if is_sqlite:
        return sql
    for name, kind in {"time": "text", "back": "bigint", "n": "text"}.items():
        sql = sql.replace(f":{name}", f"CAST(%({name})s AS {kind})")
    return sql


def _measure(database: Database, tenant: Tenant, question: Question, say: Say) -> None:
    started, used_s = time.monotonic(), time.process_time()
    with database.read(tenant.merchant_id) as connection:
        found = backtest(connection, tenant, question, now_ms())
    taken_s, used_s = time.monotonic() - started, time.process_time() - used_s
    if found["reproduced"]["differing"] or not found["complete"]:
        raise RuntimeError("a back-test that does not reproduce what was decided measures nothing")
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    what = question.overrides["preset"] if question.overrides else "as judged"
    say(
        f"{what:<10} {found['decisions']:>9,} decisions in {taken_s:5.1f} s ({used_s:.1f} s of one core, "
        f"{taken_s / found['decisions'] * 1e6:.1f} µs each), {len(found['flips']):,} flips, {most_mb:,} MB at most"
    )
