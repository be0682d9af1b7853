"""Nothing that the suite logged or printed names a person; and what would, is heard."""

import subprocess
import sys

import pytest
import structlog

from refledger import logs
from tests import heard

JOE = "joe.heard@private.example"


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("mail of joe+x@firma.de, 203.0.113.42!", ["joe+x@firma.de", "203.0.113.42"]),
        ('{"address":"198.51.100.7"}', ["198.51.100.7"]),
        ("from 2001:db8::7 and ::ffff:203.0.113.9", ["203.0.113.9", "2001:db8::7"]),
        ("from 203.0.113.0/24 and 2001:db8:1::/48, on 127.0.0.1:8000, 0.0.0.0, ::1 and ::", []),
        ("at 14:13:20, version 1.2.3, 1.2.3.4.5, tests/x.py::test, …@…, postgresql://me@db.example/x", []),
        ('curl -d \'{"customer_email": "customer@example.com"}\'\nnothing', []),
        ("curl 1\njoe@firma.de", ["joe@firma.de"]),
    ],
)
def test_who_is_named(text, people):
    assert heard.people_in(text) == people


def test_somebody_is_named_on_purpose():
    """The negative control: by this process, by one that it starts, and by our own log below its level."""
    print(f"printed {JOE}")
    subprocess.run([sys.executable, "-c", f"import sys; print('{JOE}', file=sys.stderr)"], check=True)
    logs.configure("error", "json")
    structlog.get_logger().debug("unmasked where it is no text", who=[JOE])


def test_who_was_named_on_purpose_was_heard():
    here = [each for each in heard.named if each[1] == JOE]
    heard.named[:] = [each for each in heard.named if each[1] != JOE]
    assert sorted(where.rpartition("::")[2] for where, _ in here) == [
        "test_somebody_is_named_on_purpose",
        "test_somebody_is_named_on_purpose",
        "the log",
    ]


def test_nobody_is_named_in_any_log_of_the_suite():
    assert heard.named == []


def test_enough_was_heard(request):
    """After the whole suite alone."""
    config = request.config
    if config.option.keyword or config.args != config.getini("testpaths"):
        pytest.skip("only a part of the suite was run")
    assert heard.heard_bytes > 100_000
