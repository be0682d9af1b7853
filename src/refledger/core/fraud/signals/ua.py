"""What the user agent says of itself, how it fits the click's, and who else had it."""

from refledger.core.agents import automation, one_device, system
from refledger.core.fraud.case import Case
from refledger.core.fraud.sightings import KINDS
from refledger.core.fraud.signal import CLEAR, NO_AGENT, SHARED_ADDRESS, Finding, Signal, fired
from refledger.core.programs import HOUR_MS


def bot(case: Case) -> Finding:
    kind = automation(case.agent)
    if kind == "no_agent":
        return NO_AGENT
    return fired({"kind": kind}) if kind in ("crawler", "headless") else CLEAR


def http_library(case: Case) -> Finding:
    kind = automation(case.agent)
    if kind == "no_agent":
        return NO_AGENT
    return fired({"kind": "http library"}) if kind == "http_library" else CLEAR


def os_mismatch(case: Case) -> Finding:
    if not case.click.agent:
        return NO_AGENT
    clicked, reported = system(case.click.agent), system(case.agent)
    if clicked is None or reported is None or one_device(clicked, reported):
        return CLEAR
    return fired({"click": clicked, "report": reported})


def cluster(case: Case) -> Finding:
    if case.address.shared:
        return SHARED_ADDRESS
    others = case.sightings.get("ua.cluster", 0)
    return fired({"mailboxes": others + 1, "hours": _HOURS}) if others >= 2 else CLEAR


_HOURS = KINDS["ua.cluster"] // HOUR_MS
SIGNALS = (
    Signal(
        "ua.bot",
        "a crawler, or a browser that a program drives",
        bot,
        (60,),
        "The browser says that a program drives it ({kind}).",
        ("agent",),
    ),
    Signal(
        "ua.http_library",
        "a program's library instead of a browser",
        http_library,
        (60,),
        "No browser made the report, but a program's library, by its own word ({kind}).",
        ("agent",),
    ),
    Signal(
        "ua.os_mismatch",
        "another operating system than the click's",
        os_mismatch,
        (15,),
        "The click came from a device with {click}, the report from one with {report}.",
        ("agent", "journey", "click"),
    ),
    Signal(
        "ua.cluster",
        "several mailboxes of one affiliate's customers with one browser in one network",
        cluster,
        (25,),
        "{mailboxes} customers of this affiliate within {hours} have the same browser in the same network.",
        ("email", "address", "agent"),
    ),
)
