"""What a demo year is about: two programs, who takes part in them, and what becomes of a sale, made up from a seed."""

import random
from typing import Any, NamedTuple

from refledger.services.month_cast import ANDROID, MAC, WINDOWS, mailbox


class Cast(NamedTuple):
    """A program, and its affiliates as (code, name, whose recruit); recruiters stand before their recruits."""

    wanted: dict[str, Any]
    affiliates: tuple[tuple[str, str, str | None], ...]
    changed: dict[str, Any]  # new terms, half-way
    sales: tuple[int, int]  # a day: at least, and fewer than


class Fate(NamedTuple):
    """What happens to a sale so many days after it. `told`: the part that is refunded, or how a dispute ends."""

    deed: str  # refund | dispute | adjust
    after_days: int
    told: Any = None


_LIMITS = {"hourly": 1000, "daily": 10_000}

CASTS = (
    Cast(
        {
            "name": "Demo year, dollars",
            "slug": "demo-year-usd",
            "currency": "USD",
            "site_url": "https://shop.example",
            "time_zone": "America/New_York",
            "limits": _LIMITS,
            "commission": {
                "purchase": {
                    "type": "percentage",
                    "value": "10",
                    "tiers": [{"from": {"conversions": 25}, "value": "12"}],
                    "cap": "25.00",
                },
                "signup": {"type": "fixed", "value": "1.00"},
            },
            "recruiter": {"value": "3", "most": "14"},
            "repeat_purchases": "lifetime",
            "hold_days": 14,
            "payout_minimum": "20.00",
        },
        (
            ("ADA", "Ada's notes", None),
            ("BEN", "Ben tests things", "ADA"),
            ("CLEO", "Cleo's letter", "ADA"),
            ("DAN", "Dan on video", None),
        ),
        {"commission": {"purchase": {"type": "percentage", "value": "12.5", "monthly_cap": "900.00"}}},
        (3, 7),
    ),
    Cast(
        {
            "name": "Demo year, euros",
            "slug": "demo-year-eur",
            "currency": "EUR",
            "site_url": "https://laden.example",
            "time_zone": "Europe/Berlin",
            "limits": _LIMITS,
            "commission": {
                "purchase": {
                    "type": "fixed",
                    "value": "12.00",
                    "bonus": {"after": 49, "value": "100.00"},
                }
            },
            "recruiter": {"value": "5", "most": "30"},
            "repeat_purchases": "lifetime",
            "hold_days": 10,
            "approve_days": 7,
            "payout_minimum": "25.00",
        },
        (
            ("EMIL", "Emils Blog", None),
            ("FRIDA", "Frida vergleicht", "EMIL"),
            ("GRETA", "Gretas Brief", None),
        ),
        {"hold_days": 21},
        (2, 6),
    ),
)


def sale(chance: random.Random, number: int) -> dict[str, Any]:
    """What the shop reports, without codes: every seventh customer or so has bought before."""
    customer = number if chance.random() < 0.85 else chance.randrange(max(1, number - 200), number + 1)
    of_customer = random.Random(customer)
    fields = {
        "customer_email": mailbox(of_customer),
        "customer_ip": f"2001:db8:{customer % 65_536:x}:{of_customer.randrange(65_536):x}::1",
        "customer_user_agent": of_customer.choice((WINDOWS.format(131), MAC.format(17), ANDROID.format(131))),
    }
    if customer == number and chance.random() < 0.06:
        return fields | {"conversion_type": "signup"}
    amount = f"{chance.choice((12, 19, 29, 49, 79, 99, 149, 349))}.{chance.choice(('00', '50', '90', '99'))}"
    return fields | {"conversion_type": "purchase", "revenue_amount": amount, "order_id": f"ord-{number:06d}"}


def fates(chance: random.Random) -> list[Fate]:
    """Of most sales none."""
    found = []
    if chance.random() < 0.08:
        found += [
            Fate("refund", chance.randrange(1, 70), chance.choice(("0.25", "0.333", "0.5")))
            for _ in range(chance.randrange(1, 3))
        ]
    if chance.random() < 0.04:
        found.append(Fate("refund", chance.randrange(1, 60)))
    if chance.random() < 0.03:
        found.append(Fate("dispute", chance.randrange(3, 90), chance.choice(("won", "lost", "lost", None))))
    if chance.random() < 0.02:
        found.append(Fate("adjust", 1, "1.25"))
    return found
