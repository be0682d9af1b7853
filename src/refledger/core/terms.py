"""What a merchant may write into a program: terms of commission in its currency, slugs and codes."""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from itertools import pairwise
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


def faults_in_terms(terms: Mapping[str, Any], conversion_type: str, currency: str) -> dict[str, str]:
    """Path within the terms of that type of conversion → what is wrong there, in words. Their shape is the door's
    business.
    """
    found = {"value": _fault_in_value(terms["type"], terms["value"], currency)}
    thresholds = []
    for place, tier in enumerate(terms.get("tiers", ())):
        found[f"tiers.{place}.value"] = _fault_in_value(terms["type"], tier["value"], currency)
        if fault := _fault_in_threshold(tier["from"], conversion_type, currency):
            found[f"tiers.{place}.from"] = fault
        else:
            thresholds.append(threshold(tier["from"], currency))
    if len({counted for counted, _ in thresholds}) > 1:
        found["tiers"] = "must all count the same: conversions, or revenue"
    elif any(lower >= higher for lower, higher in pairwise(thresholds)):
        found["tiers"] = "must rise, each from more than the one before"
    for name in ("cap", "monthly_cap"):
        if name in terms:
            found[name] = _fault_in_value("fixed", terms[name], currency)
    if "bonus" in terms:
        found["bonus.value"] = _fault_in_value("fixed", terms["bonus"]["value"], currency)
    return {path: fault for path, fault in found.items() if fault}


def faults_in_recruiters(terms: Mapping[str, str]) -> dict[str, str]:
    """The same of what recruiters earn: {"value", "most"}."""
    found = {name: _fault_in_value("percentage", terms[name], "") for name in ("value", "most")}
    if not any(found.values()) and Decimal(terms["value"]) > Decimal(terms["most"]):
        found["value"] = "must not be above most"
    return {path: fault for path, fault in found.items() if fault}


def threshold(start: Mapping[str, Any], currency: str) -> tuple[str, int]:
    """What a tier counts, and from how much on it holds, money in minor units."""
    if "conversions" in start:
        return "conversions", start["conversions"]
    return "revenue", read_amount(start["revenue"], currency)


def _fault_in_threshold(start: Mapping[str, Any], conversion_type: str, currency: str) -> str | None:
    if "revenue" not in start:
        return None
    if conversion_type == "signup":
        return "must count conversions: a signup has no revenue"
    return _fault_in_value("fixed", start["revenue"], currency)


def _fault_in_value(kind: str, value: str, currency: str) -> str | None:
    try:
        if kind == "fixed":
            read_amount(value, currency)
            return None
        percent = _decimal(value)
    except ValueError as why:
        return str(why)
    if percent > 100:
        return "must be at most 100, a percentage"
    if _decimals(percent) > PERCENT_DECIMALS:
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
