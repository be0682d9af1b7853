"""The load: clients that report every sale one to eight times at once, lose patience, and try again."""

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import count
from random import Random

from tests.fire.clock import FastClock
from tests.fire.log import Log, Sale
from tests.journeys.wire import Answer, Wire

CLIENTS = 64
MOST_COPIES = 8
IMPATIENT = 0.15  # of all tries: these wait for no more than
HASTE_S = 0.05
PATIENCE_S = 15
GIVE_UP_S = 60  # with one copy: nothing here lasts so long


@dataclass(frozen=True)
class Target:
    """An affiliate to report sales of, and how many conversions it may have."""

    ref_code: str
    program_id: str
    hourly: int
    daily: int
    weight: int = 1


class Load:
    """Runs in a thread of its own from `start` to `stop`."""

    def __init__(
        self, ports: list[int], keys: dict, targets: list[Target], log: Log, clock: FastClock, seed=1
    ):
        self._ports, self._keys, self._targets, self._log, self._clock = ports, keys, targets, log, clock
        self._random = Random(seed)
        self._waiting: deque[tuple[Sale, bool]] = deque()  # a copy, and whether it brings the sale's key
        self._sales, self._tries = count(1), count(1)
        self.heard: Counter[str] = Counter()
        self.sold = 0
        self.broken: list[BaseException] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No new sales; returns when the clients have heard what they wait for, or given it up."""
        self._stopping.set()
        self._thread.join(2 * GIVE_UP_S)
        assert not self._thread.is_alive(), "the clients do not end"
        if self.broken:
            raise self.broken[0]

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self.broken.append(error)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))

    async def _client(self) -> None:
        wires = [Wire(port) for port in self._ports]
        while copy := self._next():
            await self._report(*copy, wires)
        for wire in wires:
            wire.close()

    def _next(self) -> tuple[Sale, bool] | None:
        """The next copy: all of a sale's are taken one after the other, and so sent at the same time."""
        if not self._waiting:
            if self._stopping.is_set():
                return None
            sale = self._sale(next(self._sales))
            self._log.sale(sale)
            self.sold += 1
            for number in range(self._random.randint(1, MOST_COPIES)):
                self._waiting.append((sale, bool(sale.key) and not (sale.is_mixed and number % 2)))
        return self._waiting.popleft()

    def _sale(self, number: int) -> Sale:
        (target,) = self._random.choices(self._targets, [each.weight for each in self._targets])
        kind = self._random.choices(("keyed", "ordered", "mailed", "mixed"), (40, 25, 20, 15))[0]
        return Sale(
            number,
            target.ref_code,
            target.program_id,
            type="signup" if kind == "mailed" else "purchase",
            email=f"{self._random.getrandbits(48):x}{number}@example.com",
            order_id=f"order-{number}" if kind != "mailed" else None,
            key=f"key-{number}" if kind in ("keyed", "mixed") else None,
            is_mixed=kind == "mixed",
            verified=self._random.random() < 0.3,
        )

    async def _report(self, sale: Sale, keyed: bool, wires: list[Wire]) -> None:
        """One copy, until it is decided; or until this client has better things to do."""
        until_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < until_s:
            hasty = self._random.random() < IMPATIENT
            patience_s = self._random.random() * HASTE_S if hasty else PATIENCE_S
            answer = await self._try(sale, keyed, self._random.choice(wires), patience_s)
            self.heard[str(answer.status) if answer else "nothing"] += 1
            if answer and answer.status != 503:
                return
            if hasty and not answer and self._random.random() < 0.5:
                return
            # Sooner than a 503 asks for: nobody here is polite.
            await asyncio.sleep(0.05 + self._random.random() / 5)
        self._log.gave_up(sale.number)

    async def _try(self, sale: Sale, keyed: bool, wire: Wire, patience_s: float) -> Answer | None:
        """None where no answer came; the connection is closed then, whatever becomes of the report."""
        number = next(self._tries)
        key = self._keys["secret_key" if sale.verified else "publishable_key"]
        headers = {"Idempotency-Key": sale.key} if keyed else {}
        self._log.sent(number, sale.number, keyed, self._clock())
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(patience_s):
                answer = await wire.post({"publishable_key": key, **sale.fields}, headers)
            self._log.answered(number, answer, self._clock())
            return answer
        wire.close()
        return None
