"""Who takes part in a demo month, and what each of them does: journeys of customers, made up from a seed.

Addresses are those set aside for documentation, mailboxes are at example domains: nobody's.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from refledger.core.programs import DAY_MS, HOUR_MS

MINUTE_MS = 60_000

_ADJECTIVES = """amber brisk calm dusty early fair gentle hazel ivory jolly keen lucky mellow noble olive plain quiet
rapid silver tidy umber vivid warm young zesty bold crisp deep eager fond"""
_NOUNS = """anchor birch cedar delta ember fjord grove harbor island juniper kettle lantern meadow needle
orchard pepper quarry river saddle timber valley willow basin comet dune field garden heron inlet
lagoon"""
_NAMES = tuple(f"{one}.{other}" for one in _ADJECTIVES.split() for other in _NOUNS.split())
_DOMAINS = ("example.com", "example.net", "example.org")

_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.0"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36"
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Safari/605.1.15"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {_SAFARI} Mobile/15E148 Safari/604.1"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36"


class Report(NamedTuple):
    """A report to come. `signed`: by the shop's server, with the secret key; else anybody's, with the public one."""

    at_ms: int
    fields: dict[str, Any]
    signed: bool = True


class Journey(NamedTuple):
    """A customer's click, if any, and what is reported of them. `names_click`: the shop sends the click's id along."""

    affiliate: str
    reports: tuple[Report, ...]
    click_ms: int | None = None
    address: str | None = None
    agent: str | None = None
    dest: str | None = "document"
    names_click: bool = False


class Member(NamedTuple):
    """An affiliate of the cast. `honest`: what the merchant finds out when they look."""

    code: str
    name: str
    honest: bool
    journeys: Callable[[random.Random, int], Iterator[Journey]]
    coupon: str | None = None
    own_addresses: tuple[str, ...] = ()


def mailbox(chance: random.Random) -> str:
    return f"{chance.choice(_NAMES)}{chance.randrange(2, 900)}@{chance.choice(_DOMAINS)}"


def _address(chance: random.Random) -> str:
    """Of the range for documentation in which every customer can have a network of their own."""
    return f"2001:db8:{chance.randrange(1, 65_536):x}:{chance.randrange(65_536):x}::{chance.randrange(1, 65_536):x}"


def _agent(chance: random.Random) -> str:
    version = chance.randrange(120, 140)
    kinds = (
        WINDOWS.format(version),
        MAC.format(17),
        ANDROID.format(version),
        IPHONE.format(chance.choice((17, 18))),
    )
    return chance.choices(kinds, weights=(4, 2, 3, 3))[0]


def _amount(chance: random.Random) -> str:
    return f"{chance.choice((19, 29, 49, 49, 79, 99, 149, 249))}.{chance.choice(('00', '50', '90', '99'))}"


def _day(chance: random.Random, day: int) -> int:
    """A time on that day, most likely in its waking hours."""
    return day * DAY_MS + round(chance.triangular(6, 24, 19) * HOUR_MS) - 1


def _customer(
    chance: random.Random, code: str, click_ms: int, after_ms: int, types: tuple[str, ...], **click: Any
) -> Journey:
    """A click, and reports of the same person's signup or purchase some time after it."""
    address, agent = (
        click.pop("address", None) or _address(chance),
        click.pop("agent", None) or _agent(chance),
    )
    email = click.pop("email", None) or mailbox(chance)
    signed = click.pop("signed", True)
    at_ms, reports = click_ms + after_ms, []
    for conversion_type in types:
        fields = {"ref_code": code, "conversion_type": conversion_type, "customer_email": email}
        fields |= {"customer_ip": address, "customer_user_agent": agent}
        if conversion_type == "purchase":
            fields |= {"revenue_amount": _amount(chance), "order_id": f"ord-{chance.randrange(10**9):09d}"}
        reports.append(Report(at_ms, fields, signed))
        at_ms += chance.randrange(2 * MINUTE_MS, 3 * DAY_MS)
    return Journey(code, tuple(reports), click_ms, address, agent, **click)


# ── honest ───────────────────────────────────────────────────────────────────────────────────────────────────────


def reviews(chance: random.Random, day: int) -> Iterator[Journey]:
    """A page of reviews: readers come at all hours, some sign up first, a few have tags in their addresses, and a few
    know what they want within a minute.
    """
    for _ in range(chance.randrange(8, 18)):
        types = chance.choices((("purchase",), ("signup",), ("signup", "purchase")), weights=(5, 3, 2))[0]
        email = mailbox(chance)
        if chance.random() < 0.04:
            email = email.replace("@", f"+{chance.choice(('shop', 'offers', 'news'))}@")
        after_ms = round(chance.lognormvariate(15.0, 1.2)) + 61_000  # around an hour
        if chance.random() < 0.04:
            after_ms = chance.randrange(20_000, 58_000)
        yield _customer(
            chance,
            "REVIEWS",
            _day(chance, day),
            after_ms,
            types,
            email=email,
            names_click=chance.random() < 0.7,
        )


def deals(chance: random.Random, day: int) -> Iterator[Journey]:
    """A coupon site: sales by coupon, without any click."""
    for _ in range(chance.randrange(4, 10)):
        at_ms = _day(chance, day)
        fields = {
            "coupon_code": "DEALS15",
            "conversion_type": "purchase",
            "revenue_amount": _amount(chance),
            "customer_email": mailbox(chance),
            "customer_ip": _address(chance),
            "customer_user_agent": _agent(chance),
            "order_id": f"ord-{chance.randrange(10**9):09d}",
        }
        yield Journey("DEALS", (Report(at_ms, fields),))


def newsletter(chance: random.Random, day: int) -> Iterator[Journey]:
    """A letter each week: many at once, on telephones, who buy at a desk some hours later."""
    for _ in range(chance.randrange(15, 25) if day % 7 == 0 else chance.randrange(3)):
        click_ms = _day(chance, day)
        journey = _customer(
            chance,
            "LETTER",
            click_ms,
            chance.randrange(5 * MINUTE_MS, 8 * HOUR_MS),
            ("purchase",),
            agent=ANDROID.format(131),
            names_click=True,
        )
        if chance.random() < 0.3:
            (report,) = journey.reports
            fields = report.fields | {"customer_user_agent": WINDOWS.format(131)}
            journey = journey._replace(reports=(report._replace(fields=fields),))
        yield journey


# ── dishonest ────────────────────────────────────────────────────────────────────────────────────────────────────

HOME = "203.0.113.77"  # where MIRROR lives


def mirror(chance: random.Random, day: int) -> Iterator[Journey]:
    """Buys through a link of their own, from home, under one mailbox with many tags."""
    if chance.random() < 0.35:
        email = f"mirror+{chance.randrange(1, 40)}@affiliate.example.com"
        after_ms = chance.randrange(20_000, 30 * MINUTE_MS)
        yield _customer(
            chance, "MIRROR", _day(chance, day), after_ms, ("purchase",), email=email, address=HOME,
            agent=MAC.format(17),
        )  # fmt: skip


def farm(chance: random.Random, day: int) -> Iterator[Journey]:
    """A script that signs up by itself: seconds after a click of its own, one mailbox like the other."""
    start_ms = _day(chance, day)
    for each in range(chance.randrange(3) and chance.randrange(2, 7)):
        at_ms, number = start_ms + each * chance.randrange(60_000, 900_000), day * 10 + each
        email = f"lucky.client{number}@{'mailinator.com' if chance.random() < 0.2 else 'example.net'}"
        yield _customer(
            chance, "FARM", at_ms, chance.randrange(1_500, 14_000), ("signup",), email=email,
            address=f"198.51.100.{chance.randrange(1, 255)}", agent="python-requests/2.32.3", signed=False,
        )  # fmt: skip


def stuffing(chance: random.Random, day: int) -> Iterator[Journey]:
    """Loads links as invisible images on busy pages, and waits for whoever buys anyway."""
    for _ in range(chance.randrange(1, 4)):
        yield _customer(
            chance, "PIXEL", _day(chance, day), chance.randrange(HOUR_MS, 20 * DAY_MS), ("purchase",),
            dest="image", names_click=True,
        )  # fmt: skip


def mill(chance: random.Random, day: int) -> Iterator[Journey]:
    """Hired hands in one room: half a minute from click to signup, one telephone line, many names."""
    if day % 3:
        return
    start_ms = _day(chance, day)
    for each in range(chance.randrange(4, 7)):
        yield _customer(
            chance, "MILL", start_ms + each * 14 * MINUTE_MS, chance.randrange(12_000, 55_000), ("signup",),
            address="203.0.113.140", agent=WINDOWS.format(128),
        )  # fmt: skip


CAST = (
    Member("REVIEWS", "Honest reviews", True, reviews),
    Member("DEALS", "Coupon collection", True, deals, coupon="DEALS15"),
    Member("LETTER", "Weekly letter", True, newsletter),
    Member("MIRROR", "Buys from themselves", False, mirror, own_addresses=(HOME,)),
    Member("FARM", "Signs up by script", False, farm),
    Member("PIXEL", "Stuffs cookies", False, stuffing),
    Member("MILL", "Hires hands", False, mill),
)
