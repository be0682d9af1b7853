"""What is odd about the sale itself."""

from refledger.core.fraud.case import Case
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired

_EVIDENCE = {"minutes": 10}


def possible_duplicate(case: Case) -> Finding:
    return fired(dict(_EVIDENCE)) if case.repeat_sale else CLEAR


SIGNALS = (
    # An allow entry vouches for people; it does not say that one sale reported twice is two.
    Signal(
        "conversion.possible_duplicate",
        "an equal coupon sale without any identity, shortly before",
        possible_duplicate,
        (40,),
        "An equal sale with the same coupon came within {minutes}, and nothing tells the two apart.",
        waivable=False,
    ),
)
