"""The report: tables on the terminal and in the docs, and plots beside them, all of them from stored results."""

import os
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as Drawn

from bench import plots, tables
from bench.results import Results
from bench.tables import Table

BEGIN = "<!-- measured: written by `make bench`, not by hand -->"
END = "<!-- end of what was measured -->"


def show(results: Results) -> None:
    # As wide as the tables are, whatever the terminal: a number cut off is worse than a long line.
    console = Console(width=170, highlight=False)
    console.print(tables.words(results))
    for table in tables.tables(results):
        drawn = Drawn(title=table.title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
        for column in table.columns:
            drawn.add_column(column, justify="right")
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)


def write(page: Path, folder: Path, results: Results) -> None:
    """Plots into the folder, and what was measured into the page, between its markers; makes the page if need be."""
    names = plots.draw(folder, results)
    kept = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, marker, rest = kept.partition(BEGIN)
    _, other, after = rest.partition(END)
    if not (marker and other):
        raise RuntimeError(f"{page} lacks the markers between which the results go: {BEGIN} and {END}")
    place = Path(os.path.relpath(folder, page.parent))
    parts = [
        *(_paragraphs(tables.words(results))),
        *(f"![{plots.WORDS[name]}]({place / name}.png)" for name in names),
        "The same as SVG: " + ", ".join(f"[{name}]({place / name}.svg)" for name in names) + ".",
        *(_markdown(table) for table in tables.tables(results)),
    ]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}")


def _paragraphs(words: str) -> list[str]:
    return ["\n".join(f"- {line}" for line in words.splitlines())]


def _markdown(table: Table) -> str:
    lines = [_line(table.columns), _line(("---",) + ("--:",) * (len(table.columns) - 1))]
    return f"### {table.title}\n\n" + "\n".join(lines + [_line(row) for row in table.rows])


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
