"""What a report leaves behind so that later ones can be compared with it.

A sighting is a kind and a text; the texts are hashed by whoever stores them, and are never shown. Before the
decision the same texts are asked for: how many *other* customers left them within the kind's window? The
answers are `Case.sightings`. A further kind is a further row in SIGHTINGS.
"""

from collections.abc import Callable

from refledger.core.fraud.case import Case
from refledger.core.programs import DAY_MS


def stem(local: str) -> str | None:
    """The part before a trailing number; None when there is no number, or nothing before it."""
    bare = local.rstrip("0123456789")
    return bare if bare and bare != local else None


def _sequence(case: Case) -> str | None:
    if case.email is None:
        return None
    local, _, domain = case.email.mailbox.rpartition("@")
    bare = stem(local)
    return bare and f"{case.affiliate_id} {bare}@{domain}"


def _domain(case: Case) -> str | None:
    if case.email is None or case.email.generic:
        return None
    return f"{case.affiliate_id} {case.email.domain}"


def _unit(case: Case) -> str | None:
    # Mailboxes are counted, so there must be one.
    if case.email is None or case.address is None or case.address.shared:
        return None
    return f"{case.affiliate_id} {case.address.unit}"


def _agent(case: Case) -> str | None:
    if _unit(case) is None or not case.agent:
        return None
    return f"{case.affiliate_id} {case.address.network} {case.agent}"


# kind, window, what is left (None: nothing)
SIGHTINGS: tuple[tuple[str, int, Callable[[Case], str | None]], ...] = (
    ("email.sequence", 7 * DAY_MS, _sequence),
    ("identity.domain_cluster", 30 * DAY_MS, _domain),
    ("ip.many_mailboxes", DAY_MS, _unit),
    ("ua.cluster", DAY_MS, _agent),
)
KINDS = {kind: window_ms for kind, window_ms, _ in SIGHTINGS}


def sighted(case: Case) -> list[tuple[str, str]]:
    """The (kind, text) pairs this case asks for, and leaves when it is accepted."""
    found = []
    for kind, _, material in SIGHTINGS:
        text = material(case)
        if text is not None:
            found.append((kind, text))
    return found
