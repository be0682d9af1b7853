"""What a payout takes, where its items lead, and the files that banks and payment providers read."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from refledger.core.money import to_text
from refledger.core.refusals import Reason, Refusal

LAYOUTS = ("generic", "paypal", "wise")

# Where an item leads, and the account that what it holds goes to.
_STEPS = {"paid": "paid", "failed": "payable", "cancelled": "payable"}

_GENERIC = (
    "payout_id", "affiliate_id", "name", "email", "amount", "currency", "status", "reference", "reason",
)  # fmt: skip
# https://wise.com/help/articles/2663302: what is sent by e-mail; the recipients fill in their account themselves.
_WISE = (
    "name", "recipientEmail", "paymentReference", "receiverType", "amountCurrency", "amount", "sourceCurrency",
    "targetCurrency",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def amount_minor(now_minor: int, before_minor: int, minimum_minor: int) -> int:
    """What is paid of what is payable now and was before the payout's time; 0 where that is below the minimum.

    Never more than now, for what was refunded since then is not owed any more; so whoever is below zero gets nothing.
    """
    amount = min(now_minor, before_minor)
    return amount if amount >= max(minimum_minor, 1) else 0


def account_after(step: str, status: str) -> str | Refusal:
    """The account to which an item of that status brings its amount; only what is pending can go anywhere."""
    if status != "pending":
        return Refusal(
            Reason.ILLEGAL_STATUS,
            f"An item that is {status} cannot become {step}",
            detail={"from": status, "to": step},
        )
    return _STEPS[step]


def status_of(item_statuses: Iterable[str]) -> str:
    """Of a payout: open while an item is pending; cancelled where nothing of it was paid and a part was cancelled."""
    found = set(item_statuses)
    if "pending" in found:
        return "open"
    return "cancelled" if "cancelled" in found and "paid" not in found else "completed"


def write_file(layout: str, payout: Mapping[str, Any], items: Iterable[Mapping[str, Any]], day: str) -> str:
    """The payout as CSV. `day`: of its making, in the program's time zone, as 2026-01-31.

    The layouts of payment providers hold what is still to be paid, so that no file pays anybody twice.
    """
    written = io.StringIO()
    sheet = csv.writer(written, lineterminator="\r\n")
    for row in _LAYOUTS[layout](payout, items, day):
        sheet.writerow([harmless(cell) for cell in row])
    return written.getvalue()


def harmless(cell: str) -> str:
    """A cell that no spreadsheet reads as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _generic(payout: Mapping[str, Any], items: Iterable[Mapping[str, Any]], _day: str):
    yield _GENERIC
    for item in items:
        told = item | {"amount": to_text(item["amount_minor"], payout["currency"])}
        told |= {"currency": payout["currency"]}
        yield [told[name] or "" for name in _GENERIC]


def _paypal(payout: Mapping[str, Any], items: Iterable[Mapping[str, Any]], day: str):
    # https://developer.paypal.com/docs/payouts/standard/payouts-web: no headings; recipient, amount, currency, an id of
    # at most 30 characters, a note, the wallet.
    for item in _pending(items):
        amount = to_text(item["amount_minor"], payout["currency"])
        yield [item["email"], amount, payout["currency"], item["affiliate_id"], f"Payout {day}", "PAYPAL"]


def _wise(payout: Mapping[str, Any], items: Iterable[Mapping[str, Any]], day: str):
    yield _WISE
    for item in _pending(items):
        amount, currency = to_text(item["amount_minor"], payout["currency"]), payout["currency"]
        name = item["name"] or item["email"]
        yield [
            name, item["email"], f"Payout {day}", "PERSON", "target", amount, currency, currency,
        ]  # fmt: skip


def _pending(items: Iterable[Mapping[str, Any]]):
    return (item for item in items if item["status"] == "pending")


_LAYOUTS = {"generic": _generic, "paypal": _paypal, "wise": _wise}
