"""What is printed: only what this run measured, as ratios, and each aim beside it."""

import os
import platform
import sqlite3
import statistics
import time

from rich.console import Console
from rich.table import Table

from bench.installation import AFFILIATES
from bench.measures import CLICK_CLIENTS, CLIENTS, Points
from bench.requests import POPULAR

_DECIDE_US = 60
_QUIET = 0.05  # what others may use of the machine before it is worth a warning


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def print_run(points: Points, rounds: int, decisions: dict[str, float]) -> None:
    # As wide as the tables are, whatever the terminal: a number cut off is worse than a long line.
    console = Console(width=150)
    console.print(
        f"{time.strftime('%Y-%m-%d')} · {os.cpu_count()} cores, {platform.system()} · Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version} (WAL, synchronous = FULL) · "
        f"medians of {rounds} interleaved round{'s' if rounds > 1 else ''} of {points.timed_s:g} s per point"
    )
    console.print(_conversions(points))
    console.print(_links(points))
    console.print(_floors(points))
    console.print(_decisions(decisions))
    console.print(_aims(points, decisions))
    busiest = max(max(point.client_cpu) for point in points.by_name.values() if point.client_cpu)
    console.print(f"The clients' process used at most {busiest:.0%} of one core.")
    _say_how_quiet(console, points)


def _say_how_quiet(console: Console, points: Points) -> None:
    if max(points.others) > _QUIET:
        console.print(
            f"Others used up to {max(points.others):.0%} of the machine between rounds: these figures are low."
        )


def _conversions(points: Points) -> Table:
    table = _table(
        "track-conversion over HTTP, everything on, durable: rate, processor time each, and the rate's ratios",
        "clients",
        "per second",
        "p50 ms",
        "p99 ms",
        "per commit",
        "server's µs",
        "÷ hello world",
        "÷ one commit each",
        "÷ bare, 1 per commit",
        "÷ bare, 100 per commit",
    )
    for clients in CLIENTS:
        point = points["service", clients]
        table.add_row(
            str(clients),
            f"{point.rate:,.0f}",
            f"{statistics.median(point.p50_ms):.2f}",
            f"{statistics.median(point.p99_ms):.2f}",
            f"{point.group:.1f}" if point.group else "not told",
            f"{statistics.median(point.server_us):.0f}",
            f"{point.ratio(points['hello', clients]):.2f}",
            f"{point.ratio(points['single', clients]):.2f}",
            f"{point.ratio(points['bare', 1]):.2f}",
            f"{point.ratio(points['bare', 100]):.2f}",
        )
    return table


def _floors(points: Points) -> Table:
    """What the ratios are ratios to."""
    table = _table("measured against", "", "per second", "p50 ms", "p99 ms")

    def row(words: str, name: tuple) -> None:
        point = points[name]
        waits = [f"{statistics.median(each):.2f}" if each else "" for each in (point.p50_ms, point.p99_ms)]
        table.add_row(words, f"{point.rate:,.0f}", *waits)

    for clients in CLIENTS:
        row(f"hello world POST, {clients} client{'s' if clients > 1 else ''}", ("hello", clients))
    for clients in CLIENTS:
        row(f"one commit each, {clients} client{'s' if clients > 1 else ''}", ("single", clients))
    row("bare sqlite3, the same rows, 1 conversion per commit", ("bare", 1))
    row("bare sqlite3, the same rows, 100 per commit", ("bare", 100))
    return table


def _links(points: Points) -> Table:
    table = _table(
        f"a followed link (GET /r/…), {CLICK_CLIENTS} clients, each click stored",
        "links",
        "per second",
        "p50 ms",
        "p99 ms",
        "hello world redirect",
        "ratio to it",
    )
    for words, kind in ((f"{POPULAR} links", "links"), (f"{AFFILIATES:,} links", "scattered_links")):
        point, hello = points["service", kind], points["hello", kind]
        waits = [f"{statistics.median(each):.2f}" for each in (point.p50_ms, point.p99_ms)]
        table.add_row(words, f"{point.rate:,.0f}", *waits, f"{hello.rate:,.0f}", f"{point.ratio(hello):.2f}")
    return table


def _decisions(decisions: dict[str, float]) -> Table:
    table = _table("deciding alone, facts in hand", "", "median µs")
    for name, taken_us in decisions.items():
        table.add_row(name, f"{taken_us:.1f}")
    return table


def _aims(points: Points, decisions: dict[str, float]) -> Table:
    table = _table("aims", "", "aim", "measured", "")
    at_64, alone = points["service", 64], points["service", 1]
    _aim(table, "64 clients ÷ one commit each", at_64.ratio(points["single", 64]), "≥", 3)
    _aim(table, "64 clients ÷ bare, 100 per commit", at_64.ratio(points["bare", 100]), "≥", 0.3)
    _aim(table, "p99 at 64 clients, ms", statistics.median(at_64.p99_ms), "≤", 30)
    _aim(table, "p50 at one client, ms", statistics.median(alone.p50_ms), "≤", 1)
    clicks = points["service", "links"].ratio(points["hello", "links"])
    _aim(table, f"a followed link of {POPULAR} ÷ hello world redirect", clicks, "≥", 0.6)
    _aim(table, "deciding alone, µs", decisions["all"], "≤", _DECIDE_US)
    return table


def _aim(table: Table, words: str, value: float, direction: str, aim: float) -> None:
    met = value >= aim if direction == "≥" else value <= aim
    table.add_row(words, f"{direction} {aim:g}", f"{value:.2f}", "met" if met else "MISSED")


def print_growth(points: Points, rounds: int, rows: int, clients: int) -> None:
    console = Console(width=150)
    table = _table(
        f"growth: {clients} clients, medians of {rounds} interleaved rounds of {points.timed_s:g} s",
        "conversions in the table",
        "per second",
        "p50 ms",
        "p99 ms",
        "ratio to empty",
    )
    for words, name in (("none", "empty"), (f"{rows:,}", "full")):
        point = points[name, clients]
        table.add_row(
            words,
            f"{point.rate:,.0f}",
            f"{statistics.median(point.p50_ms):.2f}",
            f"{statistics.median(point.p99_ms):.2f}",
            f"{point.ratio(points['empty', clients]):.2f}",
        )
    console.print(table)
    aims = _table("aims", "", "aim", "measured", "")
    ratio = points["full", clients].ratio(points["empty", clients])
    _aim(aims, f"{rows:,} conversions ÷ an empty table", ratio, "≥", 0.6)
    console.print(aims)
    _say_how_quiet(console, points)
