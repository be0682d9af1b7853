"""Everything the signals may look at, gathered before the decision."""

from dataclasses import dataclass, field

from refledger.core.addresses import Address
from refledger.core.emails import Email
from refledger.core.origins import Origin, Seen, Whereabouts

COUPON = "coupon"


@dataclass(slots=True, eq=False)
class Click:
    """`dest`: what the browser wanted the link for (Sec-Fetch-Dest); only redirect clicks have it."""

    id: str
    at_ms: int
    address: str | None = None
    agent: str | None = None
    dest: str | None = None


@dataclass(slots=True, eq=False)
class Case:
    """One report with its facts. Written once, by whoever gathers; the signals only read.

    `via`: how the affiliate was found: "ref_code", "coupon", or "first" (a known customer's first affiliate).
    `email` is None when the report had none, and a placeholder stands in its place.
    `click_tie`: what ties click and customer: "click_id", "customer", "address_and_agent", "address" (weak).
    `first_click_ms`: the visitor's earliest click within the window; `last_click_ms`: their latest at all.
    `known_customer`: a signup of this customer was accepted for this affiliate.
    `paid_repeat`: a further purchase of a customer whose earlier one stands for this affiliate, in a program that pays
    repeat purchases.
    `mailbox_spellings`: other distinct addresses of the same mailbox in this program within 90 days.
    `sightings`: kind → other customers who left the same sighting within the kind's window.
    `confirmed_frauds`: of this affiliate, within 90 days.
    `repeat_sale`: an equal coupon sale from the same address and agent within 10 minutes, neither with an
    identity.
    `origin`, `click_origin`: what is known of the customer's and the click's address. `affiliate_seen`: the affiliate's
    own addresses, those seen within 30 days and those the merchant declared.
    `whereabouts`: where the same mailbox was when it last converted, within 24 hours.
    `confirmed_mailbox`, `confirmed_address`: confirmed frauds with this mailbox, and from this address.
    """

    now_ms: int
    conversion_type: str
    affiliate_id: str
    via: str = "ref_code"
    email: Email | None = None
    address: Address | None = None
    agent: str | None = None
    affiliate_email: Email | None = None
    click: Click | None = None
    click_tie: str | None = None
    first_click_ms: int | None = None
    last_click_ms: int | None = None
    window_days: int = 30
    known_customer: bool = False
    paid_repeat: bool = False
    mailbox_spellings: int = 0
    sightings: dict[str, int] = field(default_factory=dict)
    confirmed_frauds: int = 0
    repeat_sale: bool = False
    origin: Origin | None = None
    click_origin: Origin | None = None
    affiliate_seen: tuple[Seen, ...] = ()
    whereabouts: Whereabouts | None = None
    confirmed_mailbox: int = 0
    confirmed_address: int = 0
