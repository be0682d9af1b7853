"""`python -m bench run | growth | decide | profile`."""

import sys
import tempfile
from pathlib import Path

import typer

from bench import decide as deciding
from bench import growth as growing
from bench import measures, tables
from bench import profile as profiles

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def say(line: str) -> None:
    print(line, flush=True)


@app.callback()
def bench() -> None:
    """Ratios, measured in one run on one machine."""


@app.command()
def run(quick: bool = False, rounds: int = 5, seconds: float = 3.0) -> None:
    """track-conversion and clicks over HTTP, against the same server and the same database without us."""
    rounds = 1 if quick else rounds
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as folder:
        points = measures.run(Path(folder), rounds, seconds, say)
        decisions = deciding.run(Path(folder))
    tables.print_run(points, rounds, decisions)


@app.command()
def growth(
    rows: int = 10_000_000,
    clients: int = 64,
    quick: bool = False,
    rounds: int = 5,
    seconds: float = 3.0,
    folder: Path | None = None,
) -> None:
    """The same load on an empty table and on one with millions of conversions. `--folder`: where there is room."""
    rounds = 1 if quick else rounds
    with tempfile.TemporaryDirectory(prefix="refledger-bench-", dir=folder) as place:
        points, kept = growing.run(Path(place), rows, clients, rounds, seconds, say)
    tables.print_growth(points, rounds, kept, clients)


@app.command()
def decide() -> None:
    """Deciding alone, facts in hand: no door, no database."""
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as folder:
        for name, taken_us in deciding.run(Path(folder)).items():
            say(f"{taken_us:8.1f} µs  {name}")


@app.command()
def profile(conversions: int = 12_800, size: int = 64, door: bool = False) -> None:
    """Where the time goes: each stage of settling groups in this process; with --door, the event loop under load."""
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as folder:
        if door:
            return profiles.run_door(Path(folder), say, size)
        profiles.run(Path(folder), say, conversions, size)


if __name__ == "__main__":
    try:
        app()
    except RuntimeError as error:
        sys.exit(f"bench: {error}")
