"""Plots of stored results, each as PNG and SVG. On a light ground of their own, so that any page may carry them."""

import math
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench import tables
from bench.measures import Points
from bench.results import Results
from bench.rounds import AT, CLIENTS, WORKERS

WORDS = {
    "rates": "Conversions per second by clients: SQLite and PostgreSQL, beside what the databases alone insert",
    "waits": "Median and 99th percentile of the wait for an answer, by clients",
    "ratios": "Every ratio of rates, by clients",
    "aims": "Each measured value as a multiple of its aim",
}
# Told apart by everybody (Okabe and Ito), and by their marks too.
_SERIES = {
    "service": ("SQLite, 1 process", "#0072B2", "o"),
    "postgresql-1": ("PostgreSQL, 1 process", "#D55E00", "s"),
    "postgresql-2": ("PostgreSQL, 2 processes", "#009E73", "^"),
}
_FLOORS = {
    ("bare", 1): ("bare sqlite3, 1 per commit", "#0072B2", ":"),
    ("bare", 100): ("bare sqlite3, 100 per commit", "#0072B2", "--"),
    ("pgbench", 1): ("pgbench, 1 per commit", "#D55E00", ":"),
    ("pgbench", 100): ("pgbench, 100 per commit", "#D55E00", "--"),
    ("peer", AT): (f"the peer, {AT} clients", "#555555", "-."),
}
_GROUND, _INK, _GRID = "#fbfbf8", "#222222", "#d5d5d0"
_STYLE = {
    "figure.facecolor": _GROUND, "axes.facecolor": _GROUND, "savefig.facecolor": _GROUND,
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    "font.size": 10, "axes.grid": True, "grid.color": _GRID, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False,
    # Text stays text, and the same results give the same file.
    "svg.fonttype": "none", "svg.hashsalt": "refledger",
}  # fmt: skip


def draw(folder: Path, results: Results) -> list[str]:
    """The names of what was drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    drawers = {"rates": _rates, "waits": _waits, "ratios": _ratios, "aims": _aims}
    with matplotlib.rc_context(_STYLE):
        for name, drawer in drawers.items():
            figure = Figure(figsize=(8, 6 if name == "ratios" else 4.5), layout="constrained")
            drawer(figure.subplots(), results)
            figure.text(0.995, 0.005, _where(results), ha="right", va="bottom", fontsize=7, color="#666666")
            figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
            figure.savefig(folder / f"{name}.png", dpi=160, metadata={"Software": None})
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return list(drawers)


def _where(results: Results) -> str:
    machine, versions = results.machine, results.versions
    database = (
        f"PostgreSQL {versions['PostgreSQL and pgbench']}, " if "PostgreSQL and pgbench" in versions else ""
    )
    return (
        f"{results.made} · {machine['cores']} cores, {machine['processor']} · {database}SQLite {versions['SQLite']}, "
        f"Python {versions['Python']} · a sync takes {machine['a sync of 8 kB']}"
    )


def _measured(points: Points) -> list[str]:
    names = ("service", *(f"postgresql-{workers}" for workers in WORKERS))
    return [name for name in names if (name, AT) in points]


def _rates(axes: Axes, results: Results) -> None:
    points = results.points
    for name in _measured(points):
        words, colour, mark = _SERIES[name]
        rates = [points[name, clients].rate for clients in CLIENTS]
        axes.plot(CLIENTS, rates, marker=mark, color=colour, label=words)
    for name, (words, colour, line) in _FLOORS.items():
        if name in points:
            axes.axhline(points[name].rate, color=colour, linestyle=line, linewidth=1.2, label=words)
    axes.set_yscale("log")
    axes.set_ylabel("conversions per second (log scale)")
    axes.set_title("track-conversion over HTTP, durable, every check on", loc="left", fontsize=11)
    _clients(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, handlelength=3)


def _waits(axes: Axes, results: Results) -> None:
    points = results.points
    for name in _measured(points):
        words, colour, mark = _SERIES[name]
        for line, part in (("-", "p50"), ("--", "p99")):
            waits = [getattr(points[name, clients], part) for clients in CLIENTS]
            axes.plot(CLIENTS, waits, line, marker=mark, color=colour, label=f"{words}, {part}")
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds until the answer (log scale)")
    axes.set_title("How long a report waits for its durable answer", loc="left", fontsize=11)
    _clients(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, handlelength=3)


def _clients(axes: Axes) -> None:
    axes.set_xscale("log", base=4)
    axes.set_xticks(CLIENTS, [str(clients) for clients in CLIENTS])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("clients, each sending its next report when the last is answered")


def _ratios(axes: Axes, results: Results) -> None:
    rows = list(tables.ratios(results.points).items())[::-1]
    colours = dict(zip(CLIENTS, ("#56B4E9", "#E69F00", "#009E73", "#CC79A7"), strict=True))
    marks = dict(zip(CLIENTS, "o^sD", strict=True))
    for clients in CLIENTS:
        found = [(ratios[clients], place) for place, (_, ratios) in enumerate(rows) if clients in ratios]
        axes.scatter(
            *zip(*found, strict=True), color=colours[clients], marker=marks[clients], label=str(clients)
        )
    axes.axvline(1, color=_INK, linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [words for words, _ in rows], fontsize=8)
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("ratio of rates (log scale): as fast as the other at 1, faster to the right")
    axes.legend(
        title="clients", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, handlelength=3
    )


def _aims(axes: Axes, results: Results) -> None:
    """To the right of the line an aim is met, by so many times; where less is better the fraction is turned."""
    aims = tables.aims(results)[::-1]
    times = [each.measured / each.aim if each.direction == "≥" else each.aim / each.measured for each in aims]
    colours = ["#009E73" if each.is_met else "#D55E00" for each in aims]
    axes.barh(range(len(aims)), [math.log2(each) for each in times], color=colours, height=0.6)
    axes.axvline(0, color=_INK, linewidth=1.2)
    axes.set_yticks(range(len(aims)), [each.words for each in aims], fontsize=8)
    for place, (aim, ratio) in enumerate(zip(aims, times, strict=True)):
        said = f" {aim.measured:.2f} {aim.unit} ({aim.direction} {aim.aim:g}) ".replace("  ", " ")
        axes.text(
            math.log2(ratio), place, said, va="center", ha="left" if ratio >= 1 else "right", fontsize=8
        )
    least, most = min(-1.0, *map(math.log2, times)), max(1.0, *map(math.log2, times))
    axes.set_xlim(least - 1.6, most + 1.6)
    ticks = range(math.ceil(least - 1), math.floor(most + 1) + 1)
    axes.set_xticks(list(ticks), [f"{2.0**tick:g}×" for tick in ticks])
    axes.set_xlabel("how many times its aim (right of the line: met)")
    axes.grid(axis="y", visible=False)
