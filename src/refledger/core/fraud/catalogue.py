"""Every signal, in order. A new family is a module in signals/ and a line here."""

from refledger.core.fraud.signals import affiliate, click, conversion, email, identity, timing

SIGNALS = (
    *email.SIGNALS,
    *identity.SIGNALS,
    *timing.SIGNALS,
    *click.SIGNALS,
    *affiliate.SIGNALS,
    *conversion.SIGNALS,
)
BY_CODE = {signal.code: signal for signal in SIGNALS}

# What was asked, by version: a record names the version, so that it can tell which signals were clear. A change of
# SIGNALS is a further version; the earlier ones stay, for the records that name them.
CATALOGUES: dict[int, tuple[str, ...]] = {
    1: (
        "email.test_pattern",
        "email.plus_numeric",
        "email.plus_tag",
        "email.mailbox_reuse",
        "email.sequence",
        "email.role",
        "email.repeat",
        "email.digits_tail",
        "email.disposable_lookalike",
        "identity.affiliate_mailbox",
        "identity.affiliate_domain",
        "identity.domain_cluster",
        "timing.too_fast",
        "timing.suspicious",
        "timing.too_slow",
        "click.not_navigation",
        "affiliate.confirmed_fraud",
        "conversion.possible_duplicate",
    ),
}
CATALOGUE = max(CATALOGUES)
