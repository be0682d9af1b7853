"""Whether customer and affiliate, or customers among each other, are the same people."""

from refledger.core.fraud.case import Case
from refledger.core.fraud.sightings import KINDS
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired
from refledger.core.programs import DAY_MS


def affiliate_mailbox(case: Case) -> Finding:
    email, other = case.email, case.affiliate_email
    if email.mailbox != other.mailbox:
        return CLEAR
    return fired({"same": "address" if email.address == other.address else "mailbox"})


def affiliate_domain(case: Case) -> Finding:
    email = case.email
    if email.generic or email.domain != case.affiliate_email.domain:
        return CLEAR
    return fired({"domain": email.domain})


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
