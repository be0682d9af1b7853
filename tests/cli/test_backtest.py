"""`refledger backtest`: the report as text and as JSON, what it says when it cannot, and its status."""

import json

import pytest

from refledger.store.engine import now_ms
from tests.builders import Counter, Shop, settings_for


@pytest.fixture
def shop(shell):
    """Two sales of which `strict` refuses one and holds the other, in the database that the commands use."""
    shell.run("migrate")
    usual = f"sqlite:///{shell.folder}/data/refledger.db"
    url = shell.environment.get("REFLEDGER_DATABASE_URL", usual)
    made = Shop(settings_for(url, shell.folder / "data"), now_ms)
    counter = Counter(made)
    made.refused = counter.purchase("john123@affiliate.example").id
    made.held = counter.purchase("ann+news@firm.example", customer_user_agent="x").id
    yield made
    made.close()


def test_a_preset_prints_what_would_have_changed(shell, shop):
    done = shell.run("backtest", "--policy", "strict")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{shop.program_id}, live, from ")
    assert lines[1:4] == [
        "        2 decisions",
        "        2 of them reproduced under the policy that judged them",
        "        1 would have been different",
    ]
    assert any(line.split()[:4] == ["identity.affiliate_mailbox", "review", "refused", "1"] for line in lines)
    assert any(f"{shop.refused} of" in line and "would be refused" in line for line in lines)
    john = f"JOHN123 (JOHN123, {shop.john_id})"
    assert any(line.split("  ")[0] == john and line.split()[3:5] == ["review", "refused"] for line in lines)
    assert any(f"for {john}, was held for review" in line for line in lines)


def test_the_json_is_the_whole_report_and_without_a_policy_nothing_flips(shell, shop):
    found = json.loads(shell.run("backtest", "--json", "--program", shop.program_id).stdout)
    assert (found["object"], found["decisions"], found["flips"]) == ("backtest", 2, [])
    assert found["reproduced"] == {"count": 2, "share": 1.0, "differing": []}
    none = json.loads(shell.run("backtest", "--json", "--mode", "test").stdout)
    assert none["decisions"] == 0
    before = shell.run("backtest", "--json", "--from", "2020-01-01T00:00:00Z", "--to", "2020-02-01T00:00:00Z")
    assert json.loads(before.stdout)["decisions"] == 0


def test_a_policy_may_come_from_a_file(shell, shop):
    policy = {"signals": {"email.plus_tag": {"action": "refuse"}}}
    (shell.folder / "tried.json").write_text(json.dumps(policy))
    found = json.loads(shell.run("backtest", "--policy", "tried.json", "--json").stdout)
    assert [(each["id"], each["to"]) for each in found["flips"]] == [(shop.held, "refused")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policy", "stricter"), "neither a file nor one of the presets reference, lenient, strict"),
        (("--policy", "broken.json"), "is not usable JSON"),
        (("--policy", "wrong.json"), "policy.review_at must be a whole number"),
        (("--policy", "deep.json"), "deep.json is nested too deeply"),
        (("--policy", "list.json"), "policy must be an object"),
        (("--policy", "long.json"), "a number has more than 100 digits"),
        (("--policy", "binary.json"), "is not UTF-8 text"),
        (("--policy", "/dev/zero"), "has more than 1,024 kB: no policy"),
        (("--policy", ""), "--policy '' is neither a file"),
        (("--policy", "."), "--policy '.' is neither a file"),
        (("--to", "0001-01-01T00:00:00Z"), "--to is before 1970"),
        (("--program", "prog_x"), "there is no program prog_x"),
        (("--from", "yesterday"), "--from must be an RFC 3339 time"),
        (("--from", "2030-01-01T00:00:00Z", "--to", "2029-01-01T00:00:00Z"), "from must be before to"),
    ],
)
def test_what_cannot_be_asked_ends_in_one_sentence(shell, shop, arguments, words):
    (shell.folder / "broken.json").write_text("{")
    (shell.folder / "deep.json").write_text("[" * 200_000)
    (shell.folder / "list.json").write_text("[]")
    (shell.folder / "long.json").write_text('{"review_at": 1' + "0" * 5000 + "}")
    (shell.folder / "binary.json").write_bytes(b"\xff\xfe")
    (shell.folder / "wrong.json").write_text('{"review_at": 0}')
    done = shell.run("backtest", *arguments)
    assert (done.returncode, done.stdout) == (1, "") and words in done.stderr
    assert done.stderr.startswith("refledger: ") and done.stderr.count("\n") == 1


def test_more_than_one_program_has_to_be_named(shell, shop):
    other = shop.make_program(name="Other")
    done = shell.run("backtest")
    assert done.returncode == 1
    told, *lines = done.stderr.splitlines()
    assert told == "refledger: say which program is meant:"
    assert sorted(lines) == sorted([f"  --program {other}  Other", f"  --program {shop.program_id}  Program"])


def test_a_record_that_was_altered_ends_with_status_1(shell, shop):
    shop.run('UPDATE decisions SET record = replace(record, \'"fired":[{\', \'"fired":[],"gone":[{\')')
    done = shell.run("backtest")
    assert done.returncode == 1
    assert f"{shop.refused} is not reproduced: stored as pending_review" in done.stderr
