"""E-mail addresses: syntax, the mailbox behind the spelling, and throw-away domains.

Two addresses matter for every customer. `address` is who they are to us (contract: lower-cased, trimmed,
nothing folded). `mailbox` is where the post arrives, with each provider's aliases folded (`core.mailboxes`); it is
only ever evidence.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from unicodedata import normalize

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email

from refledger.core import mailboxes
from refledger.core.mailboxes import digest, lines, words

LONGEST = 320  # 64 + "@" + 255: nothing longer can be valid, and nothing longer belongs in a cache


@dataclass(frozen=True, slots=True)
class Email:
    address: str
    local: str
    domain: str
    tag: str | None
    mailbox: str
    generic: bool


# Forwarding that hides an address from merchants, not from justice: never throw-away, whatever a list says.
RELAYS = words(
    """duck.com privaterelay.appleid.com icloud.com mozmail.com relay.firefox.com simplelogin.com
    simplelogin.co simplelogin.io simplelogin.fr aleeas.com slmail.me slmails.com silomails.com dralias.com
    8alias.com 8shield.net anonaddy.com anonaddy.me addy.io passmail.net passmail.com passinbox.com
    passfwd.com 33mail.com opayq.com erine.email cloaked.id"""
)
GENERIC = lines("generic-domains.txt")
SUPPLEMENT = lines("disposable-supplement.txt")
_BLOCKED = blocklist | SUPPLEMENT
# Which lists judged: the library's release, and a digest of our own files. Stands in every decision's record.
DATA_VERSIONS = {
    "disposable_email_domains": version("disposable-email-domains"),
    "own_lists": digest(GENERIC | SUPPLEMENT | RELAYS | mailboxes.DOMAINS),
}
# RFC 5321's unquoted local part in ASCII, and a domain of which only the letters are looked at here.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9.-]+)\Z")


def parse(text: str) -> Email | None:
    """The address, taken apart; None when its syntax is wrong. No look-up is made."""
    trimmed = text.strip()
    if not trimmed.isascii():
        # One letter may be written as one character or as two: it is the same address.
        trimmed = normalize("NFC", trimmed)
    return None if len(trimmed) > LONGEST else _parse(trimmed)


@lru_cache(maxsize=16_384)
def _parse(trimmed: str) -> Email | None:
    parts = _validated(trimmed)
    if parts is None:
        return None
    whole, domain = parts
    local, plus, tag = whole.partition("+")
    if not local:  # "+1@": nothing before the plus, so it is a name and no tag
        local, plus, tag = whole, "", ""
    return Email(
        address=trimmed.lower(),
        local=local,
        domain=domain,
        tag=tag if plus else None,
        mailbox=mailboxes.mailbox(local, domain),
        generic=is_generic(domain),
    )


def _validated(trimmed: str) -> tuple[str, str] | None:
    """Local part and ASCII domain, lower-cased. The library judges every domain once and every unusual local part;
    a plain dot-atom needs no second look, and nearly all addresses are that (28 µs against 2).
    """
    plain = _DOT_ATOM.match(trimmed)
    if plain is None or len(trimmed) > 254 or len(plain[1]) > 64:
        return _by_library(trimmed)
    domain = _domain(plain[2])
    return domain and (plain[1].lower(), domain)


@lru_cache(maxsize=16_384)
def _domain(text: str) -> str | None:
    parts = _by_library(f"a@{text}")
    return parts and parts[1]


def _by_library(text: str) -> tuple[str, str] | None:
    try:
        # test_environment admits the .test names that trials use; special-use names stay refused.
        valid = validate_email(text, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, ValueError):
        return None
    return valid.local_part.lower(), (valid.ascii_domain or valid.domain).lower()


def is_generic(domain: str) -> bool:
    """True for the public's mail providers, where sharing a domain means nothing."""
    return bool(
        domain in GENERIC or mailboxes.provider(domain) or mailboxes.host(domain) or mailboxes.family(domain)
    )


def parents(domain: str):
    """`domain` and every domain above it, longest first, without the bare top level."""
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def relay(domain: str) -> bool:
    """True for privacy relays, and anything under one."""
    return any(each in RELAYS for each in parents(domain))


def disposable(domain: str) -> str | None:
    """The listed throw-away domain that `domain` is, or lies under; None when there is none."""
    for each in parents(domain):
        if each in RELAYS:
            return None
        if each in _BLOCKED:
            return each
    return None
