"""The load: clients in a process of their own, each sending its next request when the last is answered.

    python -m bench.load < {"port": …, "installation": {…}, "kind": "conversions", "clients": 64, …}

Answers one JSON object on standard output. Requests are built before the clock starts and answers are read no
further than their length, so that the clients cost little of the machine they share with the server.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import cycle
from pathlib import Path

import uvloop

from bench import requests
from bench.installation import Installation

_REPEATED = 5_000
GIVE_UP_S = 15.0  # beyond the time asked for: a server that no longer answers


class Run:
    """One measurement: the requests to send, and what was answered within the timed window."""

    def __init__(self, requests: Iterator[bytes], warm_s: float, timed_s: float):
        self.requests = requests
        self.from_s = time.perf_counter() + warm_s
        self.until_s = self.from_s + timed_s
        self.waits_s: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.is_short = False
        self.cpu_s = 0.0

    def next(self) -> bytes | None:
        request = next(self.requests, None)
        self.is_short = self.is_short or request is None
        return request


class Client(asyncio.Protocol):
    def __init__(self, run: Run, port: int, ended: asyncio.Future):
        self.run, self.port, self.ended = run, port, ended
        self.received = b""
        self.sent_s = 0.0
        self.comes_back = False  # the server ends the connection after each answer, as some of the peers' do

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = self.run.next()
        if request is None:
            return self.transport.close()
        self.sent_s = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        head = data.find(b"\r\n\r\n")
        if head < 0 or len(data) < head + 4 + _length(data, head):
            self.received = data
            return
        self.received = b""
        self.comes_back = b"onnection: close\r\n" in data[: head + 2]
        now_s, run = time.perf_counter(), self.run
        run.statuses[data[9:12].decode()] += 1
        if run.from_s <= now_s < run.until_s:
            run.waits_s.append(now_s - self.sent_s)
        if now_s >= run.until_s:
            self.comes_back = False
        if now_s >= run.until_s or self.comes_back:
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, error) -> None:
        if self.comes_back:
            self.coming = asyncio.get_running_loop().create_task(self._come_back())
        elif not self.ended.done():
            self.ended.set_result(None)

    async def _come_back(self) -> None:
        self.comes_back = False
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)
        except OSError:
            self.ended.set_result(None)


def _length(data: bytes, head: int) -> int:
    start = data.find(b"ontent-length:", 0, head)
    if start < 0:
        start = data.find(b"ontent-Length:", 0, head)
    return int(data[start + 14 : data.find(b"\r", start)]) if start >= 0 else 0


async def _drive(run: Run, port: int, clients: int) -> None:
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(clients)]
    started_s = time.process_time()
    await asyncio.gather(
        *(
            loop.create_connection(lambda end=end: Client(run, port, end), "127.0.0.1", port)  # type: ignore[misc]
            for end in ends
        )
    )
    left_s = run.until_s - time.perf_counter() + GIVE_UP_S
    await asyncio.wait_for(asyncio.gather(*ends), left_s)
    run.cpu_s = time.process_time() - started_s


def main(given: dict) -> dict:
    installation = Installation(**(given["installation"] | {"folder": Path(given["installation"]["folder"])}))
    seconds = given["warm_s"] + given["timed_s"]
    count = _REPEATED if given["repeat"] else round(given["most_a_second"] * seconds) + given["clients"]
    waiting = list(getattr(requests, given["kind"])(installation, given["first"], count))
    gc.collect()
    gc.disable()
    run = Run(cycle(waiting) if given["repeat"] else iter(waiting), given["warm_s"], given["timed_s"])
    uvloop.run(_drive(run, given["port"], given["clients"]))
    if run.is_short:
        raise SystemExit(f"the requests ran out: more than {given['most_a_second']} a second were answered")
    waits_s = sorted(run.waits_s)
    return {
        "rate": len(waits_s) / given["timed_s"],
        "p50_ms": _part(waits_s, 0.50) * 1000,
        "p99_ms": _part(waits_s, 0.99) * 1000,
        "statuses": run.statuses,
        "client_cpu": run.cpu_s / seconds,
    }


def _part(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def measure(
    port: int,
    installation: Installation,
    kind: str,
    clients: int,
    first: int,
    timed_s: float,
    warm_s: float = 0.5,
    most_a_second: int = 25_000,
    repeat: bool = False,
) -> dict:
    """Runs the clients in a process of their own.

    `first`: the first customer's number, never used before. `most_a_second`: a bound on the requests made
    beforehand; with `repeat` a few thousand are sent again and again instead.
    """
    given = {
        "port": port,
        "installation": asdict(installation) | {"folder": str(installation.folder)},
        "kind": kind,
        "clients": clients,
        "first": first,
        "timed_s": timed_s,
        "warm_s": warm_s,
        "most_a_second": most_a_second,
        "repeat": repeat,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(given).encode(),
        capture_output=True,
        timeout=timed_s + warm_s + 2 * GIVE_UP_S,
    )
    if ended.returncode:
        raise RuntimeError(f"the clients failed: {ended.stderr.decode().strip().rpartition(chr(10))[2]}")
    return json.loads(ended.stdout)


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
