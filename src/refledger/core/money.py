"""Amounts: integer minor units inside, decimal text outside, never a float between."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

# Wide enough that shifting the point never rounds: intake admits a hundred digits at most.
_EXACT = Context(prec=300)

# ISO 4217 minor-unit exponents that are not 2.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}

CURRENCIES = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BHD",
        "BIF",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CLF",
        "CLP",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DJF",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GNF",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IQD",
        "IRR",
        "ISK",
        "JMD",
        "JOD",
        "JPY",
        "KES",
        "KGS",
        "KHR",
        "KMF",
        "KPW",
        "KRW",
        "KWD",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "LYD",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "OMR",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "PYG",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "RWF",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TND",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "UGX",
        "USD",
        "UYI",
        "UYU",
        "UYW",
        "UZS",
        "VED",
        "VES",
        "VND",
        "VUV",
        "WST",
        "XAF",
        "XCD",
        "XOF",
        "XPF",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)


def exponent(currency: str) -> int:
    """How many decimals the currency's minor unit has."""
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal, currency: str) -> tuple[int, bool]:
    """Minor units, and whether surplus decimals had to be rounded (half-even).

    The rounding mends amounts computed in floating point: 14.989999999999998 means 14.99.
    """
    scaled = amount.scaleb(exponent(currency), _EXACT)
    whole = scaled.to_integral_value(ROUND_HALF_EVEN)
    return int(whole), whole != scaled


def to_text(minor: int, currency: str) -> str:
    """The amount in major units, with all decimals of the currency: 999 USD cents are "9.99"."""
    decimals = exponent(currency)
    if not decimals:
        return str(minor)
    sign, digits = ("-", -minor) if minor < 0 else ("", minor)
    major, rest = divmod(digits, 10**decimals)
    return f"{sign}{major}.{rest:0{decimals}d}"


def share(minor: int, percent: Decimal) -> int:
    """A percentage of an amount, rounded down to the minor unit: the only place where a commission is rounded."""
    numerator, denominator = percent.as_integer_ratio()
    return minor * numerator // (denominator * 100)


def as_object(minor: int, currency: str) -> dict[str, Any]:
    """As the API and the command line show an amount."""
    return {"amount_minor": minor, "amount": to_text(minor, currency), "currency": currency}
