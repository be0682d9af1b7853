"""A book kept apart from the service: what affiliates have follows from what was told, by the tables of docs/money.md.

Nothing is posted here: every balance is reckoned anew from the facts, at a given time.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field

ACCOUNTS = ("pending", "held", "payable", "in_payout", "paid", "dispute_reserve", "expense", "clawback_loss")
DAY_MS = 86_400_000


@dataclass
class Terms:
    """As a program has them. `value`: per mille of the revenue, or minor units where it is fixed."""

    fixed: bool
    value: int
    hold_days: int
    approve_days: int | None
    share: int = 5  # per cent, of the recruiter
    most: int = 12


@dataclass
class Sale:
    order: str
    affiliate: str
    recruiter: str | None
    terms: Terms
    revenue: int
    at_ms: int
    verified: bool
    decision: str
    initial: str
    reopened: bool = False
    refunds: dict = field(default_factory=dict)  # id → minor units, None: everything
    disputes: dict = field(default_factory=dict)  # id → open, won, lost

    @property
    def back(self):
        return sum(amount for amount in self.refunds.values() if amount is not None)

    @property
    def is_refunded(self):
        return None in self.refunds.values() or self.back == self.revenue

    @property
    def dispute(self):
        return next((each for each in ("lost", "open", "won") if each in self.disputes.values()), None)

    def dues(self):
        """Who earns of it → how much by now."""
        if self.is_refunded or self.dispute == "lost" or self.decision == "rejected":
            return {}
        terms, left = self.terms, self.revenue - self.back
        direct = terms.value if terms.fixed else left * terms.value // 1000
        direct = min(direct, self.revenue * terms.most // 100)
        dues = {self.affiliate: direct}
        if self.recruiter:
            dues[self.recruiter] = min(left * terms.share // 100, max(0, left * terms.most // 100 - direct))
        return dues

    def account(self, now_ms):
        if self.dispute == "open":
            return "dispute_reserve"
        if self.decision != "approved":
            return "pending"
        return "held" if self.at_ms + self.terms.hold_days * DAY_MS > now_ms else "payable"

    def approves_by_itself(self, now_ms):
        waits = self.decision == self.initial == "pending" and self.verified and not self.reopened
        days = self.terms.approve_days
        settled = not self.is_refunded and self.dispute in (None, "won")
        return waits and settled and days is not None and self.at_ms + days * DAY_MS <= now_ms


@dataclass
class Book:
    """`sales` and `payouts` by id; a payout is affiliate → [amount, status]."""

    sales: dict = field(default_factory=dict)
    payouts: dict = field(default_factory=dict)
    past: list = field(default_factory=list)  # (until when, the book as it was)

    def turn_page(self, now_ms):
        """What is told from now on was not known before."""
        self.past.append((now_ms, deepcopy(Book(self.sales, self.payouts))))

    def standing(self, order):
        return [sale for sale in self.sales.values() if sale.order == order and sale.decision != "rejected"]

    def accounts(self, affiliate, now_ms):
        found = Counter()
        for sale in self.sales.values():
            due = sale.dues().get(affiliate, 0)
            found[sale.account(now_ms)] += due
            found["expense"] -= due
        for items in self.payouts.values():
            amount, status = items.get(affiliate, (0, "failed"))
            if status in ("pending", "paid"):
                found["in_payout" if status == "pending" else "paid"] += amount
                found["payable"] -= amount
        return {account: found[account] for account in ACCOUNTS}

    def to_be_paid(self, affiliates, until_ms, minimum, now_ms):
        """Affiliate → amount: what was payable before `until_ms`, no more than is payable now."""
        before = next((book for at_ms, book in self.past if at_ms >= until_ms), self)
        found = {}
        for affiliate in affiliates:
            amount = min(
                book.accounts(affiliate, at_ms)["payable"]
                for book, at_ms in ((before, until_ms), (self, now_ms))
            )
            if amount >= max(minimum, 1):
                found[affiliate] = amount
        return found
