"""`make prove-ha`: the leader is killed under load, then what was acknowledged is counted against what is stored.

Once with synchronous replication, where the two must be equal; once with asynchronous replication, the negative
control, where conversions must be missing. Ends with status 1 where it is otherwise, 2 where a program is missing.
"""

import json
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise

import httpx
import psycopg
import typer

from deploy.ha.cluster import Cluster, NotInTime, wait_for
from deploy.ha.load import AFFILIATES, Load, code
from deploy.ha.place import ADDRESS, ROOT, Missing, Place, free_ports, programs
from deploy.ha.severed import acknowledged_alone
from tests.builders import rows
from tests.journeys.checks import faults, lost

PROCESSES = 2
COMMISSION_MINOR = 999  # of 99.99: the default tenth, rounded down
STRIKES = ["kill", "kill", "freeze"]
UNLIMITED = {"hourly": 1_000_000, "daily": 1_000_000}
_begun_s = time.monotonic()


def say(words: str) -> None:
    print(f"[{time.monotonic() - _begun_s:6.1f} s] {words}", flush=True)


# ── refledger ────────────────────────────────────────────────────────────────────────────────────────────────────


class Service:
    """Several refledger processes on the cluster's database, with one merchant."""

    def __init__(self, place: Place, url: str):
        self._place = place
        self._environment = {
            "REFLEDGER_DATABASE_URL": url,
            "REFLEDGER_DATA_DIR": str(place.folder / "data"),
            "REFLEDGER_SECRET": secrets.token_hex(32),
            "REFLEDGER_LOG_LEVEL": "error",
        }
        *self.ports, self.unsafe_port = free_ports(PROCESSES + 1)

    def run(self, *command: str) -> str:
        """Raises `CalledProcessError`."""
        command = [sys.executable, "-m", "refledger.cli", *command]
        environment = self._place.environment | self._environment
        return subprocess.run(
            command, cwd=self._place.folder, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def start(self) -> dict[str, str]:
        """Answers the keys and the program's id."""
        keys = json.loads(self.run("init", "--name", "Shop", "--json"))
        for port in self.ports:
            self._serve(port, "refledger.cli", "serve")
        wait_for("refledger's answer", lambda: all(_is_ready(port) for port in self.ports))
        with httpx.Client(
            base_url=f"http://{ADDRESS}:{self.ports[0]}",
            headers={"Authorization": f"Bearer {keys['secret_key']}"},
        ) as client:
            wanted = {"name": "Shop", "site_url": "https://shop.example", "limits": UNLIMITED}
            program_id = _made(client.post("/v1/programs", json=wanted))["id"]
            for number in range(AFFILIATES):
                affiliate = {"email": f"partner{number}@affiliate.example", "ref_code": code(number)}
                _made(client.post(f"/v1/programs/{program_id}/affiliates", json=affiliate))
        return keys | {"program_id": program_id}

    def start_unsafe(self) -> None:
        """One more process, without a safety (`unsafe.py`)."""
        self._serve(self.unsafe_port, "uvicorn", "deploy.ha.unsafe:create", "--factory")
        wait_for("the unsafe answer", lambda: _is_ready(self.unsafe_port))

    def _serve(self, port: int, *command: str) -> None:
        command = [sys.executable, "-m", *command, "--port", str(port)]
        environment = self._environment | {"PYTHONPATH": str(ROOT)}
        self._place.start(f"refledger-{port}", command, environment, is_ours=True)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://{ADDRESS}:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _made(answer: httpx.Response) -> dict:
    answer.raise_for_status()
    return answer.json()


def assert_pooled(url: str) -> None:
    """The way really shares connections by transaction: prepared statements, as a control, get lost on it."""
    asking, holding = psycopg.connect(url, autocommit=True), psycopg.connect(url)
    with asking, holding:
        asking.execute("SELECT 1", prepare=True)
        holding.execute("SELECT 1")  # keeps the connection that has the statement
        try:
            asking.execute("SELECT 1", prepare=True)
        except psycopg.errors.InvalidSqlStatementName:
            return
    raise NotInTime("PgBouncer does not share connections by transaction")


# ── one round ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Result:
    mode: str
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    gaps_s: list[float] = field(default_factory=list)  # without an acknowledged conversion, for each strike
    promoted_s: list[float] = field(default_factory=list)  # from the strike to another leader
    said: str = ""
    wrong: list[str] = field(default_factory=list)


class Round:
    def __init__(self, cluster: Cluster, service: Service, shop: dict[str, str], mode: str, clients: int):
        self.cluster, self.result = cluster, Result(mode)
        self.is_synchronous = mode == "synchronous"
        self.load = Load(service.ports, shop, mode, clients)

    def run(self, strikes: list[str], seconds: float) -> Result:
        """`strikes`: "kill" or "freeze", what happens to the leader; `seconds` of load before and after each."""
        self.load.start()
        wait_for("a first acknowledged sale", lambda: self.load.acknowledged_s)
        for strike in strikes:
            time.sleep(seconds)
            self._strike(strike, seconds)
        self.load.stop()
        say("load stopped; counting")
        self._count()
        return self.result

    def _strike(self, strike: str, seconds: float) -> None:
        leader, before = self.cluster.leader(), len(self.load.acknowledged_s)
        begin, end = (leader.kill, leader.start) if strike == "kill" else (leader.freeze, leader.thaw)
        struck_s = time.monotonic()
        count = begin()
        say(f"{strike} node {leader.name}, the leader: {count} processes; {before} sales acknowledged so far")
        promoted = self.cluster.await_leader(leader)
        promoted_s = time.monotonic()
        say(f"node {promoted.name} leads")
        wait_for("an acknowledged sale", lambda: self.load.acknowledged_s[-1] > promoted_s)
        times = self.load.acknowledged_s[before - 1 :]
        gap_s = max(later - earlier for earlier, later in pairwise(times))
        say(f"refledger serves again: {gap_s:.1f} s without an acknowledged sale")
        self.result.gaps_s.append(gap_s)
        self.result.promoted_s.append(promoted_s - struck_s)
        time.sleep(seconds)
        end()
        self.cluster.await_whole(self.is_synchronous)
        say(f"node {leader.name} goes on, and replicates")

    def _count(self) -> None:
        result, load = self.result, self.load
        stored = rows(
            self.cluster.url, "SELECT id, order_id FROM conversions WHERE order_id LIKE ?", f"{result.mode}-%"
        )
        missing = lost(self.cluster.url, dict.fromkeys(load.acknowledged.values(), COMMISSION_MINOR))
        gone = set(load.acknowledged.values()) - {row["id"] for row in stored}
        result.acknowledged, result.stored, result.lost = len(load.acknowledged), len(stored), len(gone)
        result.said = ", ".join(f"{count} × {words}" for words, count in load.said.most_common())
        result.wrong = load.wrong + faults(self.cluster.url)
        result.wrong += [words for words in missing if not words.endswith("is lost")]
        if result.stored + result.lost != result.acknowledged:
            result.wrong.append("stored and lost are not what was acknowledged")


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────────────────


def verdict(synchronous: Result, asynchronous: Result) -> list[str]:
    """What is not as it must be; empty where all is."""
    found = [f"{each.mode}: {words}" for each in (synchronous, asynchronous) for words in each.wrong]
    if synchronous.lost:
        found.append(f"synchronous replication lost {synchronous.lost} acknowledged conversions")
    if not asynchronous.lost:
        found.append("asynchronous replication lost nothing: this run could not have shown a loss")
    return found


def severed(cluster: Cluster, service: Service, shop: dict[str, str]) -> list[str]:
    """The same in small: one commit cut off, and asked for again; then without the safety that is for it."""
    found = []
    if acknowledged_alone(cluster, service.ports[0], shop, "severed"):
        found.append("a repeated answer acknowledged what no second node had")
    service.start_unsafe()
    if not acknowledged_alone(cluster, service.unsafe_port, shop, "severed-unsafe"):
        found.append(
            "a repeated answer without the safety acknowledged nothing: this run could not have shown it"
        )
    if not found:
        say(
            "a commit cut off from its replicas is repeated only once they have it; without the safety, before"
        )
    return found


def show(results: tuple[Result, ...]) -> None:
    form = "{:<14}{:>8}{:>14}{:>9}{:>7}   {:<24}{}"
    heads = ("replication", "strikes", "acknowledged", "stored", "lost", "new leader after", "no service for")
    print("\n" + form.format(*heads))
    for each in results:
        count, promoted, gaps = len(each.gaps_s), _seconds(each.promoted_s), _seconds(each.gaps_s)
        print(form.format(each.mode, count, each.acknowledged, each.stored, each.lost, promoted, gaps))
    for each in results:
        print(f"\nanswers, {each.mode}: {each.said}")


def _seconds(times: list[float]) -> str:
    return ", ".join(f"{each:.1f}" for each in times) + " s"


def prove(rounds: int, clients: int, seconds: float, delay_ms: int) -> list[str]:
    """What is not as it must be; the logs are shown then, for they go. Raises `Missing`."""
    found = programs()
    with Place() as place:
        say(f"three nodes start in {place.folder}; anything takes {delay_ms} ms between them")
        try:
            complaints = _prove(place, Cluster(place, found, delay_ms), rounds, clients, seconds)
        except NotInTime as late:
            complaints = [str(late)]
        if complaints:
            print(place.last_words(), file=sys.stderr)
    return complaints


def _prove(place: Place, cluster: Cluster, rounds: int, clients: int, seconds: float) -> list[str]:
    cluster.start()
    say(f"node {cluster.leader().name} leads, two replicas receive, one of them confirms")
    assert_pooled(cluster.url)
    say("PgBouncer shares connections by transaction: a prepared statement was lost on the way")
    service = Service(place, cluster.url)
    shop = service.start()
    say(f"{PROCESSES} refledger processes serve")
    complaints = severed(cluster, service, shop)
    say(f"{clients} clients report sales")
    synchronous = Round(cluster, service, shop, "synchronous", clients).run(STRIKES * rounds, seconds)
    service.run("verify-ledger")
    cluster.switch_to_asynchronous()
    say("asynchronous replication from here on, everything else as before")
    asynchronous = Round(cluster, service, shop, "asynchronous", clients).run(["kill"], seconds)
    service.run("verify-ledger")
    show((synchronous, asynchronous))
    return complaints + verdict(synchronous, asynchronous)


def main(rounds: int = 1, clients: int = 32, seconds: float = 5.0, delay_ms: int = 100) -> None:
    """Kill the leader under load: nothing acknowledged may be lost, and without synchronous replication some must.

    A round is two leaders killed and one frozen.
    """
    try:
        complaints = prove(rounds, clients, seconds, delay_ms)
    except Missing as missing:
        print(missing, file=sys.stderr)
        raise typer.Exit(2) from None
    for words in complaints[:20]:
        print(f"WRONG: {words}", file=sys.stderr)
    if complaints:
        raise typer.Exit(1)
    print("\nSynchronous: nothing that was acknowledged is lost. Asynchronous: the same test shows loss.")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
