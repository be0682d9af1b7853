"""`refledger forget`, at a terminal and where nobody can be asked."""

import sys

import pytest

from tests.builders import Counter, Shop, settings_for


@pytest.fixture
def customer(shell, engine, database_url, tmp_path, clock):
    """A shop in the shell's database, with one customer."""
    shell.environment["REFLEDGER_DATABASE_URL"] = database_url
    shop = Shop(settings_for(database_url, tmp_path), clock)
    Counter(shop).purchase("joe@shop-joe.example")
    yield shop
    shop.close()


def emails_of(shop):
    return [row["email"] for row in shop.rows("SELECT email FROM conversions")]


def test_it_says_what_it_did(shell, customer):
    done = shell.run("forget", " Joe@shop-joe.example", "--yes")
    first, second = done.stdout.splitlines()
    assert first.startswith("live: 1 conversion, 0 refused reports, 0 clicks, ") and second.startswith(
        "test: 0 "
    )
    assert (done.returncode, done.stderr, emails_of(customer)) == (0, "", [""])
    assert shell.run("verify-ledger").returncode == 0


def test_what_is_left_is_told(shell, customer):
    entry, mary = (
        customer.list_entry("block", "mailbox", "joe@shop-joe.example"),
        customer.make_affiliate("JOE", email="joe@shop-joe.example"),
    )
    told = shell.run("forget", "joe@shop-joe.example", "--yes").stderr
    assert told == "".join(
        f"left as it is: {name} has this mailbox\n" for name in (f"list entry {entry}", f"affiliate {mary}")
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["joe@shop-joe.example"], "say --yes"),
        (["joe", "--yes"], "not an e-mail address"),
        (["joe@shop-joe.example", "--yes", "--merchant", "mer_nobody"], "no merchant mer_nobody"),
    ],
)
def test_what_cannot_be_done_is_said(shell, customer, arguments, words):
    done = shell.run("forget", *arguments)
    assert done.returncode == 1 and words in done.stderr and emails_of(customer) == ["joe@shop-joe.example"]


@pytest.mark.parametrize(
    ("answer", "left"), [("y\n", ""), ("n\n", "joe@shop-joe.example"), ("", "joe@shop-joe.example")]
)
def test_at_a_terminal_it_asks(shell, customer, monkeypatch, answer, left):
    class Terminal:
        lines = iter(answer.splitlines(keepends=True))

        def isatty(self):
            return True

        def readline(self, *_):
            return next(self.lines, "")

    monkeypatch.setattr(sys, "stdin", Terminal())
    done = shell.run("forget", "joe@shop-joe.example")
    assert emails_of(customer) == [left] and (done.returncode == 0) is (left == "")
