"""Where post to an address arrives: the mailbox behind its spellings, by each provider's own rules.

`PROVIDERS` has a row for each provider whose rules are more than the plus-tag, with the page that tells them.
Plus-tags need no row: they are folded everywhere, because almost every server that accepts them delivers to the part
before the plus. What no provider tells is not folded: two strangers taken for one cost an honest sale a review.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def lines(name: str) -> frozenset[str]:
    """Of a file of ours: one a line, without remarks."""
    text = files("refledger.core").joinpath("data", name).read_text("utf-8")
    return frozenset(
        line for each in text.splitlines() if (line := each.strip()) and not line.startswith("#")
    )


def digest(texts: Iterable[str]) -> str:
    """Names a set of our own data as it is, whatever its order."""
    return blake2b(" ".join(sorted(texts)).encode(), digest_size=4).hexdigest()


@dataclass(frozen=True, slots=True)
class Provider:
    """What makes no difference in an address at these domains."""

    name: str
    domains: frozenset[str]
    sources: tuple[str, ...]
    one_domain: str | None = None  # a name is the same mailbox on all of them; this one is written
    ignored: str = ""  # characters of a name
    alike: tuple[str, str] | None = None  # the first character of a name means the second
    tag: str = ""  # begins a tag, as the plus does
    subdomains: bool = False  # anything@name.domain is name@domain


PROVIDERS = (
    Provider(
        "Gmail",
        words("gmail.com googlemail.com"),
        # "Dots don't matter in Gmail addresses"; "Google Mail addresses". At a company's own domain they do matter.
        ("https://support.google.com/mail/answer/7436150", "https://support.google.com/mail/answer/10313"),
        one_domain="gmail.com",
        ignored=".",
    ),
    Provider(
        "Outlook",
        words("outlook.com hotmail.com live.com msn.com"),
        # Plus-tags and nothing else; the names of one domain may be other people's on another.
        (
            "https://learn.microsoft.com/exchange/recipients-in-exchange-online/plus-addressing-in-exchange-online",
        ),
    ),
    Provider(
        "Yahoo",
        words("ymail.com rocketmail.com"),  # besides yahoo.com and its national domains
        # Disposable addresses are base-keyword@; a name cannot hold a hyphen, and a base is nobody else's name.
        ("http://help.yahoo.com/help/uk/bt/tutorials/mail/addressguard2.html",),
        tag="-",
    ),
    Provider(
        "Proton",
        words("proton.me protonmail.com protonmail.ch pm.me"),
        # Dots, hyphens and underscores are "transparent"; a name belongs to one account on every Proton domain.
        ("https://proton.me/support/change-username", "https://proton.me/support/addresses-and-aliases"),
        one_domain="proton.me",
        ignored=".-_",
    ),
    Provider(
        "iCloud",
        words("icloud.com me.com mac.com"),
        # One account has its name on two or all three of them.
        ("https://support.apple.com/118230",),
        one_domain="icloud.com",
    ),
    Provider(
        "Yandex",
        words(
            """yandex.ru yandex.com yandex.az yandex.by yandex.co.il yandex.com.ge yandex.com.tr yandex.ee yandex.fr
            yandex.kg yandex.kz yandex.lt yandex.lv yandex.md yandex.tj yandex.tm yandex.ua yandex.uz ya.ru narod.ru"""
        ),
        # A name's addresses on all Yandex domains are linked to it; in a name, a dot is a hyphen.
        (
            "https://yandex.com/support/id/authorization/email.html",
            "https://yandex.com/support/domain/additional/mailbox-alias.xml",
        ),
        one_domain="yandex.ru",
        alike=(".", "-"),
    ),
    Provider(
        "Fastmail",
        lines("fastmail-domains.txt"),
        # "Plus addressing and subdomain addressing".
        ("https://www.fastmail.help/hc/en-us/articles/360060591053",),
        subdomains=True,
    ),
)
_BY_DOMAIN = {domain: provider for provider in PROVIDERS for domain in provider.domains}
DOMAINS = frozenset(_BY_DOMAIN)
_YAHOO = next(provider for provider in PROVIDERS if provider.name == "Yahoo")

# yahoo.fr, hotmail.co.uk, live.com.mx …: one provider under many countries' domains.
_FAMILY = re.compile(r"(yahoo|hotmail|outlook|live|gmx|yandex|aol|msn|tiscali|terra)\.(?:com?\.)?[a-z]{2,3}")

# Which rules folded: stands in the records of decisions.
DATA_VERSIONS = {
    "mailbox_rules": digest(
        [
            _FAMILY.pattern,
            *(
                f"{sorted(each.domains)} {each.one_domain} {each.ignored} {each.alike} {each.tag} {each.subdomains}"
                for each in PROVIDERS
            ),
        ]
    )
}


def family(domain: str) -> str | None:
    """The public provider whose national domain this is."""
    match = _FAMILY.fullmatch(domain)
    return match and match[1]


def provider(domain: str) -> Provider | None:
    """Whose rules hold for names at the domain itself."""
    return _BY_DOMAIN.get(domain) or (_YAHOO if family(domain) == "yahoo" else None)


def host(domain: str) -> Provider | None:
    """The provider of whom this is a user's own sub-domain."""
    found = _BY_DOMAIN.get(domain.partition(".")[2])
    return found if found and found.subdomains else None


def mailbox(local: str, domain: str) -> str:
    """The canonical "local@domain", of a local part in small letters without its plus-tag."""
    if host(domain):
        local, _, domain = domain.partition(".")
    # "joe.+tag" is joe: a dot before the tag cannot end a mailbox's name.
    local = local.rstrip(".") or local
    rules = provider(domain)
    if rules is None:
        return f"{local}@{domain}"
    name = local
    if rules.tag:
        name = name.partition(rules.tag)[0].rstrip(".")
    if rules.alike:
        name = name.replace(*rules.alike)
    for each in rules.ignored:
        name = name.replace(each, "")
    return f"{name or local}@{rules.one_domain or domain}"
