"""Whether customer and affiliate, or customers among each other, are the same people."""

import re

from refledger.core.emails import Email, is_generic
from refledger.core.fraud.case import Case
from refledger.core.fraud.sightings import KINDS
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired
from refledger.core.programs import DAY_MS

# Where strangers have their domains, by how registries call these: co.uk, asso.fr, uk.com. Whoever has a mailbox there,
# which is next to nobody, shares nothing with them.
_REGISTRY = re.compile(
    r"[^.]+|(?:[a-z]{1,2}|asn|asso|com|conf|edu|gob|gouv|gov|govt|info|ltd|mil|muni|name|net|nhs|nom|org|plc|priv|pro|sch"
    r"|school|web)\.[a-z]{2}|[a-z]{2}\.(?:com|net|org)"
)


def affiliate_mailbox(case: Case) -> Finding:
    email, other = case.email, case.affiliate_email
    if email.mailbox != other.mailbox:
        return CLEAR
    return fired({"same": "address" if email.address == other.address else "mailbox"})


def affiliate_domain(case: Case) -> Finding:
    shared = _shared_domain(case.email, case.affiliate_email)
    return fired({"domain": shared}) if shared else CLEAR


def _shared_domain(email: Email, other: Email) -> str | None:
    """The private domain of both: the same, or the one under which the other lies."""
    upper, lower = sorted((email.domain, other.domain), key=len)
    if email.generic or upper == lower:
        return None if email.generic else upper
    is_private = not is_generic(upper) and not _REGISTRY.fullmatch(upper)
    return upper if is_private and lower.endswith(f".{upper}") else None


def domain_cluster(case: Case) -> Finding:
    others = case.sightings.get("identity.domain_cluster", 0)
    if others < 2 or case.email.generic:
        return CLEAR
    return fired({"customers": others + 1, "domain": case.email.domain, "days": _DAYS})


_DAYS = KINDS["identity.domain_cluster"] // DAY_MS
SIGNALS = (
    Signal(
        "identity.affiliate_mailbox",
        "the customer's mailbox is the affiliate's",
        affiliate_mailbox,
        (80,),
        "The customer's mailbox is the affiliate's own (same {same}).",
        ("email", "affiliate_email"),
    ),
    Signal(
        "identity.affiliate_domain",
        "customer and affiliate share a private domain",
        affiliate_domain,
        (40,),
        "Customer and affiliate have addresses at the same domain, {domain}.",
        ("email", "affiliate_email"),
    ),
    Signal(
        "identity.domain_cluster",
        "several customers of one affiliate at one private domain",
        domain_cluster,
        (15,),
        "{customers} customers of this affiliate within {days} have addresses at {domain}.",
        ("email",),
    ),
)
