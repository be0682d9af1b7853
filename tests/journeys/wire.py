"""The service as a process of its own, and clients that speak to it over sockets."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PATH = "/v1/track-conversion"
ROOT = Path(__file__).parents[2]


class Server:
    """`factory`: what makes the application; the service's own unless a safety is to be switched off."""

    def __init__(self, settings, factory="refledger.app:create", **environment):
        self.settings, self.factory, self.environment = settings, factory, environment
        self.port, self.process = free_port(), None

    def start(self):
        environment = os.environ | self.environment | {
            "REFLEDGER_DATABASE_URL": self.settings.database_url,
            "REFLEDGER_DATA_DIR": str(self.settings.data_dir),
            "REFLEDGER_SECRET": self.settings.secret.get_secret_value(),
            "REFLEDGER_LOG_LEVEL": "warning",
        }  # fmt: skip
        command = [sys.executable, "-m", "uvicorn", self.factory, "--factory", "--port", str(self.port)]
        command += ["--http", "refledger.web.protocol:Protocol"]  # as `refledger serve` has it
        command += ["--no-access-log", "--log-level", "error"]
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT)
        self._wait_until_it_answers()
        return self

    def kill(self):
        """As a power button does to a process: no clean-up of any kind."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def _wait_until_it_answers(self):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert self.process.poll() is None, "the service ended by itself"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("the service does not answer")

    def __enter__(self):
        return self.start()

    def __exit__(self, *details):
        self.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    def __init__(self, status, headers, content):
        self.status, self.headers, self.content = status, headers, content

    @property
    def body(self):
        return json.loads(self.content)


class Wire:
    """One connection, kept alive."""

    def __init__(self, port):
        self.port, self.streams = port, None

    async def post(self, fields, headers=None, path=PATH):
        """Raises ConnectionError or EOFError when the service dies meanwhile: then nothing was acknowledged."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        body = json.dumps(fields).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        writer.write(head.encode() + body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(int(status.split()[1]), found, await reader.readexactly(int(found["content-length"])))

    def close(self):
        if self.streams:
            self.streams[1].close()
            self.streams = None


def at_once(port, requests):
    """Posts all of (fields, headers) at the same moment, each over a connection of its own that is open already."""

    async def run():
        wires = [Wire(port) for _ in requests]
        for wire in wires:
            wire.streams = await asyncio.open_connection("127.0.0.1", port)
        try:
            pairs = zip(wires, requests, strict=True)
            return await asyncio.gather(*(wire.post(*request) for wire, request in pairs))
        finally:
            for wire in wires:
                wire.close()

    return asyncio.run(run())
