"""Listens to everything that is logged or printed while the suite runs, and notes where a person is named in it.

A pytest plugin, beside `recorder`; `tests/test_heard.py` judges what was noted, last of all. Heard are: what pytest
captures of this process and of the services it starts, every line of our own log in this process at whatever level (as
it comes out, masked), and what the command line prints. What a test takes for itself with `capfd` it judges itself.
"""

import ipaddress
import re

import structlog

from refledger import logs

LAST = "test_heard.py"
_EMAIL = re.compile(r"(?<![\w.+/@-])[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}", re.I)
# Whole ones: a network (…/24) is what is left of an address when its last part is left out.
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w./])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:./])", re.I)
# Nobody's: the documentation's sample, in the calls that `demo` prints to be pasted, and the operator's own setting.
_NOBODYS = re.compile(r"^curl .*$|cannot listen on \S+", re.M)

# Where it was heard, and the e-mail address or the address.
named: list[tuple[str, str]] = []
heard_bytes = 0


def people_in(text: str) -> list[str]:
    """E-mail addresses and whole addresses of the network but this machine's own."""
    text = _NOBODYS.sub("", text)
    found = _EMAIL.findall(text) if "@" in text else []
    return found + [
        each for pattern in (_IPV4, _IPV6) for each in pattern.findall(text) if _is_somebodys(each)
    ]


def _is_somebodys(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False  # a version, a time of the day
    return not (address.is_loopback or address.is_unspecified)


def note(where: str, text: str) -> None:
    global heard_bytes
    heard_bytes += len(text)
    named.extend((where, each) for each in people_in(text))


def pytest_runtest_logreport(report):
    if report.when != "teardown":
        return  # its sections are those of all that came before
    for title, text in report.sections:
        if title.startswith("Captured std"):
            note(report.nodeid, text)


def pytest_collection_modifyitems(items):
    """After all others, behind the judgement of the statements too."""
    items.sort(key=lambda item: item.path.name == LAST)


# ── our own log, at every level ──────────────────────────────────────────────────────────────────────────────────

_configure = logs.configure
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "exception": 40, "critical": 50}


def configure(level="info", style="json"):
    """As the package's own, with a listener before the last step, where a line is masked and not yet written."""
    _configure(level, style)

    def hear(_logger, method, event):
        note("the log", repr(event))
        if _LEVELS[method] < _LEVELS[level]:
            raise structlog.DropEvent
        return event

    *steps, render = structlog.get_config()["processors"]
    structlog.configure(
        processors=[*steps, hear, render], wrapper_class=structlog.make_filtering_bound_logger(10)
    )


logs.configure = configure
