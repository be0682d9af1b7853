"""Whether each payout is the sum of its items, and what became of each item is where its entries have moved it."""

from collections.abc import Iterator, Sequence
from typing import Any

from refledger.core.payouts import status_of
from refledger.store import payout_proof as store
from refledger.store.engine import Connection

Row = dict[str, Any]

# Where an item's amount has gone, out of `payable`.
_LIES_IN = {"pending": "in_payout", "paid": "paid", "failed": "payable", "cancelled": "payable"}


def check(connection: Connection, merchant_id: str, moved: Sequence[tuple]) -> Iterator[str]:
    """Each violation in words. `moved`: `proof.sums_of_payouts`."""
    payouts = {row["id"]: row for row in store.payouts_of(connection, merchant_id)}
    items: dict[str, list[Row]] = {payout_id: [] for payout_id in payouts}
    held = _by_item(moved)
    for item in store.items_of(connection, merchant_id):
        payout = payouts.get(item["payout_id"])
        if payout is None:
            yield f"an item belongs to {item['payout_id']}, which the merchant {merchant_id} has not"
            continue
        items[payout["id"]].append(item)
        place = (payout["id"], item["affiliate_id"], payout["program_id"], payout["mode"], payout["currency"])
        yield from _item(payout, item, held.pop(place, {}))
    for payout_id, payout in payouts.items():
        yield from _payout(payout, items[payout_id])
    for payout_id, affiliate_id, *_ in held:
        yield f"payout {payout_id}: entries move an amount of {affiliate_id} that is no item of it"


def _by_item(moved: Sequence[tuple]) -> dict[tuple, dict[str, int]]:
    held: dict[tuple, dict[str, int]] = {}
    for *place, debit, credit, amount in moved:
        accounts = held.setdefault(tuple(place), {})
        accounts[debit] = accounts.get(debit, 0) - amount
        accounts[credit] = accounts.get(credit, 0) + amount
    return held


def _item(payout: Row, item: Row, accounts: dict[str, int]) -> Iterator[str]:
    of = f"payout {payout['id']}: the item of {item['affiliate_id']}"
    account, amount = _LIES_IN.get(item["status"], "payable"), item["amount_minor"]
    wanted = {} if account == "payable" else {"payable": -amount, account: amount}
    found = {account: amount for account, amount in accounts.items() if amount}
    if found != wanted:
        yield f"{of} is {item['status']} with {amount}, its entries moved {found or 'nothing'}"
    elif not accounts:
        yield f"{of} has no entries"
    if amount < payout["minimum_minor"]:
        yield f"{of} is of {amount}, less than the payout's minimum"


def _payout(payout: Row, items: list[Row]) -> Iterator[str]:
    of, total = f"payout {payout['id']}", sum(item["amount_minor"] for item in items)
    if payout["amount_minor"] != total:
        yield f"{of}: its amount is {payout['amount_minor']}, its items come to {total}"
    status = status_of(item["status"] for item in items)
    if payout["status"] != status:
        yield f"{of}: its status is {payout['status']}, its items lead to {status}"
