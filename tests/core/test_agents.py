"""Which agents say that no person is there, which only look so, and on which systems they run."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.agents import LONGEST, automation, is_prefetch, one_device, system

LINES = (Path(__file__).parent / "agents.txt").read_text("utf-8").splitlines()
AGENTS = [line.split(" | ", 2) for line in LINES if line and not line.startswith("#")]
NAMES = ("Windows", "macOS", "iOS", "Android", "HarmonyOS", "ChromeOS", "Linux")


@pytest.mark.parametrize(("kind", "runs_on", "agent"), AGENTS, ids=lambda value: value[:40])
def test_real_agents(kind, runs_on, agent):
    assert automation(agent) == (None if kind == "person" else kind)
    assert system(agent) == (None if runs_on == "-" else runs_on)


def test_every_kind_and_system_is_in_the_table():
    assert {kind for kind, _, _ in AGENTS} == {"person", "crawler", "headless", "http_library"}
    assert {runs_on for _, runs_on, _ in AGENTS} >= {*NAMES, "-"} - {"HarmonyOS"}


@pytest.mark.parametrize("agent", ["", " ", "\t\n"])
def test_no_agent(agent):
    assert automation(agent) == "no_agent"
    assert system(agent) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("iOS", "macOS", True),
        ("Android", "Linux", True),
        ("ChromeOS", "Android", True),
        ("ChromeOS", "Linux", True),
        ("HarmonyOS", "Android", True),
        ("Windows", "Windows", True),
        ("Windows", "macOS", False),
        ("Windows", "Linux", False),
        ("iOS", "Android", False),
        ("macOS", "Linux", False),
        ("ChromeOS", "macOS", False),
    ],
)
def test_systems_of_one_device(one, other, same):
    assert one_device(one, other) is one_device(other, one) is same


def test_only_the_beginning_is_looked_at():
    assert automation("x" * LONGEST + " Googlebot/2.1") is None
    assert automation("x" * (LONGEST - 20) + " Googlebot/2.1") == "crawler"
    assert system("x" * LONGEST + " Windows NT 10.0") is None


_PIECES = st.sampled_from(
    [
        "Mozilla/5.0",
        "(Linux; ",
        "Android",
        "(",
        ")",
        ";",
        "bot",
        "CUBOT",
        "/",
        "\x00",
        "\ud800",
        "Safari/",
        " ",
        "1.2",
    ]
)


@given(st.one_of(st.text(st.characters(), max_size=200), st.lists(_PIECES, max_size=80).map("".join)))
def test_no_agent_is_too_strange(agent):
    assert automation(agent) in {None, "crawler", "headless", "http_library", "no_agent"}
    assert system(agent) in {None, *NAMES}


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "Preview", "prerender"])
def test_prefetches(purpose):
    assert is_prefetch(purpose)
    assert not is_prefetch("navigate")
