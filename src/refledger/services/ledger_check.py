"""Proves on live data that every cent balances, and names each place where one does not."""

from collections.abc import Callable, Iterator
from typing import Any

from refledger.services import conversion_check, payout_check
from refledger.services.chain_check import broken_seals
from refledger.services.conversion_check import Silent, Totals
from refledger.store import merchants, payout_proof, proof
from refledger.store.engine import EVERYONE, Connection, Database
from refledger.store.schema import ACCOUNTS

Row = dict[str, Any]
Tell = Callable[[int], None]

_NOT_NEGATIVE = ("pending", "held", "in_payout", "dispute_reserve")


def verify(database: Database, tell: Callable[[int, int], None] | None = None) -> Iterator[str]:
    """Each violation in words; none if the ledger holds. `tell`: rows proven so far, and in all."""
    with database.read(EVERYONE) as connection:
        progress = _progress(proof.how_many(connection), tell) if tell else lambda rows: None
        merchant_ids = [row["merchant_id"] for row in merchants.all_merchants(connection)]
        for merchant_id in merchant_ids:
            yield from _of_merchant(connection, merchant_id, progress)
        for table, merchant_id in proof.strangers(connection, merchant_ids):
            yield f"rows of {table} belong to {merchant_id}, which is no merchant"
        yield from broken_seals(connection, progress)


def _progress(total: int, tell: Callable[[int, int], None]) -> Tell:
    done = 0

    def add(rows: int) -> None:
        nonlocal done
        done += rows
        tell(min(done, total), total)

    return add


def _of_merchant(connection: Connection, merchant_id: str, tell: Tell) -> Iterator[str]:
    silent: Silent = {}
    totals, moved = Totals(), proof.sums_of_payouts(connection, merchant_id)
    for span in proof.spans_of_causes(connection, merchant_id):
        for cause, kind, line, conversion_id in proof.uncaused(connection, merchant_id, span):
            of = f"conversion {conversion_id}: " if conversion_id else ""
            yield f"{of}entry {cause}/{kind}/{line} names a cause that is not its event"
        for event in proof.silent_events(connection, merchant_id, span):
            silent.setdefault(event["subject_id"], []).append(event)
        tell(proof.SPAN_ROWS)
    yield from conversion_check.check(connection, merchant_id, silent, totals, tell)
    yield from payout_check.check(connection, merchant_id, moved)
    payouts = {row["id"] for row in payout_proof.payouts_of(connection, merchant_id)}
    for subject_id in sorted(silent.keys() - payouts):
        yield f"{len(silent[subject_id])} events belong to {subject_id}, which the merchant {merchant_id} has not"
    for _, affiliate_id, _, mode, currency, *move in moved:
        totals.move(affiliate_id, mode, currency, *move)
    yield from _standings(connection, merchant_id, totals)


def _standings(connection: Connection, merchant_id: str, totals: Totals) -> Iterator[str]:
    """Stored balances are the sums of entries, sum to zero, and the counters are those of the conversions."""
    sums = totals.held
    places = proof.affiliates_of(connection, merchant_id)
    wanted = {(each, mode): place for each, place in places.items() for mode in ("live", "test")}
    for standing in proof.standings_of(connection, merchant_id):
        place = (standing["affiliate_id"], standing["mode"])
        of = f"affiliate {standing['affiliate_id']} ({standing['mode']})"
        summed = sums.pop((*place, standing["currency"]), dict.fromkeys(ACCOUNTS, 0))
        held = {account: standing[f"{account}_minor"] for account in ACCOUNTS}
        for account in ACCOUNTS:
            if held[account] != summed.get(account, 0):
                yield f"{of}: {account} holds {held[account]}, its entries sum to {summed.get(account, 0)}"
        for account in sorted(summed.keys() - held.keys()):
            yield f"{of}: entries name an unknown account, {account}"
        if wanted.pop(place, None) != (standing["program_id"], standing["currency"]):
            yield f"{of}: the standing is not in an affiliate's program and its currency"
        if sum(held.values()):
            yield f"{of}: the accounts sum to {sum(held.values())}, not to 0"
        for account in _NOT_NEGATIVE:
            if held[account] < 0:
                yield f"{of}: {account} is below 0"
        if [standing["accepted_count"], standing["verified_count"]] != totals.counts.pop(place, [0, 0]):
            yield f"{of}: the counters of accepted conversions are not those of the conversions"
    for affiliate_id, mode in wanted:
        yield f"affiliate {affiliate_id} ({mode}): the standing is missing"
    for affiliate_id, mode, currency in sums:
        yield f"affiliate {affiliate_id} ({mode}): entries in {currency} without a standing in that currency"
    for affiliate_id, mode in totals.counts:
        yield f"affiliate {affiliate_id} ({mode}): conversions without a standing"
