"""The API reference's samples as lines to paste, with the demo merchant's ids and keys."""

import json
from collections.abc import Mapping

# The bodies as text: a number of Python would print 80.00 as 80.0.
SAMPLES = (
    (
        "a signup through a referral code",
        '"ref_code": "JOHN123", "customer_email": "customer@example.com", "conversion_type": "signup"',
    ),
    (
        "a purchase with the customer's e-mail",
        '"ref_code": "JOHN123", "customer_email": "customer@example.com", "conversion_type": "purchase", '
        '"revenue_amount": 99.99, "customer_ip": "203.0.113.42", "customer_user_agent": "Mozilla/5.0..."',
    ),
    (
        "a purchase with a coupon",
        '"coupon_code": "SAVE20", "conversion_type": "purchase", "revenue_amount": 80.00',
    ),
)
_LABELS = {
    "merchant_id": "merchant",
    "program_id": "program",
    "ref_code": "referral code",
    "coupon_code": "coupon",
    "publishable_key": "publishable key",
    "secret_key": "secret key",
    "test_publishable_key": "publishable key, test",
    "test_secret_key": "secret key, test",
}


def curl_lines(url: str, demo: Mapping[str, str]) -> list[tuple[str, str]]:
    """(what it does, a complete line for a shell) for each sample, and for a look at what became of them."""
    lines = []
    for what, fields in SAMPLES:
        ids = {name: demo[name] for name in ("program_id", "publishable_key")}
        body = f"{json.dumps(ids)[:-1]}, {fields}}}"
        lines.append(
            (
                what,
                f"curl -sS -w '\\n' -X POST {url}/v1/track-conversion "
                f"-H 'Content-Type: application/json' -d '{body}'",
            )
        )
    look = f"curl -sS -w '\\n' -H 'Authorization: Bearer {demo['secret_key']}' {url}/v1/conversions"
    return [*lines, ("what became of them, for the merchant", look)]


def demo_text(url: str, demo: Mapping[str, str]) -> str:
    """Plain text: a key or a command that a terminal library wraps can no longer be copied."""
    ids = [f"  {label:<22} {demo[name]}" for name, label in _LABELS.items()]
    calls = [f"# {what}\n{line}" for what, line in curl_lines(url, demo)]
    link = f"  {'a link to share':<22} {url}/r/{demo['slug']}/{demo['ref_code']}"
    return "\n".join(
        ["Demo merchant", *ids, link, "", "Paste into another terminal:", "", "\n\n".join(calls)]
    )
