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
