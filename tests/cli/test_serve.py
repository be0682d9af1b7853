import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


@contextmanager
def serving(shell, *arguments, **environment):
    """(process, address, everything printed until the last sample); stopped at the end."""
    process = shell.start("serve", "--port", "0", *arguments, **environment)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        first = process.stdout.readline()
        assert first.startswith("refledger serves on "), first + process.stderr.read()
        yield process, first.split()[-1]
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def printed_until_calls_end(process):
    """The demo's ids, keys and calls; the call with the secret key is the last."""
    lines = []
    while not (lines and "Authorization: Bearer" in lines[-1]):
        lines.append(process.stdout.readline().rstrip())
    return lines


def test_the_printed_samples_succeed_when_pasted_in_order(shell):
    with serving(shell, "--demo") as (process, address):
        lines = printed_until_calls_end(process)
        calls = [line for line in lines if line.startswith("curl ")]
        answers = [
            json.loads(subprocess.run(shlex.split(call), capture_output=True, text=True, check=True).stdout)
            for call in calls
        ]
    assert all(f"{address}/v1/" in call for call in calls)
    assert ['"revenue_amount": 80.00' in call for call in calls] == [False, False, True, False]
    assert [answer["success"] for answer in answers[:3]] == [True, True, True]
    assert [answer["status"] for answer in answers[:3]] == ["pending"] * 3
    assert [answer["commission"] for answer in answers[:3]] == [0, 9.99, 8.0]
    assert {one["id"] for one in answers[3]["data"]} == {answer["conversion_id"] for answer in answers[:3]}


def processor_s(process):
    """Processor time it has used: what a start takes of a machine that has nothing else to do."""
    numbers = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def test_a_second_start_shows_the_same_keys_within_two_seconds(shell):
    with serving(shell, "--demo") as (process, address):
        first = [line.replace(address, "") for line in printed_until_calls_end(process)]
    with serving(shell, "--demo") as (process, address):
        took_s = processor_s(process)
        second = [line.replace(address, "") for line in printed_until_calls_end(process)]
    assert first == second
    assert took_s < 2


def test_init_works_while_the_service_runs(shell):
    with serving(shell) as (_, address):
        made = json.loads(shell.run("init", "--name", "Late", "--json").stdout)
        body = {
            "publishable_key": made["publishable_key"],
            "program_id": "prog_none",
            "conversion_type": "signup",
        }
        answer = httpx.post(
            f"{address}/v1/track-conversion", json=body | {"ref_code": "A", "customer_email": "a@example.com"}
        )
    assert answer.status_code == 404  # the key is known, the program is not


def test_an_option_wins_over_the_environment(shell):
    with serving(shell, "--host", "127.0.0.1", REFLEDGER_HOST="192.0.2.1") as (_, address):
        assert address.startswith("http://127.0.0.1:")


def test_a_port_in_use_is_one_sentence(shell):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = shell.run("serve", "--port", taken.getsockname()[1])
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "the port is in use" in done.stderr


def test_it_stops_cleanly_when_told(shell):
    with serving(shell) as (process, address):
        assert httpx.get(f"{address}/healthz").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    with serving(shell) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def refused_to_serve(shell, *arguments):
    """What a second `serve` says on standard error; it must end by itself."""
    process = shell.start("serve", "--port", "0", *arguments)
    try:
        output, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, output) == (1, "")
    return told


@pytest.mark.only_on("sqlite", "PostgreSQL serves any number of processes")
def test_one_process_serves_from_a_file_until_it_dies_however_roughly(shell):
    with serving(shell) as (first, address):
        told = refused_to_serve(shell)
        assert told.startswith("refledger: another process serves from data/refledger.db already: ")
        assert told.count("\n") == 1
        (shell.folder / "link.db").symlink_to("data/refledger.db")
        assert "another process serves" in refused_to_serve(shell, "--database", "sqlite:///link.db")
        assert shell.run("init", "--name", "Beside").returncode == 0  # who does not serve is not kept out
        assert shell.run("verify-ledger").returncode == 0
        assert httpx.get(f"{address}/readyz").status_code == 200  # the first one did not notice
        with serving(shell, "--database", "sqlite:///data/other.db"):
            pass  # another file is another matter
        first.kill()
        first.wait(timeout=30)
        assert (shell.folder / "data" / "refledger.db-serving").exists()  # and yet nothing is in the way
        with serving(shell) as (_, address):
            assert httpx.get(f"{address}/readyz").status_code == 200
    with serving(shell):
        pass  # nor after an orderly end


def test_concurrent_first_starts_share_one_secret(shell):
    code = (
        "from pathlib import Path; from refledger.settings import read_or_make_secret; "
        "print(read_or_make_secret(Path('s/secret.key')))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], cwd=shell.folder, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in running}) == 1
    assert os.listdir(shell.folder / "s") == ["secret.key"]
