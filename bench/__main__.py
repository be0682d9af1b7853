"""`python -m bench run | growth | report | decide | backtest | ledger | profile`."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bench import backtest as backtesting
from bench import decide as deciding
from bench import growth as growing
from bench import ledger as ledgers
from bench import profile as profiles
from bench import report as reports
from bench import results as kept
from bench import rounds as running
from bench.servers import ROOT

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_DOCS = ROOT / "docs"
_ELSEWHERE = ROOT / "build" / "performance"  # for what is measured too briefly to be shown to others

Engine = Annotated[str, typer.Option(help="sqlite or postgresql")]
Quick = Annotated[bool, typer.Option(help="one short round, kept apart from the docs, in build/performance")]
Seconds = Annotated[float, typer.Option(help="for how long each point is measured")]


def say(line: str) -> None:
    print(line, flush=True)


@app.callback()
def bench() -> None:
    """Ratios, measured in one run on one machine."""


@app.command()
def run(quick: Quick = False, rounds: int = 3, seconds: Seconds = 3.0, engine: Engine = "") -> None:
    """Conversions and clicks over HTTP, against bare servers, bare databases and a peer; writes the report."""
    partial = quick or bool(engine)
    rounds, seconds = (1, min(seconds, 1.0)) if quick else (rounds, seconds)
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as folder:
        machine = kept.machine(Path(folder))
        found = running.run(Path(folder), rounds, seconds, say, _known(engine))
        decisions = deciding.run(Path(folder))
    versions = kept.versions(found.postgresql)
    results = kept.Results(kept.today(), machine, versions, rounds, found.points, decisions, found.ways)
    place = _ELSEWHERE if partial else _DOCS / "performance"
    before = kept.read(place)
    results.growth = before.growth if before else []
    kept.save(place, results)
    report(partial)


@app.command()
def report(quick: Quick = False) -> None:
    """Tables and plots of what was measured last, without measuring."""
    folder = _ELSEWHERE if quick else _DOCS / "performance"
    results = kept.read(folder)
    if results is None:
        raise RuntimeError(f"nothing is kept in {folder} yet: measure first")
    page = folder / "performance.md" if quick else _DOCS / "performance.md"
    reports.show(results)
    reports.write(page, folder, results)
    say(f"{page} and the plots beside it, from {folder / kept.NAME}")


@app.command()
def growth(
    rows: int = 10_000_000,
    clients: int = 64,
    engine: Engine = "sqlite",
    quick: Quick = False,
    rounds: int = 3,
    seconds: Seconds = 3.0,
    folder: Annotated[Path | None, typer.Option(help="where there is room, for all accounts")] = None,
) -> None:
    """The same load on an empty table and on one with millions of conversions; added to the report of the last run."""
    if folder is not None:
        tempfile.tempdir = str(folder)
    rounds, seconds = (1, min(seconds, 1.0)) if quick else (rounds, seconds)
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as place:
        found = growing.run(Path(place), _known(engine), rows, clients, rounds, seconds, say)
    say(f"{found.engine}, {rows:,} conversions ÷ an empty table: {found.ratio:.2f}")
    where = _ELSEWHERE if quick else _DOCS / "performance"
    results = kept.read(where)
    if results is None:
        raise RuntimeError("there is no report to add it to: `make bench` first")
    kept.add_growth(results, found)
    kept.save(where, results)
    report(quick)


def _known(engine: str) -> str:
    if engine and engine not in growing.ENGINES:
        raise RuntimeError(f"the engine is one of {', '.join(growing.ENGINES)}, not {engine}")
    return engine


@app.command()
def decide() -> None:
    """Deciding alone: no door, no database."""
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as folder:
        for name, taken_us in deciding.run(Path(folder)).items():
            say(f"{taken_us:8.1f} µs  {name}")


@app.command()
def backtest(decisions: int = 1_000_000, engine: Engine = "sqlite", preset: str = "strict") -> None:
    """A changed policy replayed over so many stored decisions."""
    with tempfile.TemporaryDirectory(prefix="refledger-bench-") as folder:
        backtesting.run(Path(folder), _known(engine), decisions, preset, say)


@app.command()
def ledger(
    entries: int = 10_000_000,
    engine: Engine = "sqlite",
    folder: Annotated[Path | None, typer.Option(help="where there is room, 1 GB for a million")] = None,
) -> None:
    """`verify-ledger` over so many entries."""
    with tempfile.TemporaryDirectory(prefix="refledger-bench-", dir=folder) as place:
        ledgers.run(Path(place), _known(engine), entries, say)


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
