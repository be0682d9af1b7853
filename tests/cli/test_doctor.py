"""Each complaint of the doctor, beside the state in which it must be silent."""

import os

import pytest

from refledger.core.refusals import Reason
from refledger.services import demo
from refledger.services.doctor import DAY_MS, SUGGESTIONS, examine
from refledger.settings import Settings
from refledger.store.engine import Database
from refledger.store.schema import attempts, clicks, conversions, door_counts
from refledger.store.statements import Insert
from tests.conftest import Clock

SECRET_TEXT = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def installation(durable, database, database_url, clock, tmp_path):
    """Settings, and the demo merchant set up under them, on a database that is as durable as it should be."""
    settings = Settings(data_dir=tmp_path, database_url=database_url, _env_file=None)
    return settings, demo.ensure_demo(database, settings.secret_bytes(), tmp_path, clock.now_ms)


def row(table, **values):
    blank = {
        str(column.name): None if column.nullable else "" if column.type.python_type is str else 0
        for column in table.columns
    }
    return blank | values


def add(database, table, *rows):
    with database.write() as connection:
        Insert(table).run(connection, rows)


def conversion(made, clock, number=1, **values):
    return row(
        conversions,
        merchant_id=made["merchant_id"],
        id=f"conv_{number:04}",
        program_id=made["program_id"],
        mode="live",
        decision="pending",
        accepted_no=number,
        at_ms=clock.now_ms,
        **values,
    )


def attempt(made, clock, number=1, **values):
    blank = {
        "mode": "live",
        "at_ms": clock.now_ms,
        "merchant_id": made["merchant_id"],
        "id": f"att_{number:04}",
    }
    return row(attempts, **(blank | values))


def findings(settings, database, clock, subject=None):
    found = list(examine(settings, database, clock.now_ms))
    return [finding for finding in found if subject is None or finding.subject.startswith(subject)]


def test_a_sound_installation_has_no_failure(installation, database, clock):
    settings, _ = installation
    levels = {finding.level for finding in findings(settings, database, clock)}
    assert levels == {"ok", "warn"}  # the warning: nothing was reported yet


def test_an_empty_database_says_what_to_run(empty_url, tmp_path, clock):
    database = Database(empty_url)
    settings = Settings(data_dir=tmp_path)
    found = findings(settings, database, clock)
    assert [finding.level for finding in found][-2:] == ["fail", "warn"]
    assert "refledger migrate" in found[-2].words
    database.close()


def test_a_database_that_cannot_be_written_is_a_failure(installation, database, clock):
    settings, _ = installation
    url = database.url.render_as_string()
    blocker, blocked = Database(url, 0.1), Database(url, 0.1)
    with blocker.write() as connection:
        if not database.is_sqlite:  # where writers do not keep each other out
            connection.exec_driver_sql(
                f"ALTER DATABASE {database.url.database} SET default_transaction_read_only = on"
            )
            connection.commit()
        found = findings(settings, blocked, clock, "database")
    assert [finding.level for finding in found] == ["fail"] and "cannot serve" in found[0].words
    blocker.close(), blocked.close()


def test_a_server_out_of_reach_is_said_once_in_one_line(tmp_path, clock):
    database = Database("postgresql://u:hunter2@127.0.0.1:1/d", 1)
    found = findings(Settings(data_dir=tmp_path), database, clock)
    assert [(each.level, each.subject) for each in found] == [("fail", "database"), ("warn", "data")]
    assert "Connection refused" in found[0].words and "\n" not in found[0].words
    assert "hunter2" not in found[0].words
    database.close()


@pytest.mark.only_on("sqlite", "the setting is the connection's; the server's stands below")
def test_less_than_full_durability_is_a_failure(installation, database, clock):
    settings, _ = installation
    assert [each.level for each in findings(settings, database, clock, "durability")] == ["ok"]
    database.writing.connection.driver_connection.execute("PRAGMA synchronous = NORMAL")
    assert [each.level for each in findings(settings, database, clock, "durability")] == ["fail"]


def test_a_server_that_waits_for_no_disk_is_a_failure(postgresql_url, tmp_path):
    """As the tests' own server is left to itself."""
    database = Database(postgresql_url)
    levels = [each.level for each in findings(Settings(data_dir=tmp_path), database, Clock(), "durability")]
    with database.read() as connection:
        fsync = connection.exec_driver_sql("SHOW fsync").scalar()
    database.close()
    assert levels == ["ok" if fsync == "on" else "fail"]


def test_a_clock_behind_the_last_conversion_is_a_failure(installation, database, clock):
    settings, _ = installation
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE standings SET last_accepted_ms = {clock.now_ms}")
    assert findings(settings, database, clock, "clock")[-1].level == "ok"
    clock.advance_s(-60)
    assert findings(settings, database, clock, "clock")[-1].level == "fail"


def test_a_clock_that_was_never_set_is_a_failure(installation, database, clock):
    clock.now_ms = 0
    assert "set its clock" in findings(installation[0], database, clock, "clock")[0].words


def test_a_secret_that_others_can_read_is_named(installation, database, clock):
    settings, _ = installation
    settings.secret_path.chmod(0o644)
    assert "chmod 600" in findings(settings, database, clock, "secret")[0].words


def test_a_secret_that_is_gone_or_newer_than_the_keys_is_named(installation, database, clock):
    settings, _ = installation
    begun_s = clock.now_ms / 1000
    os.utime(settings.secret_path, (begun_s, begun_s))
    assert findings(settings, database, clock, "secret")[0].level == "ok"
    os.utime(settings.secret_path, (begun_s + 3600, begun_s + 3600))
    assert "newer than the first key" in findings(settings, database, clock, "secret")[0].words
    settings.secret_path.unlink()
    assert findings(settings, database, clock, "secret")[0].level == "fail"
    assert not settings.secret_path.exists()  # looking does not make one
    given = Settings(data_dir=settings.data_dir, secret=SECRET_TEXT)
    assert findings(given, database, clock, "secret")[0].level == "ok"


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("100.64.0.1", True),
        ("203.0.113.42", False),
        ("8.8.8.8", False),
    ],
)
def test_customers_with_private_addresses_point_to_the_proxy(installation, database, clock, address, named):
    settings, made = installation
    add(database, conversions, conversion(made, clock, address=address))
    found = findings(settings, database, clock, "customer addresses")
    assert [finding.level for finding in found] == (["warn"] if named else [])


def test_what_was_refused_comes_with_what_to_do(installation, database, clock):
    settings, made = installation
    add(database, attempts, attempt(made, clock, code="invalid_program"))
    (found,) = findings(settings, database, clock, "refusals")
    assert found.level == "warn" and SUGGESTIONS["invalid_program"] in found.words
    clock.advance_s(DAY_MS / 1000)
    assert findings(settings, database, clock, "refusals")[0].level == "ok"


@pytest.mark.parametrize(("verified", "words"), [(0, "secret key"), (1, "raise the affiliate's")])
def test_limits_filled_by_unverified_reports_call_for_secret_keys(
    installation, database, clock, verified, words
):
    settings, made = installation
    add(database, attempts, attempt(made, clock, code="rate_limited", verified=verified))
    assert words in findings(settings, database, clock, "refusals")[0].words


def test_answers_at_the_door_are_told(installation, database, clock):
    settings, _ = installation
    hour_ms = clock.now_ms - clock.now_ms % 3_600_000
    add(database, door_counts, {"hour_ms": hour_ms, "code": "invalid_key", "answers": 7})
    (found,) = findings(settings, database, clock, "at the door")
    assert found.words.startswith("7 requests") and "keys list" in found.words


@pytest.mark.parametrize(
    ("number", "answers", "refused"),
    [(1, "1 request ", "1 live report "), (2, "2 requests ", "2 live reports ")],
)
def test_one_is_not_told_in_the_plural(installation, database, clock, number, answers, refused):
    settings, made = installation
    hour_ms = clock.now_ms - clock.now_ms % 3_600_000
    add(database, door_counts, {"hour_ms": hour_ms, "code": "invalid_key", "answers": number})
    add(database, attempts, *(attempt(made, clock, n, code="duplicate") for n in range(number)))
    assert findings(settings, database, clock, "at the door")[0].words.startswith(answers)
    assert findings(settings, database, clock, "refusals")[0].words.startswith(refused)
    assert findings(settings, database, clock, "merchant")[0].words == "4 keys in force"
    with database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE api_keys SET revoked_ms = 1 WHERE kind = 'publishable' OR mode = 'test'"
        )
    assert findings(settings, database, clock, "merchant")[0].words == "1 key in force"


def test_last_click_and_conversion_of_each_program(installation, database, clock):
    settings, made = installation
    assert (
        "last click never, last conversion never" in findings(settings, database, clock, "program")[0].words
    )
    ids = {
        "merchant_id": made["merchant_id"],
        "id": "clk_1",
        "program_id": made["program_id"],
        "mode": "test",
    }
    add(database, clicks, row(clicks, at_ms=clock.now_ms, **ids))
    words = [finding.words for finding in findings(settings, database, clock, "program")]
    assert words[1].startswith("test: last click 2026-") and len(words) == 2


def test_mostly_unsigned_reports_are_a_warning(installation, database, clock):
    settings, made = installation
    add(database, conversions, conversion(made, clock, 1, verified=0))
    assert findings(settings, database, clock, "merchant")[-1].level == "warn"
    add(database, conversions, conversion(made, clock, 2, verified=1))
    assert findings(settings, database, clock, "merchant")[-1].level == "ok"


def test_a_check_that_breaks_is_a_finding(installation, database, clock):
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE door_counts")
    (found,) = findings(installation[0], database, clock, "at the door")
    assert found.level == "fail" and "the check itself broke" in found.words


def test_suggestions_are_for_reasons_that_exist():
    assert SUGGESTIONS.keys() <= {reason.value for reason in Reason}
