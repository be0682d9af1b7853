"""Policies to begin with: what each differs in from the default. A version is never altered; a change is a new one.

A policy asks for `strict` and keeps `strict-1`, so that what was judged by it can be judged so again.
"""

_REVIEWED = {"action": "review"}
_REFUSED = {"action": "refuse"}
_OFF = {"action": "off"}

PRESETS: dict[str, dict] = {
    "reference-1": {},
    "lenient-1": {
        "review_at": 60,
        "signals": {
            "email.plus_tag": _OFF,
            "email.role": _OFF,
            "email.repeat": _OFF,
            "email.digits_tail": _OFF,
            "email.disposable_lookalike": {"points": 30},
            "identity.domain_cluster": _OFF,
            "timing.suspicious": {"points": 20},
            "timing.too_fast": _REVIEWED,
            "geo.same_city": _OFF,
            "ip.vpn": {"points": 10},
            "ip.relay": _OFF,
            "ua.os_mismatch": _OFF,
        },
    },
    "strict-1": {
        "review_at": 25,
        "refuse_at": 80,
        "signals": {
            "email.test_pattern": _REVIEWED,
            "email.disposable_lookalike": _REVIEWED,
            "identity.affiliate_mailbox": _REFUSED,
            "identity.affiliate_domain": _REVIEWED,
            "geo.same_ip": _REFUSED,
            "geo.impossible_travel": _REVIEWED,
            "ip.tor": _REVIEWED,
            "ip.hosting": _REVIEWED,
            "ip.proxy": _REVIEWED,
            "ip.many_mailboxes": _REVIEWED,
            "ua.bot": _REFUSED,
            "ua.http_library": _REFUSED,
            "click.not_navigation": _REVIEWED,
            "history.mailbox": _REFUSED,
            "history.address": _REVIEWED,
            "affiliate.confirmed_fraud": _REVIEWED,
            "conversion.possible_duplicate": _REVIEWED,
        },
    },
}
# Each by its plain name, in its newest version.
NEWEST = {name.rpartition("-")[0]: name for name in PRESETS}
