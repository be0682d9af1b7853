"""What time alone brings about: holds end, and what nobody has to look at is approved by itself.

A worker writes it down, for every merchant; who reads balances or pays out counts what is due by then all the same.
Several processes may do it at once: each holds what it looks at, looks again, and leaves what another has done.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from refledger.core.conversions import approves_now
from refledger.core.decision_reasons import AUTOMATIC
from refledger.core.events import EventType
from refledger.services import notes, settlement
from refledger.services.credentials import Tenant
from refledger.services.notes import Entropy
from refledger.store import housekeeping, ledger, merchants
from refledger.store import maturing as store
from refledger.store.engine import EVERYONE, Connection, Database, Unavailable, hold, is_unavailable

log = structlog.get_logger()

EVERY_S = 60.0
MOST = 100  # in one transaction, which holds all their affiliates
_FIRST = (-1, "")

Row = dict[str, Any]
Settle = Callable[[Connection, Tenant, list[Row], int, Entropy], None]


class Maturing:
    """One thread; what it cannot do now it does the next time."""

    def __init__(self, database: Database, clock: Callable[[], int], entropy: Entropy):
        self._database, self._clock, self._entropy = database, clock, entropy
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="maturing", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def _work(self) -> None:
        while not self._closing.wait(EVERY_S):
            try:
                self.run()
            except Exception as error:
                log.warning("maturing failed, will try again", why=repr(error))

    def run(self) -> None:
        """Everything that is due by now, merchant by merchant, a batch at a time. Approvals first: they may mature."""
        with self._database.read(EVERYONE) as connection:
            merchant_ids = housekeeping.merchant_ids(connection)
        for merchant_id in merchant_ids:
            self.run_of(merchant_id)

    def run_of(self, merchant_id: str) -> None:
        """Everything of that merchant."""
        for find, settle in ((store.approving, approve), (store.maturing, mature)):
            after = _FIRST
            while not self._closing.is_set() and (due := self._find(find, merchant_id, after)):
                self._settle(settle, merchant_id, [conversion_id for _, conversion_id in due])
                after = due[-1]

    def _find(self, find: Callable, merchant_id: str, after: store.Place) -> list[store.Place]:
        with self._database.read(merchant_id) as connection:
            now_ms = self._database.now_ms(connection, self._clock())
            return find(connection, merchant_id, now_ms, after, MOST)

    def _settle(self, settle: Settle, merchant_id: str, ids: list[str]) -> None:
        """In one transaction; where that fails, one by one, so that only the guilty wait."""
        try:
            with self._database.write(merchant_id) as connection:
                tenant = _automatic(connection, merchant_id)
                found = _held(connection, tenant, ids)
                now_ms = self._database.now_ms(connection, self._clock())
                settle(connection, tenant, found, now_ms, self._entropy)
        except Exception as error:
            if isinstance(error, Unavailable) or is_unavailable(error):
                raise
            if len(ids) == 1:
                log.error("a conversion cannot be settled", conversion_id=ids[0], why=repr(error))
                return
            for each in ids:
                self._settle(settle, merchant_id, [each])


def _automatic(connection: Connection, merchant_id: str) -> Tenant:
    """On whose behalf: nobody's, as the audit tells."""
    key = merchants.merchant(connection, merchant_id)["fingerprint_key"]
    return Tenant(merchant_id, AUTOMATIC, "live", bytes.fromhex(key))


def _held(connection: Connection, tenant: Tenant, ids: Iterable[str]) -> list[Row]:
    """The conversions' rows, read again once their keys are held."""
    places = [(tenant.merchant_id, each) for each in ids]
    found = ledger.conversions_of(connection, places)
    hold(connection, settlement.lock_numbers(connection, tenant, list(found.values())))
    return list(ledger.conversions_of(connection, places).values())


def mature(
    connection: Connection, _tenant: Tenant, conversions: Iterable[Row], now_ms: int, entropy: Entropy
) -> None:
    """Moves on those whose hold is over. Whoever earns of them is held."""
    due = [each for each in conversions if _is_due(each["matures_ms"], now_ms)]
    settlement.settle_all(connection, due, EventType.MATURED, now_ms, entropy)


def approve(
    connection: Connection, tenant: Tenant, conversions: Iterable[Row], now_ms: int, entropy: Entropy
) -> None:
    """Approves those whose time has come. Whoever earns of them is held."""
    due = [each for each in conversions if approves_now(each, now_ms)]
    before = {each["id"]: each["status"] for each in due}
    for each in due:
        each |= {"decision": "approved", "decision_reason": AUTOMATIC}
    settlement.settle_all(connection, due, EventType.APPROVED, now_ms, entropy, reason=AUTOMATIC)
    for each in due:
        changes = {"status": [before[each["id"]], each["status"]], "decision": ["pending", "approved"]}
        in_mode = replace(tenant, mode=each["mode"])
        what = (EventType.APPROVED.value, each["id"], changes | {"reason": [None, AUTOMATIC]})
        notes.note(connection, in_mode, *what, now_ms, entropy)


def _is_due(at_ms: int | None, now_ms: int) -> bool:
    return at_ms is not None and at_ms <= now_ms


def as_of_now(
    connection: Connection, tenant: Tenant, affiliate_id: str, accounts: Mapping[str, int], now_ms: int
) -> dict[str, int]:
    """The affiliate's accounts as if everything whose hold is over had been moved on by now."""
    if not accounts["held"]:
        return dict(accounts)
    place = (tenant.merchant_id, affiliate_id, tenant.mode)
    minor = store.matured_minor(connection, *place, now_ms)
    return dict(accounts) | {"held": accounts["held"] - minor, "payable": accounts["payable"] + minor}
