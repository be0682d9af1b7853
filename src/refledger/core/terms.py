"""What a merchant may write into a program: terms of commission in its currency, slugs and codes."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from refledger.core.money import exponent

# Integers up to here are exact in every JSON reader.
MOST_MINOR = 2**53 - 1
PERCENT_DECIMALS = 4

# Without the characters that are mistaken for one another: 0 O, 1 I L.
_READABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 8

_PLAIN = re.compile(r"\d{1,20}(\.\d{1,10})?\Z", re.ASCII)


def read_amount(text: str, currency: str) -> int:
    """Minor units of an amount in major ones, exactly. Raises ValueError in words."""
    value = _decimal(text)
    decimals = exponent(currency)
    if _decimals(value) > decimals:
        raise ValueError(f"must have at most {decimals} decimals, as {currency} has")
    minor = int(value.scaleb(decimals))
    if minor > MOST_MINOR:
        raise ValueError("is too large")
    return minor


def fault_in_terms(terms: Mapping[str, Any], currency: str) -> str | None:
    """What is wrong with {"type", "value"} in that currency, in words; None when nothing is."""
    try:
        if terms["type"] == "fixed":
            read_amount(terms["value"], currency)
            return None
        value = _decimal(terms["value"])
    except ValueError as why:
        return str(why)
    if value > 100:
        return "must be at most 100, a percentage"
    if _decimals(value) > PERCENT_DECIMALS:
        return f"must have at most {PERCENT_DECIMALS} decimals"
    return None


def make_slug(name: str) -> str:
    """A slug from a name: lower-case letters of ASCII, digits and hyphens; "program" where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-") or "program"


def make_code(entropy: bytes) -> str:
    """A readable code, one character for each random byte."""
    return "".join(_READABLE[byte % len(_READABLE)] for byte in entropy)


def _decimal(text: str) -> Decimal:
    if not _PLAIN.match(text):
        raise ValueError('must be a plain decimal as text, like "12.50"')
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("is no number") from None


def _decimals(value: Decimal) -> int:
    return max(0, -value.normalize().as_tuple().exponent)
