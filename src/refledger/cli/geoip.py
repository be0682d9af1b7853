"""What the operator supplies about addresses, and what is missing."""

import json
from typing import Annotated, Any

import typer

from refledger.cli.support import settings

geoip = typer.Typer(help="Databases of places and networks, and lists of addresses.", no_args_is_help=True)


@geoip.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Tell of each file what it is for, where to get it, and what it holds. Status 1 where one cannot be used."""
    from refledger.services import sources
    from refledger.store.engine import now_ms

    found = sources.statuses(settings())
    told = [_told(each, now_ms()) for each in found]
    silent = sources.not_evaluated(found)
    if as_json:
        print(json.dumps({"files": told, "not_evaluated": silent}, ensure_ascii=False))
    else:
        print("\n\n".join(map(_lines, told)))
        print(f"\nnot evaluated: {', '.join(silent) or 'nothing, every signal has what it needs'}")
    if any(each.problem for each in found):
        raise typer.Exit(1)


def _told(status: Any, now_ms: int) -> dict[str, Any]:
    from refledger.core.times import to_text

    source, loaded = status.source, status.loaded
    return {
        "subject": source.subject,
        "setting": source.variable,
        "state": "ok" if loaded else "unusable" if status.problem else "not_configured",
        "file": str(status.path) if status.path else None,
        "problem": status.problem,
        "type": loaded and loaded.type,
        "made_at": loaded and to_text(loaded.made_ms),
        "age_days": loaded and max(0, (now_ms - loaded.made_ms) // 86_400_000),
        "knows": sorted(loaded.knows) if loaded else [],
        "entries": loaded and loaded.entries,
        "bad_lines": loaded.bad_lines if loaded else 0,
        "first_bad_line": loaded and loaded.first_bad_line,
        "signals": source.signals,
        "where": source.where,
    }


def _lines(told: dict[str, Any]) -> str:
    if told["state"] == "ok":
        day, age = told["made_at"][:10], _count(told["age_days"], "day")
        holds = f"{told['type']} of {day} ({age} old), {_count(told['entries'], 'entry', 'entries')}"
        holds += f": {', '.join(told['knows'])}"
        if told["bad_lines"]:
            holds += f"; {_count(told['bad_lines'], 'bad line')}, the first is line {told['first_bad_line']}"
    else:
        holds = told["problem"] or "not set"
    return "\n".join(
        (
            f"{told['subject']}  {told['setting']}",
            f"  file      {told['file'] or 'none'}",
            f"  holds     {holds}",
            f"  for       {', '.join(told['signals'])}",
            f"  get it    {told['where']}",
        )
    )


def _count(number: int, noun: str, several: str = "") -> str:
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
