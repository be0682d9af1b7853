"""What is sent: the reference's purchase, each from a customer of its own, half with either kind of key."""

import random
from collections.abc import Iterator

from bench.installation import SLUG, Installation

_AGENTS = tuple(
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
    for version in range(120, 136)
)
_DOMAINS = ("gmail.com", "outlook.com", "yahoo.com", "icloud.com", "gmx.de", "proton.me", "web.de", "aol.com")
_NAMES = ("anna", "ben", "clara", "david", "emma", "felix", "greta", "hugo", "ida", "jonas", "klara", "leo")
POPULAR = 100  # affiliates whose links are followed all the time
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BODY = (
    '{"program_id": "%s", "ref_code": "%s", "customer_email": "%s", "publishable_key": "%s", '
    '"conversion_type": "purchase", "revenue_amount": %d.%02d, "customer_ip": "%s", "customer_user_agent": "%s"}'
)

_PEER_BODY = (
    '{"referral_code": "%s", "event_type": "purchase", "is_conversion": true, "conversion_value": %d.%02d, '
    '"metadata": {"customer_email": "%s", "customer_ip": "%s"}}'
)


def body(installation: Installation, number: int, chance: random.Random, is_secret: bool) -> bytes:
    """`number` makes the customer's e-mail unique."""
    return (
        _BODY
        % (
            installation.program_id,
            installation.codes[chance.randrange(len(installation.codes))],
            email(number),
            installation.secret_key if is_secret else installation.publishable_key,
            chance.randrange(5, 400),
            chance.randrange(100),
            address(chance),
            chance.choice(_AGENTS),
        )
    ).encode()


def email(number: int) -> str:
    name, rest, letters = _NAMES[number % len(_NAMES)], number, []
    while rest:
        rest, digit = divmod(rest, 26)
        letters.append(_LETTERS[digit])
    return f"{name}.{'q'.join(letters)}@{_DOMAINS[number % len(_DOMAINS)]}"


def address(chance: random.Random) -> str:
    # 11.0.0.0 to 91.255.255.255 is public throughout, so each is counted as a customer's own.
    return (
        f"{chance.randrange(11, 92)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
    )


def conversions(installation: Installation, first: int, count: int) -> Iterator[bytes]:
    """Whole HTTP requests."""
    chance = random.Random(first)
    for number in range(first, first + count):
        given = body(installation, number, chance, number % 2 == 0)
        yield _post("/v1/track-conversion", given)


def peer_conversions(installation: Installation, first: int, count: int) -> Iterator[bytes]:
    """The same purchases as django-affiliate-system is told of them; what it has no field for is metadata."""
    chance = random.Random(first)
    for number in range(first, first + count):
        given = _PEER_BODY % (
            installation.codes[chance.randrange(len(installation.codes))],
            chance.randrange(5, 400),
            chance.randrange(100),
            email(number),
            address(chance),
        )
        agent = f"User-Agent: {chance.choice(_AGENTS)}\r\n".encode()
        yield _post("/affiliates/referral-actions/track/", given.encode(), agent)


def links(installation: Installation, first: int, count: int) -> Iterator[bytes]:
    """Visitors who follow the links of a few affiliates, as on a busy day."""
    return _links(installation.codes[:POPULAR], first, count)


def scattered_links(installation: Installation, first: int, count: int) -> Iterator[bytes]:
    """Visitors who follow anybody's link: hardly one is met twice within a second."""
    return _links(installation.codes, first, count)


def _links(codes: tuple[str, ...], first: int, count: int) -> Iterator[bytes]:
    chance = random.Random(first)
    for _ in range(count):
        code = codes[chance.randrange(len(codes))]
        yield (
            f"GET /r/{SLUG}/{code} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {chance.choice(_AGENTS)}\r\n"
            "Accept: text/html\r\nSec-Fetch-Dest: document\r\n\r\n"
        ).encode()


def _post(path: str, given: bytes, more: bytes = b"") -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
        % (path.encode(), more, len(given), given)
    )
