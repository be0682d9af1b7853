"""The command line as it is used: an environment and a folder of its own, in this process or in another."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from unittest import mock

import pytest

from refledger.cli import main
from refledger.settings import PREFIX
from tests import heard


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Heard(subprocess.Popen):
    """A process of which is heard what it told until it ended."""

    def communicate(self, *arguments, **named):
        texts = super().communicate(*arguments, **named)
        for text in texts:
            heard.note(" ".join(self.args[2:4]), text or "")
        return texts


class Shell:
    """Runs `refledger` in a folder that nothing else uses."""

    def __init__(self, folder):
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        # The terminal's width must not matter for what is printed to be copied.
        self.environment = kept | {"COLUMNS": "40", "PYTHONUNBUFFERED": "1"}

    def run(self, *arguments, **environment):
        """The whole command, entry point included, in this process: starting another takes longer."""
        out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        command = ["refledger", *map(str, arguments)]
        before, status = os.umask(0o022), 0
        try:
            with (
                contextlib.chdir(self.folder),
                mock.patch.dict(os.environ, self.environment | environment, clear=True),
                mock.patch.object(sys, "argv", command),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(error),
            ):
                main()
        except SystemExit as ended:
            status = ended.code or 0
        finally:
            os.umask(before)
        texts = []
        for stream in (out, error):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
            # What `export` writes is the data itself.
            heard.note(f"refledger {arguments[0]}", texts[-1] if arguments[0] != "export" else "")
        return Done(status, *texts)

    def start(self, *arguments, **environment):
        """A process of its own, for what serves until it is told to stop."""
        return Heard(
            [sys.executable, "-m", "refledger.cli", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def shell(engine, tmp_path, request):
    """As it is on a new machine: nothing but, on PostgreSQL, an empty database and its address."""
    made = Shell(tmp_path)
    if engine == "postgresql":
        made.environment["REFLEDGER_DATABASE_URL"] = request.getfixturevalue("empty_url")
    return made


@pytest.fixture
def durable(engine, request):
    """What is answered is on the disk: of the tests' own PostgreSQL that is not so by itself, and the doctor tells."""
    if engine == "sqlite":
        yield
    else:
        with request.getfixturevalue("postgresql_databases").durable():
            yield
