"""Cases to ask the signals about, and what they answer."""

from refledger.core import addresses, emails
from refledger.core.fraud.case import Case, Click
from refledger.core.fraud.policy import DEFAULT_POLICY
from refledger.core.fraud.scoring import expand, judge, record
from refledger.core.origins import ASN, CITY, CLASSES, Operator, Origin, Place, Seen

NOW_MS = 1_750_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EVERYTHING = frozenset({CITY, ASN, *CLASSES})

MADRID = Place("madrid", "Madrid", 40_417, -3_704, 10)
SOFIA = Place("sofia", "Sofia", 42_698, 23_322, 10)
TELEFONICA, VIVACOM = Operator(3352, "Telefonica"), Operator(8866, "Vivacom")


def case(email="maria.gonzalez@firma.es", *, age_ms=None, last_age_ms=None, dest=None, address=None, **more):
    """A purchase by a referral code; `age_ms` is that of the visitor's earliest click."""
    if age_ms is not None:
        more.setdefault(
            "click", Click("clk_1", NOW_MS - age_ms, agent=more.pop("click_agent", None), dest=dest)
        )
        more.setdefault("click_tie", "click_id")
        more["first_click_ms"] = NOW_MS - age_ms
        more["last_click_ms"] = NOW_MS - (age_ms if last_age_ms is None else last_age_ms)
    return Case(
        now_ms=NOW_MS,
        conversion_type=more.pop("conversion_type", "purchase"),
        affiliate_id="aff_1",
        email=emails.parse(email) if email else None,
        address=addresses.parse(address) if address else None,
        **more,
    )


def entry(case, code):
    """What the record tells of the signal."""
    return next(each for each in expand(record(judge(case, DEFAULT_POLICY))) if each["code"] == code)


def state(case, code):
    """What the signal answered: its points when fired, else its reason, else its state."""
    told = entry(case, code)
    return told.get("points", told.get("reason", told["state"]))


def origin(place=MADRID, operator=TELEFONICA, *classes, known=EVERYTHING, address="81.2.69.160"):
    return Origin(addresses.parse(address), place, operator, frozenset(classes), frozenset(known))


def seen(address, at_ms=NOW_MS, where="portal", **more):
    """An address of the affiliate's; `place` and `operator` make its origin."""
    parsed = addresses.parse(address)
    known = origin(more.get("place"), more.get("operator"), address=address) if more else None
    return Seen(parsed.version, parsed.number, parsed.number, where, at_ms, known)


def declared(low, high):
    """A range the merchant declared as the affiliate's."""
    first, last = addresses.parse(low), addresses.parse(high)
    return Seen(first.version, first.number, last.number, "declared")
