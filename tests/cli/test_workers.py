"""Several serving processes: one port, one account of metrics, replaced when they die, none left behind."""

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.cli.test_serve import printed_until_calls_end, serving

pytestmark = pytest.mark.only_on("sqlite", "each test names the engine it is about")


def workers_of(process):
    """The ids of the serving processes that this one has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, parent = path.read_text().rpartition(")")[2].split()[:2]
            command = path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == process.pid and b"spawn_main" in command:
            found.append(int(path.parent.name))
    return sorted(found)


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come to hold"
        time.sleep(0.05)


def answered(address):
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("refledger_answers_total{"))


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists()


def test_sqlite_is_served_by_one(shell):
    ended = shell.run("serve", "--workers", "2")
    assert ended.returncode == 1
    assert "need PostgreSQL" in ended.stderr and "Traceback" not in ended.stderr


@pytest.fixture
def four(shell, postgresql_url):
    with serving(shell, "--demo", "--workers", "4", "--database", postgresql_url) as (process, address):
        yield process, address, printed_until_calls_end(process)


def test_the_demo_is_served_by_four_processes_on_postgresql(four):
    process, address, lines = four
    assert len(workers_of(process)) == 4
    calls = [line for line in lines if line.startswith("curl ")][:3]
    answers = [
        json.loads(subprocess.run(shlex.split(call), capture_output=True, text=True, check=True).stdout)
        for call in calls
    ]
    assert [answer["commission"] for answer in answers] == [0, 9.99, 8.0]
    again = json.loads(subprocess.run(shlex.split(calls[0]), capture_output=True, text=True).stdout)
    assert again["code"] == "duplicate"
    # Whichever process is asked tells of all.
    assert {answered(address) for _ in range(20)} == {4.0}


def test_a_worker_that_is_killed_is_replaced(four):
    process, address, _ = four
    before = workers_of(process)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(workers_of(process)) - set(before)) == 1)
    until(lambda: httpx.get(f"{address}/readyz").status_code == 200)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL], ids=["told to stop", "killed"])
def test_no_worker_outlives_the_command(four, sent):
    process, _, _ = four
    workers = workers_of(process)
    process.send_signal(sent)
    process.wait(30)
    until(lambda: all(map(is_gone, workers)))
