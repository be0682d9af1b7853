"""What is wrong with an installation, in words, each with what to do about it.

A check is a function that yields findings. One that breaks is a finding too: the doctor never falls ill.
"""

import importlib.metadata
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from refledger.core import addresses
from refledger.core.programs import DAY_MS
from refledger.services import sources
from refledger.settings import Settings
from refledger.store import diagnostics, migrate
from refledger.store.engine import EVERYONE, Connection, Database, Unavailable

LOW_DISK_BYTES = 500_000_000
_PLAUSIBLE_MS = 1_750_000_000_000  # 2025: a clock before it was never set

SUGGESTIONS = {
    "rate_limited": "raise the affiliate's or the program's limits, or accept the attempts one by one",
    "invalid_program": "the shop sends a program id that is unknown or not active here: compare it",
    "invalid_affiliate": "codes that no live affiliate has: look for mistyped or paused ones in the attempts",
    "invalid_coupon": "coupons that no live affiliate has: make them, or send only the ones that count",
    "disposable_email": "accept an attempt if the customer is real, or allow the domain in the lists",
    "timing_too_fast": "reports within ten seconds of the click: bots, or a click tracked at the checkout",
    "timing_too_slow": "reports after the program's window: widen window_days if that is meant to pay",
    "blocked": "your own block list refused these",
    "missing_fields": "the shop leaves out required fields: the attempt names them",
    "invalid_field": "the shop sends fields that cannot be read: the attempt names them",
    "duplicate": "usual in small numbers: retries and returning customers",
    "no_referral": "sales without any code: usual where a shop reports every sale",
    "invalid_key": "unknown or revoked keys: compare the shop's with `refledger keys list`",
    "invalid_body": "bodies that are not one JSON object: look at how the shop builds its request",
}
_UNVERIFIED_LIMIT = (
    "most were signed with the publishable key, which anybody can copy from the shop's pages: report sales "
    "from the server with a secret key, they are counted apart and forged ones cannot use up their limit"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """`level`: ok | warn | fail."""

    level: str
    subject: str
    words: str


@dataclass(frozen=True, slots=True)
class Patient:
    """What the checks look at."""

    settings: Settings
    database: Database
    now_ms: int
    connection: Connection | None = field(default=None)


Check = Callable[[Patient], Iterator[Finding]]


def examine(settings: Settings, database: Database, now_ms: int) -> Iterator[Finding]:
    """Findings as they are made. What needs a working, migrated database is left out without one."""
    patient = Patient(settings, database, now_ms)
    failed = set()
    for subject, check in FOUNDATIONS:
        if "database" in failed:
            break  # what is out of reach is said once
        for finding in _guarded(subject, check, patient):
            if finding.level == "fail":
                failed.add(finding.subject)
            yield finding
    if failed:
        yield Finding("warn", "data", "not looked at until the failures above are mended")
        return
    with database.read(EVERYONE) as connection:
        patient = Patient(settings, database, now_ms, connection)
        for subject, check in CONTENTS:
            yield from _guarded(subject, check, patient)


def _guarded(subject: str, check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        yield from check(patient)
    except Unavailable as error:
        yield Finding("fail", subject, f"the database cannot serve: {_one_line(error)}")
    except Exception as error:
        words = f"the check itself broke: {type(error).__name__}: {_one_line(error)}"
        yield Finding("fail", subject, words)


# ── what everything stands on ────────────────────────────────────────────────────────────────────────────


def _database(patient: Patient) -> Iterator[Finding]:
    database = patient.database
    diagnostics.probe_write(database)
    yield Finding(
        "ok", "database", f"{database.url.render_as_string(hide_password=True)} can be read and written"
    )
    found = diagnostics.durability(database)
    words = ", ".join(f"{name} = {value}" for name, value in found.items())
    if database.is_sqlite:
        durable = found["synchronous"] in ("2", "3") and found["journal_mode"] in ("wal", "delete")
    else:
        durable = found["fsync"] == "on" and found["synchronous_commit"] not in ("off",)
    if durable:
        yield Finding("ok", "durability", f"what is answered is on the disk ({words})")
    else:
        yield Finding("fail", "durability", f"a power cut can lose what was acknowledged ({words})")
    if database.is_sqlite:
        free = shutil.disk_usage(Path(database.url.database).resolve().parent).free
        level = "warn" if free < LOW_DISK_BYTES else "ok"
        yield Finding(level, "disk", f"{free // 1_000_000} MB free beside the database")


def _migrations(patient: Patient) -> Iterator[Finding]:
    current, head = migrate.current(patient.database), migrate.head()
    if current == head:
        yield Finding("ok", "migrations", f"at revision {head}, the newest")
    elif migrate.is_half_copied(current):
        words = "a copy into this database was begun and is not finished: run `refledger copy` again"
        yield Finding("fail", "migrations", words)
    elif current is not None and current > head:
        yield Finding(
            "fail", "migrations", f"the database is at {current}, this version knows up to {head}: upgrade"
        )
    else:
        yield Finding(
            "fail", "migrations", f"at {current or 'nothing yet'}, needs {head}: run `refledger migrate`"
        )


FOUNDATIONS: tuple[tuple[str, Check], ...] = (("database", _database), ("migrations", _migrations))

# ── what it holds ────────────────────────────────────────────────────────────────────────────────────────


def _secret(patient: Patient) -> Iterator[Finding]:
    first_key_ms = diagnostics.first_key_ms(patient.connection)
    if patient.settings.secret is not None:
        yield Finding("ok", "secret", "from REFLEDGER_SECRET")
        return
    path = patient.settings.secret_path
    if not path.exists():
        level, words = ("ok", "made at first use") if first_key_ms is None else ("fail", _SECRET_LOST)
        yield Finding(level, "secret", f"{path} is not there: {words}")
        return
    stat = path.stat()
    if stat.st_mode & 0o077:
        yield Finding("warn", "secret", f"{path} can be read by others: run `chmod 600 {path}`")
    elif first_key_ms is not None and stat.st_mtime * 1000 > first_key_ms + 60_000:
        yield Finding("warn", "secret", f"{path} is newer than the first key: {_SECRET_LOST}")
    else:
        yield Finding("ok", "secret", f"{path} is there, and readable by its owner alone")


_SECRET_LOST = (
    "keys made under another secret are no longer recognised; restore it from a backup, or make new keys "
    "with `refledger keys create`"
)


def _clock(patient: Patient) -> Iterator[Finding]:
    if patient.now_ms < _PLAUSIBLE_MS:
        yield Finding("fail", "clock", f"this machine believes it is {_when(patient.now_ms)}: set its clock")
        return
    server_ms = diagnostics.server_time_ms(patient.database)
    if server_ms is not None and abs(server_ms - patient.now_ms) > 2000:
        behind_s = (patient.now_ms - server_ms) / 1000
        yield Finding(
            "warn", "clock", f"this machine and the database differ by {behind_s:.1f} s: use NTP on both"
        )
    latest_ms = diagnostics.latest_ms(patient.connection)
    if latest_ms is not None and latest_ms > patient.now_ms + 1000:
        words = f"behind the last conversion ({_when(latest_ms)}): set it, limits and windows depend on it"
        yield Finding("fail", "clock", words)
    else:
        yield Finding("ok", "clock", f"{_when(patient.now_ms)}, not behind any conversion")


def _proxy(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    if settings.trusted_proxies:
        ranges = ", ".join(str(each) for each in settings.trusted_proxies)
        yield Finding("ok", "proxy", f"forwarded headers are believed from {ranges}")
    else:
        yield Finding("ok", "proxy", "forwarded headers are believed from nobody")
    if settings.public_url and settings.public_url.startswith("http://"):
        yield Finding(
            "warn", "proxy", "REFLEDGER_PUBLIC_URL is not https: keys and e-mails would travel in clear"
        )
    seen = Counter()
    for merchant in diagnostics.merchants_with_keys(patient.connection):
        for row in diagnostics.latest_conversions(patient.connection, merchant["merchant_id"]):
            if row.address and row.at_ms > patient.now_ms - 7 * DAY_MS:
                found = addresses.parse(row.address)
                seen["inside" if found and found.special in addresses.INSIDE else "outside"] += 1
    if seen["inside"]:
        words = (
            f"conversions of the last 7 days from a private address: {seen['inside']} of {seen.total()}; "
            "name your proxy in REFLEDGER_TRUSTED_PROXIES, or let the shop send the customer's own address"
        )
        yield Finding("warn", "customer addresses", words)


def _sources(patient: Patient) -> Iterator[Finding]:
    found = sources.statuses(patient.settings)
    missing = sources.not_evaluated(found)
    for each in found:
        source, silent = each.source, [code for code in each.source.signals if code in missing]
        if each.loaded:
            yield _source(each.loaded, silent, patient.now_ms)
        elif each.problem:
            words = f"{source.variable} names {each.path}: {each.problem}; {_KEPT_SOURCE}"
            yield Finding("fail", source.subject, words)
        else:
            words = f"{', '.join(silent)}: not evaluated" if silent else "other files know it"
            yield Finding("ok", source.subject, f"{source.variable} is not set; {words}")


def _source(loaded: sources.Loaded, silent: list[str], now_ms: int) -> Finding:
    age_days = max(0, (now_ms - loaded.made_ms) // DAY_MS)
    is_old = age_days > sources.OLD_DAYS
    parts = [f"{loaded.version}, {_count(age_days, 'day')} old"]
    if loaded.bad_lines:
        parts.append(f"{_count(loaded.bad_lines, 'bad line')}, the first is line {loaded.first_bad_line}")
    if lacking := [code for code in silent if not sources.SIGNALS_NEED[code] & loaded.knows]:
        parts.append(f"{', '.join(lacking)}: not evaluated, it does not tell")
    if is_old:
        parts.append("fetch a newer one")
    return Finding("warn" if is_old else "ok", loaded.source.subject, "; ".join(parts))


_KEPT_SOURCE = "a running service keeps what it read before; see `refledger geoip status`"


def _data_files(patient: Patient) -> Iterator[Finding]:
    from disposable_email_domains import blocklist

    version = importlib.metadata.version("disposable-email-domains")
    level = "ok" if len(blocklist) > 1000 else "fail"
    yield Finding(level, "disposable e-mail", f"{len(blocklist)} domains, list version {version}")
    supplement = Path(addresses.__file__).parent / "data" / "disposable-supplement.txt"
    if not supplement.exists():
        yield Finding("fail", "disposable e-mail", f"{supplement.name} is missing: install the package again")
    elif not os.access(supplement, os.R_OK):
        yield Finding("fail", "disposable e-mail", f"{supplement.name} cannot be read")


def _keys(patient: Patient) -> Iterator[Finding]:
    found = diagnostics.merchants_with_keys(patient.connection)
    if not found:
        yield Finding("warn", "merchants", "none yet: run `refledger init --name NAME`")
    for merchant in found:
        keys = merchant["keys"]
        count = f"{_count(sum(keys.values()), 'key')} in force"
        subject = f"merchant {merchant['name']}"
        if any(keys.get((kind, "live")) for kind in ("publishable", "secret")):
            yield Finding("ok", subject, count)
        else:
            words = f"{count}, none live: nothing can be reported; run `refledger keys create`"
            yield Finding("warn", subject, words)


def _programs(patient: Patient) -> Iterator[Finding]:
    last_click: dict[tuple[str, str], int] = {}
    for merchant in diagnostics.merchants_with_keys(patient.connection):
        for row in diagnostics.latest_clicks(patient.connection, merchant["merchant_id"]):
            key = (row.program_id, row.mode)
            last_click[key] = max(row.at_ms, last_click.get(key, 0))
    for program in diagnostics.programs_of(patient.connection):
        for mode in ("live", "test"):
            click_ms, conversion_ms = last_click.get((program["id"], mode)), program["last"].get(mode)
            if mode == "test" and not (click_ms or conversion_ms):
                continue
            words = f"{mode}: last click {_when(click_ms)}, last conversion {_when(conversion_ms)}"
            quiet = program["status"] == "active" and mode == "live" and not conversion_ms
            level = "warn" if quiet else "ok"
            yield Finding(level, f"program {program['name']}", words)


def _door(patient: Patient) -> Iterator[Finding]:
    counted = diagnostics.answers_at_the_door(patient.connection, patient.now_ms - DAY_MS)
    for code, answers in counted:
        words = f"{_count(answers, 'request')} of the last 24 h answered {code} before a merchant was known"
        yield Finding("warn", "at the door", _with_suggestion(words, code))
    if not counted:
        yield Finding("ok", "at the door", "no unreadable request and no unknown key in the last 24 h")


def _attempts(patient: Patient) -> Iterator[Finding]:
    refused, unverified = Counter(), Counter()
    for merchant in diagnostics.merchants_with_keys(patient.connection):
        for row in diagnostics.latest_attempts(patient.connection, merchant["merchant_id"]):
            if row.mode == "live" and row.at_ms > patient.now_ms - DAY_MS:
                refused[row.code] += 1
                unverified[row.code] += not row.verified
    for code, count in refused.most_common():
        told = f"{_count(count, 'live report')} of the last 24 h refused as {code}"
        words = _with_suggestion(told, code)
        if code == "rate_limited" and 2 * unverified[code] >= count:
            words = f"{told}; {_UNVERIFIED_LIMIT}"
        yield Finding("ok" if code in ("duplicate", "no_referral") else "warn", "refusals", words)
    if not refused:
        yield Finding("ok", "refusals", "no live report refused in the last 24 h")


def _signing(patient: Patient) -> Iterator[Finding]:
    for merchant in diagnostics.merchants_with_keys(patient.connection):
        latest = diagnostics.latest_conversions(patient.connection, merchant["merchant_id"])
        live = [row for row in latest if row.mode == "live"]
        verified = sum(bool(row.verified) for row in live)
        if live:
            words = f"live conversions signed with a secret key: {verified} of the latest {len(live)}"
            level = "ok" if 2 * verified >= len(live) else "warn"
            advice = (
                ""
                if level == "ok"
                else "; report from the shop's server with one, for the other key is public"
            )
            yield Finding(level, f"merchant {merchant['name']}", words + advice)


CONTENTS: tuple[tuple[str, Check], ...] = (
    ("secret", _secret),
    ("clock", _clock),
    ("proxy", _proxy),
    ("places and networks", _sources),
    ("disposable e-mail", _data_files),
    ("merchants", _keys),
    ("programs", _programs),
    ("at the door", _door),
    ("refusals", _attempts),
    ("signing", _signing),
)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _with_suggestion(words: str, code: str) -> str:
    return f"{words}: {SUGGESTIONS[code]}" if code in SUGGESTIONS else words


def _when(at_ms: int | None) -> str:
    return (
        "never" if not at_ms else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    )
