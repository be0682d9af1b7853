"""The load: clients that report one sale after the other to refledger, and repeat each until it is acknowledged."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from itertools import count

from tests.journeys.wire import Answer, Wire

TRY_AGAIN_S = 0.25
PATIENCE_S = 20  # with one try
GIVE_UP_S = 120  # with one sale
AFFILIATES = 64


class Load:
    """Runs in a thread of its own from `start` to `stop`.

    Each sale has its own order id, customer and Idempotency-Key, and keeps them when it is tried again, at the next
    of the services. It is acknowledged by a 200, the first or a repeated one, or by a 409 that names the conversion
    after a try whose outcome stayed open: then the duplicate is the sale itself.
    """

    def __init__(self, ports: list[int], shop: dict[str, str], prefix: str, clients: int):
        self._ports, self._shop, self._prefix, self._clients = ports, shop, prefix, clients
        self.acknowledged: dict[str, str] = {}  # order id → conversion id
        self.acknowledged_s: list[float] = []  # when, on the monotonic clock
        self.said: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._numbers = count(1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No new sales; returns when those that were begun are acknowledged or given up."""
        self._stopping.set()
        self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._clients)))

    async def _client(self, number: int) -> None:
        wires = [Wire(port) for port in self._ports]
        try:
            while not self._stopping.is_set():
                await self._settle(next(self._numbers), wires[number % len(wires) :] + wires)
        finally:
            for wire in wires:
                wire.close()

    async def _settle(self, number: int, wires: list[Wire]) -> None:
        """One sale, until it is acknowledged."""
        order_id = f"{self._prefix}-{number}"
        until_s, is_open = time.monotonic() + GIVE_UP_S, False
        for attempt in count():
            answer = await self._post(wires[attempt % len(self._ports)], order_id, number)
            if answer and _acknowledges(answer, is_open):
                self.acknowledged[order_id] = answer.body["conversion_id"]
                self.acknowledged_s.append(time.monotonic())
                self.said[_words(answer)] += 1
                return
            self.said[_words(answer)] += 1
            if answer and not (answer.status == 503 and answer.headers.get("retry-after")):
                self.wrong.append(f"{order_id}: {answer.status} {answer.content[:200]!r}")
                return
            if time.monotonic() > until_s:
                self.wrong.append(f"{order_id}: not acknowledged within {GIVE_UP_S} s")
                return
            is_open = True
            await asyncio.sleep(TRY_AGAIN_S)

    async def _post(self, wire: Wire, order_id: str, number: int) -> Answer | None:
        """None where no answer came."""
        report = {
            "program_id": self._shop["program_id"],
            "publishable_key": self._shop["secret_key"],
            "conversion_type": "purchase",
            "ref_code": code(number % AFFILIATES),
            "customer_email": f"{self._prefix}{number}x@example.com",
            "order_id": order_id,
            "revenue_amount": "99.99",
        }
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                return await wire.post(report, {"Idempotency-Key": order_id})
        wire.close()
        return None


def code(number: int) -> str:
    return f"PARTNER{number:02d}"


def _acknowledges(answer: Answer, is_open: bool) -> bool:
    return answer.status == 200 or (answer.status == 409 and is_open and "conversion_id" in answer.body)


def _words(answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    return f"{answer.status} repeated" if "idempotent-replayed" in answer.headers else str(answer.status)
