"""Why a merchant approves or rejects: words that are counted. Any other text is kept too, and counts as `other`."""

import re

FRAUD, TEST, DUPLICATE_CUSTOMER, NOT_FRAUD, OTHER = REASONS = (
    "fraud",
    "test",
    "duplicate_customer",
    "not_fraud",
    "other",
)
AUTOMATIC = "automatic"  # of what was approved by itself: nobody looked
# Not the merchant's: a report signed by their server took its place.
SUPERSEDED = "superseded"
# A rejection for one of these says that what the signals noticed was so.
CONFIRMING = (FRAUD, TEST, DUPLICATE_CUSTOMER)

_BETWEEN_WORDS = re.compile(r"[\W_]+")


def read(text: str) -> str:
    """The reason that is meant, however it is written ("Duplicate customer"); else the text as it is."""
    word = _BETWEEN_WORDS.sub("_", text.casefold()).strip("_")
    return word if word in REASONS else text
