"""Three nodes on one machine, each with etcd, Patroni, PostgreSQL and PgBouncer; one HAProxy that finds the leader."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg

from deploy.ha.place import ADDRESS, HERE, Place, free_ports

NODES = ("one", "two", "three")
START_S = 40
_PORTS = ("etcd", "etcd_peer", "rest", "postgres", "wire", "pgbouncer")
# On one machine three PostgreSQL must be small. The shared memory of one that is killed must go with its folder.
_POSTGRES_MORE = """\
    shared_buffers: 64MB
    dynamic_shared_memory_type: mmap"""
_HAPROXY_SERVER = "    server {name} {address}:{pgbouncer_port} check port {rest_port}"


class NotInTime(Exception):
    """What was waited for, and where to look."""


def wait_for(what: str, condition: Callable[[], object], seconds: float = START_S):
    """The condition's answer as soon as it is true; raises `NotInTime`."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if answer := condition():
            return answer
        time.sleep(0.1)
    raise NotInTime(f"within {seconds} s: {what}")


class Node:
    """One machine of the cluster, as a set of processes."""

    def __init__(self, name: str, place: Place, programs: dict[str, Path], values: dict[str, object]):
        self.name, self._place, self._programs, self._values = name, place, programs, values
        self.folder = place.make(name)
        self.rest_port, self.postgres_port = values["rest_port"], values["postgres_port"]
        self._running: dict[str, subprocess.Popen] = {}
        self._frozen: list[int] = []
        mine = values | {"folder": self.folder, "etcd_data": self.folder / "etcd"}
        mine |= {"postgres_data": self.folder / "postgres"}
        self._etcd = place.render("etcd.yml", self.folder / "etcd.yml", mine)
        self._patroni = place.render("patroni.yml", self.folder / "patroni.yml", mine)
        self._pgbouncer = place.render("pgbouncer.ini", self.folder / "pgbouncer.ini", mine)
        users = f'"refledger" "{values["refledger_password"]}"\n'
        place.write(self.folder / "userlist.txt", users)

    def start(self) -> None:
        """Everything of the machine, as after switching it on."""
        ports, delay_ms = self._values, self._values["delay_ms"]
        wire = [sys.executable, HERE / "wire.py", ports["wire_port"], ports["postgres_port"], delay_ms]
        self._start("etcd", [self._programs["etcd"], "--config-file", self._etcd])
        self._start("wire", [str(part) for part in wire], is_ours=True)
        self._start("patroni", [self._programs["patroni"], self._patroni], HOME=str(self.folder))
        self._start("pgbouncer", [self._programs["pgbouncer"], self._pgbouncer])

    def _start(self, what: str, command: list, is_ours: bool = False, **environment: str) -> None:
        name = f"{self.name}-{what}"
        self._running[what] = self._place.start(name, command, environment, is_ours)

    @property
    def wire_pid(self) -> int:
        return self._running["wire"].pid

    def kill(self) -> int:
        """As a power button does. Answers how many processes there were."""
        pids = self._signal(self._pids(), signal.SIGKILL)
        for process in self._running.values():
            process.wait()
        return len(pids)

    def freeze(self) -> int:
        """As a machine does that hangs, or a virtual one that is paused, until `thaw`. Answers how many."""
        self._frozen = self._signal(self._pids(), signal.SIGSTOP)
        return len(self._frozen)

    def thaw(self) -> None:
        """Goes on where it was, not knowing that time has passed."""
        self._signal(self._frozen, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """Of every process: first who would notice and act, and PostgreSQL's own behind it."""
        postmaster = int((self.folder / "postgres/postmaster.pid").read_text().split("\n")[0])
        others = [self._running[name].pid for name in ("wire", "pgbouncer", "etcd")]
        return [self._running["patroni"].pid, postmaster, *_children(postmaster), *others]

    def _signal(self, pids: list[int], number: signal.Signals) -> list[int]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # a connection that has just ended
                os.kill(pid, number)
        return pids

    def leads(self) -> bool:
        """What HAProxy asks."""
        return _status(f"http://{ADDRESS}:{self.rest_port}/primary") == 200


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the name, which stands in brackets: state, then the parent.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(entry.parent.name))
    return found


class Cluster:
    """`delay_ms`: how long anything takes between a leader and its replicas, each way."""

    def __init__(self, place: Place, programs: dict[str, Path], delay_ms: int):
        passwords = ("superuser", "replication", "rewind", "refledger")
        self._values = {f"{name}_password": secrets.token_hex(12) for name in passwords}
        given = free_ports(len(NODES) * len(_PORTS) + 1)
        ports = {
            name: {f"{port}_port": given.pop() for port in _PORTS} | {"name": name, "address": ADDRESS}
            for name in NODES
        }
        self._values |= {
            "delay_ms": delay_ms,
            "etcd_members": _listed(ports, "{name}=http://{address}:{etcd_peer_port}"),
            "etcd_hosts": _listed(ports, "'{address}:{etcd_port}'"),
            "network": f"{ADDRESS}/32",
            "postgres_programs": programs["postgres"].parent,
            "postgres_more": _POSTGRES_MORE,
            "watchdog": "off",  # the machine's, and three nodes cannot share it
        }
        self.nodes = [Node(name, place, programs, self._values | ports[name]) for name in NODES]
        self._place, self._haproxy, self._port = place, programs["haproxy"], given.pop()
        servers = "\n".join(_HAPROXY_SERVER.format(**own) for own in ports.values())
        values = {"address": ADDRESS, "haproxy_port": self._port, "haproxy_servers": servers}
        self._haproxy_config = place.render("haproxy.cfg", place.folder / "haproxy.cfg", values)

    @property
    def url(self) -> str:
        """refledger's way: HAProxy, then the PgBouncer of the leader's node."""
        return f"postgresql://refledger:{self._values['refledger_password']}@{ADDRESS}:{self._port}/refledger"

    def start(self) -> None:
        """Three nodes, a database that belongs to refledger, HAProxy; returns when all replicate."""
        for node in self.nodes:
            node.start()
        self.await_whole(is_synchronous=True)
        password = self._values["refledger_password"]
        self.ask(f"CREATE ROLE refledger LOGIN PASSWORD '{password}'")
        self.ask("CREATE DATABASE refledger OWNER refledger")
        self._place.start("haproxy", [self._haproxy, "-db", "-f", self._haproxy_config])
        wait_for("the leader, and nobody else, through HAProxy and PgBouncer", self._reachable)

    def _reachable(self) -> bool:
        """HAProxy, just started, takes every node for the leader until it has asked, and leads to each in turn."""
        try:
            for _ in self.nodes:
                with psycopg.connect(self.url, connect_timeout=5) as connection:
                    if connection.execute("SELECT pg_is_in_recovery()").fetchone()[0]:
                        return False
        except psycopg.OperationalError:
            return False
        return True

    def leader(self) -> Node | None:
        return next((node for node in self.nodes if node.leads()), None)

    def await_leader(self, other_than: Node) -> Node:
        others = [node for node in self.nodes if node is not other_than]
        return wait_for("another leader", lambda: next((node for node in others if node.leads()), None))

    def await_whole(self, is_synchronous: bool) -> None:
        """Until both replicas receive from the leader and, where wanted, one of them confirms."""
        states = {"sync", "async"} if is_synchronous else {"async"}
        wait_for(f"two replicas ({', '.join(sorted(states))})", lambda: self._replicas() == (2, states))
        if is_synchronous:
            wait_for("a replica that may be promoted", lambda: "sync_standby" in self._roles())

    def _replicas(self) -> tuple[int, set[str]]:
        try:
            rows = self.ask("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")
        except (psycopg.OperationalError, NotInTime):
            return 0, set()
        return len(rows), {state for (state,) in rows}

    def _roles(self) -> list[str]:
        members = _read(f"http://{ADDRESS}:{self.leader().rest_port}/cluster")["members"]
        return [member["role"] for member in members]

    def switch_to_asynchronous(self) -> None:
        wanted = {"synchronous_mode": False, "synchronous_mode_strict": False}
        _read(f"http://{ADDRESS}:{self.leader().rest_port}/config", "PATCH", wanted)
        self.await_whole(is_synchronous=False)

    def replicas_have(self, order_id: str) -> bool:
        """Whether a conversion of that order stands in any of them."""
        leader, sql = self.leader(), f"SELECT 1 FROM conversions WHERE order_id = '{order_id}'"
        return any(self._ask(node, sql, "refledger") for node in self.nodes if node is not leader)

    def ask(self, sql: str) -> list[tuple]:
        """Of the leader itself, as its superuser."""
        return self._ask(wait_for("a leader", self.leader), sql, "postgres")

    def _ask(self, node: Node, sql: str, database: str) -> list[tuple]:
        with psycopg.connect(
            host=ADDRESS,
            port=node.postgres_port,
            dbname=database,
            user="postgres",
            password=self._values["superuser_password"],
            connect_timeout=5,
            autocommit=True,
        ) as connection:
            answer = connection.execute(sql)
            return answer.fetchall() if answer.description else []


def _listed(ports: dict[str, dict], form: str) -> str:
    return ",".join(form.format(**own) for own in ports.values())


def _status(url: str) -> int:
    """0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def _read(url: str, method: str = "GET", body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)
