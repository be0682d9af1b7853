"""E-mail addresses: syntax, the mailbox behind the spelling, and throw-away domains.

Two addresses matter for every customer. `address` is who they are to us (contract: lower-cased, trimmed,
nothing folded). `mailbox` is where the post arrives, with each provider's aliases folded; it is only ever
evidence.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from unicodedata import normalize

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email

LONGEST = 320  # 64 + "@" + 255: nothing longer can be valid, and nothing longer belongs in a cache


@dataclass(frozen=True, slots=True)
class Email:
    address: str
    local: str
    domain: str
    tag: str | None
    mailbox: str
    generic: bool


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _text(name: str) -> str:
    return files("refledger.core").joinpath("data", name).read_text("utf-8")


def _lines(text: str) -> frozenset[str]:
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


# Where mail to an alias ends up, provider by provider. Plus-tags need no row: they are folded everywhere,
# because almost every server that accepts them delivers to the part before the plus.
GMAIL = frozenset({"gmail.com", "googlemail.com"})
# Proton Help, "Addresses and aliases": dots, hyphens and underscores are ignored; one name everywhere.
PROTON = frozenset({"proton.me", "protonmail.com", "protonmail.ch", "pm.me"})
# Apple Support, "About your @icloud.com, @me.com and @mac.com addresses": one mailbox under three names.
ICLOUD = frozenset({"icloud.com", "me.com", "mac.com"})
# Yandex Mail Help, "Addresses": a dot and a hyphen are the same, and each name exists on every Yandex domain.
YANDEX = words("yandex.ru yandex.com yandex.by yandex.kz yandex.ua yandex.uz yandex.com.tr ya.ru narod.ru")
# Fastmail Help, "Plus addressing and subdomain addressing": anything@user.fastmail.com is user@fastmail.com.
FASTMAIL = words("fastmail.com fastmail.fm fastmail.net fastmail.org fastmail.us fastmail.to sent.com")
# Yahoo Help, "Disposable email addresses": base-keyword@; a real Yahoo name cannot contain a hyphen.
YAHOO_OTHERS = frozenset({"ymail.com", "rocketmail.com"})
# Microsoft ("Plus addressing") has plus-tags only; outlook.com, hotmail.com and live.com stay apart.

# Forwarding that hides an address from merchants, not from justice: never throw-away, whatever a list says.
RELAYS = words(
    """duck.com privaterelay.appleid.com icloud.com mozmail.com relay.firefox.com simplelogin.com
    simplelogin.co simplelogin.io simplelogin.fr aleeas.com slmail.me slmails.com silomails.com dralias.com
    8alias.com 8shield.net anonaddy.com anonaddy.me addy.io passmail.net passmail.com passinbox.com
    passfwd.com 33mail.com opayq.com erine.email cloaked.id"""
)
_OWN = {name: _text(name) for name in ("generic-domains.txt", "disposable-supplement.txt")}
GENERIC = _lines(_OWN["generic-domains.txt"])
SUPPLEMENT = _lines(_OWN["disposable-supplement.txt"])
_BLOCKED = blocklist | SUPPLEMENT
# Which lists judged: the library's release, and a digest of our own files. Stands in every decision's record.
DATA_VERSIONS = {
    "disposable_email_domains": version("disposable-email-domains"),
    "own_lists": blake2b("".join(_OWN.values()).encode(), digest_size=4).hexdigest(),
}
# yahoo.fr, hotmail.co.uk, live.com.mx …: one provider under many countries' domains.
_FAMILY = re.compile(r"(yahoo|hotmail|outlook|live|gmx|yandex|aol|msn|tiscali|terra)\.(?:com?\.)?[a-z]{2,3}")

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
        mailbox=_mailbox(local, domain),
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


def _mailbox(local: str, domain: str) -> str:
    """The canonical "local@domain" for a local part without its plus-tag, by the rules above."""
    # "joe.+tag" is joe: a dot before the tag cannot end a mailbox's name.
    local = local.rstrip(".") or local
    if domain in GMAIL:
        return f"{local.replace('.', '') or local}@gmail.com"
    if domain in PROTON:
        return f"{re.sub(r'[._-]', '', local) or local}@proton.me"
    if domain in ICLOUD:
        return f"{local}@icloud.com"
    if domain in YANDEX:
        return f"{local.replace('.', '-')}@yandex.ru"
    if domain in YAHOO_OTHERS or (domain.startswith("yahoo.") and _FAMILY.fullmatch(domain)):
        return f"{local.partition('-')[0].rstrip('.') or local}@{domain}"
    user, _, parent = domain.partition(".")
    if parent in FASTMAIL:
        return f"{user}@{parent}"
    return f"{local}@{domain}"


def is_generic(domain: str) -> bool:
    """True for the public's mail providers, where sharing a domain means nothing."""
    if domain in GENERIC or domain.partition(".")[2] in FASTMAIL:
        return True
    return _FAMILY.fullmatch(domain) is not None


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
