"""What is known about the affiliate."""

from refledger.core.fraud.case import Case
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired


def confirmed_fraud(case: Case) -> Finding:
    count = case.confirmed_frauds
    return fired({"confirmed": count, "days": 90}) if count >= 2 else CLEAR


SIGNALS = (
    Signal(
        "affiliate.confirmed_fraud",
        "two or more confirmed frauds of this affiliate",
        confirmed_fraud,
        (25,),
        "{confirmed} conversions of this affiliate were confirmed as fraud within {days}.",
    ),
)
