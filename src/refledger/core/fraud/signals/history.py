"""What a person decided before about the same mailbox or address."""

from refledger.core.fraud.case import Case
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired


def mailbox(case: Case) -> Finding:
    return _confirmed(case.confirmed_mailbox)


def address(case: Case) -> Finding:
    return _confirmed(case.confirmed_address)


def _confirmed(count: int) -> Finding:
    return fired({"confirmed": count}) if count >= 1 else CLEAR


SIGNALS = (
    Signal(
        "history.mailbox",
        "a mailbox of confirmed fraud",
        mailbox,
        (60,),
        "Earlier conversions with this mailbox were confirmed as fraud: {confirmed}.",
        ("email",),
    ),
    Signal(
        "history.address",
        "an address of confirmed fraud",
        address,
        (40,),
        "Earlier conversions from this internet address were confirmed as fraud: {confirmed}.",
        ("address",),
    ),
)
