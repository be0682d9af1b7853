"""What kind of address the report came with, and who else came from it."""

from collections.abc import Callable

from refledger.core.addresses import INSIDE
from refledger.core.fraud.case import Case
from refledger.core.fraud.sightings import KINDS
from refledger.core.fraud.signal import CLEAR, NO_DATABASE, SHARED_ADDRESS, Finding, Signal, fired
from refledger.core.programs import HOUR_MS


def _is_of(kind: str) -> Callable[[Case], Finding]:
    """The check for one of the classes of `origins.CLASSES`."""

    def check(case: Case) -> Finding:
        origin = case.origin
        if kind in origin.classes:
            return fired({"class": kind})
        return CLEAR if kind in origin.known else NO_DATABASE

    return check


def many_mailboxes(case: Case) -> Finding:
    if case.address.shared:
        return SHARED_ADDRESS
    others = case.sightings.get("ip.many_mailboxes", 0)
    return fired({"mailboxes": others + 1, "hours": _HOURS}) if others >= 3 else CLEAR


def private(case: Case) -> Finding:
    kind = case.address.special
    return fired({"range": kind.replace("_", " ")}) if kind in INSIDE else CLEAR


_HOURS = KINDS["ip.many_mailboxes"] // HOUR_MS
_NEEDS = ("address", "origin")
SIGNALS = (
    Signal(
        "ip.tor",
        "an address of the Tor network",
        _is_of("tor"),
        (50,),
        "The report's internet address is an exit of the Tor network, which hides where people are.",
        _NEEDS,
    ),
    Signal(
        "ip.hosting",
        "an address of a data centre",
        _is_of("hosting"),
        (40,),
        "The report's internet address belongs to a data centre: programs run there, people rarely do.",
        _NEEDS,
    ),
    Signal(
        "ip.proxy",
        "an address of a public proxy",
        _is_of("proxy"),
        (40,),
        "The report's internet address is that of a proxy, which hides where people are.",
        _NEEDS,
    ),
    Signal(
        "ip.vpn",
        "an address of a VPN",
        _is_of("vpn"),
        (25,),
        "The report's internet address belongs to a VPN, which hides where people are.",
        _NEEDS,
    ),
    Signal(
        "ip.relay",
        "an address of a privacy relay",
        _is_of("relay"),
        (5,),
        "The report's internet address belongs to a privacy relay, as some browsers have one built in.",
        _NEEDS,
    ),
    Signal(
        "ip.many_mailboxes",
        "several mailboxes of one affiliate's customers from one address",
        many_mailboxes,
        (45,),
        "{mailboxes} customers of this affiliate came from one internet address within {hours}.",
        ("email", "address"),
    ),
    # About the installation, not about the person.
    Signal(
        "ip.private",
        "an address of an internal network",
        private,
        (0,),
        "The report's internet address is an internal one ({range}): a proxy seems to tell the wrong address.",
        ("address",),
        action="evidence",
    ),
)
