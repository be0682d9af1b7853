"""Fingerprints: fixed-width keyed hashes that stand for wide or personal text in indexes.

128 bits, so that a unique index over them may be the referee: two different texts meet once in 10^19 rows.
The key is the merchant's own, so that fingerprints of two merchants never compare.
"""

from binascii import b2a_base64
from hashlib import blake2b

from refledger.core.programs import fold_code


def fingerprint(key: bytes, kind: str, *parts: str) -> str:
    """22 characters of base 64; `kind` and the parts are kept apart, so that ("a", "bc") is not ("ab", "c")."""
    text = "\x1f".join((kind, *parts)).encode("utf-8", "surrogatepass")
    return b2a_base64(blake2b(text, digest_size=16, key=key).digest(), newline=False)[:22].decode()


_URL_SAFE = str.maketrans("+/", "-_")

# One name for each thing that is found again by its fingerprint: written and looked up by the same function.


def code_key(key: bytes, program_id: str, code: str) -> str:
    """A referral or coupon code, trimmed and without case, in its program."""
    return fingerprint(key, "code", program_id, fold_code(code))


def email_key(key: bytes, program_id: str, mode: str, address: str) -> str:
    """A customer, by their exact address (trimmed, lower-cased)."""
    return fingerprint(key, "email", program_id, mode, address)


def mailbox_key(key: bytes, program_id: str, mode: str, mailbox: str) -> str:
    """A mailbox, normalised, however it was spelled."""
    return fingerprint(key, "mailbox", program_id, mode, mailbox)


def order_key(key: bytes, program_id: str, mode: str, order_id: str) -> str:
    """The merchant's own order."""
    return fingerprint(key, "order", program_id, mode, order_id)


def address_key(key: bytes, affiliate_id: str, mode: str, unit: str) -> str:
    """The clicks on an affiliate's links from one address; `unit`: IPv4 /32 or IPv6 /64."""
    return fingerprint(key, "click", affiliate_id, mode, unit)


def agent_key(key: bytes, agent: str | None) -> str:
    """A user agent, exactly as sent."""
    return fingerprint(key, "agent", agent or "")


def known_key(key: bytes, kind: str, mode: str, text: str) -> str:
    """A `mailbox`, normalised, or an `address` by its unit: whatever the program, for what is remembered of fraud."""
    return fingerprint(key, f"known {kind}", mode, text)


def left_as(key: str, verified: bool) -> str:
    """Under what a report leaves something for later ones to look at. What anyone can forge is told apart, and lies
    beside the rest.
    """
    return key if verified else f"{key}.u"


def looked_at(key: str, verified: bool) -> tuple[str, ...]:
    """Under what a report looks for what earlier ones have left: a verified one at nothing that anyone can forge."""
    return (key,) if verified else (key, left_as(key, verified=False))


def own_token(key: bytes, affiliate_id: str) -> str:
    """By which an affiliate's own test link is known; fit for a link."""
    return fingerprint(key, "test_link", affiliate_id).translate(_URL_SAFE)


def lock_number(text: str) -> int:
    """The signed 64-bit number that PostgreSQL's advisory locks take for a key."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True
    )
