import contextlib
import json
import re
import sqlite3
import stat
from importlib.metadata import version

import pytest

from refledger.store.engine import Database

ON_SQLITE = pytest.mark.only_on("sqlite", "it is about the database's file")
NAMES = ["merchant_id", "publishable_key", "secret_key", "test_publishable_key", "test_secret_key"]


def test_init_makes_a_merchant_and_four_keys_in_one_command(shell):
    done = shell.run("init", "--name", "My shop", "--json")
    made = json.loads(done.stdout)
    assert done.returncode == 0 and list(made) == NAMES
    assert all(re.fullmatch(r"[a-z_]+_[A-Za-z0-9]+", value) for value in made.values())


def test_init_prints_what_can_be_copied_and_says_it_is_shown_once(shell):
    done = shell.run("init", "--name", "My shop")
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    assert "cannot be shown again" in done.stderr


@pytest.mark.parametrize("name", ["", "  ", "\u3000\t", "x" * 201, "two\nlines", "\udcff"])
def test_a_name_that_nobody_could_read_is_refused(shell, name):
    done = shell.run("init", "--name", name)
    assert (done.returncode, done.stdout) == (1, "") and "--name" in done.stderr
    assert done.stderr.count("\n") == 1 and list(shell.folder.iterdir()) == []


def test_a_name_is_kept_without_the_space_around_it(shell):
    assert shell.run("init", "--name", f"  {'é' * 200} ").returncode == 0
    assert shell.run("keys", "list").stdout.startswith("é" * 200 + " (")


def test_the_version_is_the_package_s(shell):
    done = shell.run("--version")
    assert (done.returncode, done.stdout) == (0, f"refledger {version('refledger')}\n")


@pytest.mark.parametrize("port", ["99999999", "-1", "many"])
def test_a_port_that_cannot_be_names_the_option(shell, port):
    done = shell.run("serve", "--port", port)
    assert done.returncode == 2 and "'--port'" in done.stderr and "REFLEDGER_PORT" not in done.stderr


def test_what_is_written_is_for_its_owner_alone(shell):
    shell.run("demo")
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (shell.folder / "data").iterdir()}
    assert {"secret.key", "demo.json"} <= files.keys()
    assert {name: mode for name, mode in files.items() if mode & 0o077} == {}


def test_keys_come_and_go(shell):
    shell.run("init", "--name", "My shop")
    made = shell.run("keys", "create", "--kind", "publishable", "--mode", "test", "--label", "till")
    key_id, key = (line.split()[-1] for line in made.stdout.splitlines())
    assert key.startswith("refv_test_")
    listed = shell.run("keys", "list").stdout
    line = next(line for line in listed.splitlines() if key_id in line)
    assert "in force" in line and "till" in line and key not in listed and key[-4:] in line
    assert shell.run("keys", "revoke", key_id).returncode == 0
    assert "revoked" in next(line for line in shell.run("keys", "list").stdout.splitlines() if key_id in line)
    again = shell.run("keys", "revoke", key_id)
    assert (
        again.returncode == 1
        and again.stderr == f"refledger: there is no key {key_id} in force: see `refledger keys list`\n"
    )


def test_the_demo_merchant_is_the_same_each_time(shell):
    first, second = shell.run("demo"), shell.run("demo")
    assert first.returncode == 0 and first.stdout == second.stdout
    calls = [line for line in first.stdout.splitlines() if line.startswith("curl ")]
    assert len(calls) == 4 and "JOHN123" in calls[0] and "99.99" in calls[1] and "SAVE20" in calls[2]


@ON_SQLITE
def test_a_demo_merchant_for_another_database_is_another(shell):
    first = shell.run("demo").stdout
    assert shell.run("demo", "--database", "sqlite:///other.db").stdout != first


def test_the_demo_is_made_anew_where_its_file_was_lost(shell):
    first = shell.run("demo").stdout
    (shell.folder / "data" / "demo.json").unlink()
    second = shell.run("demo")
    assert second.returncode == 0 and second.stdout != first


def test_migrate_says_what_it_did(shell):
    assert re.fullmatch(r"migrated to revision \d{4}\n", shell.run("migrate").stdout)
    assert re.fullmatch(r"already at revision \d{4}\n", shell.run("migrate").stdout)


def test_export_holds_every_row_and_no_key(shell):
    made = json.loads(shell.run("init", "--name", "My shop", "--json").stdout)
    done = shell.run("export")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["table"] for line in lines} == {"merchants", "api_keys", "api_key_routes", "audit"}
    assert {line["row"]["merchant_id"] for line in lines} == {made["merchant_id"]}
    assert "key_hash" not in done.stdout and "fingerprint_key" not in done.stdout
    assert "merchants: 1" in done.stderr


def test_export_to_a_file_is_private_and_whole(shell):
    shell.run("demo")
    done = shell.run("export", "--output", "out.ndjson")
    assert done.stdout == "" and done.returncode == 0
    path = shell.folder / "out.ndjson"
    assert path.read_text() == shell.run("export").stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and not path.with_name("out.ndjson.part").exists()


def test_doctor_finds_a_fresh_demo_well(shell, durable):
    shell.run("demo")
    done = shell.run("doctor")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {"ok", "warn"}


@ON_SQLITE
def test_doctor_ends_with_status_1_where_something_fails(shell):
    (shell.folder / "data").mkdir()
    (shell.folder / "data" / "refledger.db").touch()  # nothing was migrated yet
    done = shell.run("doctor")
    assert done.returncode == 1 and "run `refledger migrate`" in done.stdout
    assert not (shell.folder / "data" / "secret.key").exists()


def test_verify_ledger_is_silent_on_a_ledger_that_balances(shell):
    shell.run("demo")
    done = shell.run("verify-ledger")
    assert (done.returncode, done.stdout) == (0, "")


@ON_SQLITE
@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["migrate", "--database", "nonsense"], {}, "is not a database URL"),
        (["migrate", "--database", "oracle://u:hunter2@h/d"], {}, "is not a database URL"),
        (["migrate", "--database", "sqlite:////dev/null/x.db"], {}, "/dev/null"),
        (
            ["migrate", "--database", "postgresql://u:hunter2@127.0.0.1:1/d"],
            {},
            "the database cannot be used",
        ),
        (["serve", "--port", "0", "--database", "sqlite:////dev/null/x.db"], {}, "/dev/null"),
        (["serve", "--port", "0"], {"REFLEDGER_DATA_DIR": "/dev/null/data"}, "/dev/null"),
        (["serve", "--host", "192.0.2.1", "--port", "0"], {}, "cannot listen on 192.0.2.1:0"),
        (["init", "--name", "x"], {"REFLEDGER_SECRET": "hunter2"}, "REFLEDGER_SECRET: "),
        (["migrate"], {"REFLEDGER_PORT": "many"}, "REFLEDGER_PORT: "),
        (["migrate", "--database", "sqlite://"], {}, "is not a database URL"),
        (["keys", "list"], {}, "there is no database at data/refledger.db: "),
    ],
)
def test_what_goes_wrong_outside_is_one_sentence(shell, arguments, environment, words):
    done = shell.run(*arguments, **environment)
    assert done.returncode == 1 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1 and done.stderr.startswith("refledger: ")
    assert "hunter2" not in done.stderr


READING = (
    ["verify-ledger"],
    ["export"],
    ["export", "--output", "out.ndjson"],
    ["doctor"],
    ["keys", "list"],
    ["keys", "create"],
    ["keys", "revoke", "key_x"],
)


@ON_SQLITE
@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_mistyped_path_is_told_and_leaves_nothing_behind(shell, arguments):
    done = shell.run(*arguments, "--database", "sqlite:///dta/refledger.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("refledger: there is no database at dta/refledger.db: ")
    assert done.stderr.count("\n") == 1 and list(shell.folder.iterdir()) == []


@ON_SQLITE
@pytest.mark.parametrize("arguments", [each for each in READING if each != ["doctor"]], ids=" ".join)
def test_a_database_of_something_else_is_left_as_it_was(shell, arguments):
    path = shell.folder / "other.db"
    path.touch()
    done = shell.run(*arguments, "--database", "sqlite:///other.db")
    assert done.returncode == 1 and "the database at other.db holds nothing of refledger" in done.stderr
    assert list(shell.folder.iterdir()) == [path] and path.stat().st_size == 0


@ON_SQLITE
@pytest.mark.parametrize("arguments", [["init", "--name", "x"], ["demo"], ["migrate"]], ids=" ".join)
def test_what_begins_an_installation_makes_its_database(shell, arguments):
    assert shell.run(*arguments, "--database", "sqlite:///new/refledger.db").returncode == 0
    assert (shell.folder / "new" / "refledger.db").exists()


EVERY = (*READING, ["init", "--name", "x"], ["demo"], ["migrate"], ["serve", "--port", "0"])


@ON_SQLITE
@pytest.mark.parametrize("arguments", EVERY, ids=" ".join)
def test_a_file_that_is_no_database_is_one_sentence(shell, arguments):
    (shell.folder / "notes.txt").write_text("not a database\n" * 300)
    done = shell.run(*arguments, "--database", "sqlite:///notes.txt")
    told = done.stdout if arguments == ["doctor"] else done.stderr
    assert done.returncode == 1 and told.count("the file is not an SQLite database") == 1
    assert done.stderr.count("\n") == (arguments != ["doctor"])
    assert (shell.folder / "notes.txt").read_text().startswith("not a database\n")


@ON_SQLITE
@pytest.mark.parametrize("arguments", EVERY, ids=" ".join)
def test_a_damaged_file_is_one_sentence(shell, arguments):
    shell.run("init", "--name", "My shop")
    path = shell.folder / "data" / "refledger.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))  # its first words are still right
    done = shell.run(*arguments)
    told = done.stdout if arguments == ["doctor"] else done.stderr
    assert done.returncode == 1 and told.count("the database file is damaged") == 1
    assert done.stderr.count("\n") == (arguments != ["doctor"])


@ON_SQLITE
def test_damage_that_only_a_long_read_meets_is_one_sentence(shell):
    shell.run("init", "--name", "My shop")
    path = shell.folder / "data" / "refledger.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        find = "SELECT rootpage FROM sqlite_master WHERE name = 'conversions'"
        at = (connection.execute(find).fetchone()[0] - 1) * 4096
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
    done = shell.run("export", "--output", "out.ndjson")
    assert done.returncode == 1 and "the database file is damaged" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and not (shell.folder / "out.ndjson").exists()


def test_a_merchant_that_is_not_there_is_told(shell):
    shell.run("migrate")
    for arguments, words in (
        ([], "there is no merchant yet"),
        (["--merchant", "mer_x"], "there is no merchant mer_x"),
    ):
        done = shell.run("keys", "list", *arguments)
        assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1


def test_a_database_of_a_newer_version_is_refused(shell):
    shell.run("migrate")
    database = Database(
        shell.environment.get("REFLEDGER_DATABASE_URL") or f"sqlite:///{shell.folder}/data/refledger.db"
    )
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    done = shell.run("init", "--name", "x")
    assert done.returncode == 1 and "install the newer version" in done.stderr


@pytest.mark.prove_on("postgresql")
def test_the_demo_month_is_made_once_and_says_what_came_of_it(shell):
    before = shell.run("demo").stdout
    made = shell.run("demo", "--month")
    assert shell.run("demo").stdout == before  # its calls lead to the same program as ever
    assert "pending_review" in made.stderr and "/v1/review" in made.stdout
    again = shell.run("demo", "--month")
    assert again.returncode == 0 and "made before" in again.stderr and again.stdout == made.stdout
    (command,) = (line for line in made.stdout.splitlines() if line.startswith("refledger backtest"))
    tried = shell.run(*command.split()[1:])
    assert tried.returncode == 0 and "would have been different" in tried.stdout


@pytest.mark.prove_on("postgresql")
def test_the_demo_year_is_made_once_and_ends_verified(shell):
    made = shell.run("demo", "--year", "--months", "1")
    assert made.returncode == 0 and "dispute open" in made.stderr and "every cent balances" in made.stderr
    paid = re.findall(r"paid +(.+) by payouts, (.+) by statements", made.stdout)
    assert len(paid) == 2 and all(by_payouts == by_statements for by_payouts, by_statements in paid)
    again = shell.run("demo", "--year", "--months", "1")
    assert again.returncode == 0 and "made before" in again.stderr and again.stdout == made.stdout
