"""refledger: affiliate and referral conversion tracking with a real ledger underneath."""

__version__ = "0.1.0"
