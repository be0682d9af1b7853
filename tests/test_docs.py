"""What is undocumented fails the build: settings, commands, reasons, signals, events, metrics."""

import ast
import re
from pathlib import Path

import pytest
import typer

from refledger.cli.commands import app
from refledger.core.events import EventType
from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.refusals import Reason
from refledger.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
EVERYTHING = "\n".join(path.read_text() for path in PAGES)


def page(name):
    return (DOCS / f"{name}.md").read_text()


def named(words, text):
    """Whether the text names it as code: in backticks, alone or at the beginning."""
    return re.search(rf"`{re.escape(words)}[` ]", text) is not None


def commands(group=None, prefix=""):
    """Every command of the command line with its options, as it is typed."""
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            options = [option for each in command.params for option in each.opts if option.startswith("--")]
            yield f"{prefix}{name}", options


def metric_names():
    """The names under which metrics are read, wherever in the package they are made."""
    made = re.compile(r"^(Counter|Gauge|Histogram|Summary)$")
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and made.match(ast.unparse(node.func).split(".")[-1]) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    # What counts is shown with this ending.
                    yield first.value + "_total" * ("Counter" in ast.unparse(node.func))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name):
    text = page("settings")
    line = next((line for line in text.splitlines() if f"`{PREFIX}{name.upper()}`" in line), None)
    assert line is not None, f"{PREFIX}{name.upper()} is not in docs/settings.md"
    assert Settings.model_fields[name].description in line, "its description differs from the code's"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_default_is_the_documented_one(name):
    line = next(line for line in page("settings").splitlines() if f"`{PREFIX}{name.upper()}`" in line)
    default = Settings.model_fields[name].default
    shown = (
        "none"
        if default in (None, ())
        else f"`{default:g}`"
        if isinstance(default, float)
        else f"`{default}`"
    )
    assert f"| {shown} |" in line


def test_no_setting_is_documented_that_is_gone():
    documented = set(re.findall(rf"`{PREFIX}([A-Z_]+)`", page("settings")))
    assert {name.lower() for name in documented} <= Settings.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "options"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_is_documented(name, options):
    text = page("command-line")
    section = re.search(rf"^#+ `refledger {re.escape(name)}`$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert section is not None, f"no heading for `refledger {name}` in docs/command-line.md"
    common = text.split("\n## ")[0]
    assert [option for option in options if f"`{option}" not in section[1] + common] == []


@pytest.mark.parametrize("reason", Reason, ids=str)
def test_every_reason_is_documented(reason):
    assert named(reason.value, EVERYTHING)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.code)
def test_every_signal_is_documented(signal):
    assert named(signal.code, page("signals"))


@pytest.mark.parametrize("event", EventType, ids=str)
def test_every_event_is_documented(event):
    assert named(event.value, EVERYTHING)


def test_every_metric_is_documented():
    assert [name for name in metric_names() if not named(name, EVERYTHING)] == []


@pytest.mark.parametrize(
    "path", [*PAGES, *DOCS.glob("decisions/*.md"), *ROOT.glob("*.md")], ids=lambda path: path.name
)
def test_links_between_pages_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("decisions/*.md")), ids=lambda path: path.name)
def test_a_decision_fits_a_screen_and_has_its_parts(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    parts = ("Context", "Decision", "Consequences", "Alternatives")
    assert [part for part in parts if f"## {part}" not in text] == []


def test_what_is_not_there_is_not_found():
    assert not named("no.such_signal", EVERYTHING)
    assert not named("email.test", "`email.test_pattern` and email.test")
    assert named("a.b", "see `a.b`") and list(commands()) != []
