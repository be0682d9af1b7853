"""`refledger demo --month`: the command's side of it."""

import sys
from collections.abc import Mapping

from rich.console import Console

from refledger.cli.made_up import made
from refledger.services.made_up import AlreadyThere
from refledger.services.month import SLUG, make_month
from refledger.settings import Settings
from refledger.store import programs
from refledger.store.engine import Database


def make(database: Database, using: Settings, demo: Mapping[str, str], seed: int) -> None:
    """Makes the month for the demo merchant, with progress; where it was made before, says so."""
    console = Console(stderr=True)
    try:
        found = made(make_month, "month", database, using, demo, seed, console)
    except AlreadyThere:
        console.print("The month was made before, and stays as it is.")
        return
    answers = ", ".join(f"{count} {code}" for code, count in sorted(found["answers"].items()))
    console.print(f"A month was made; its reports were answered: {answers}", soft_wrap=True)


def month_text(database: Database, address: str, demo: Mapping[str, str]) -> str:
    """Calls to paste, for a look at the month."""
    with database.read(demo["merchant_id"]) as connection:
        found, _ = programs.list_programs(connection, demo["merchant_id"], None, 500, None)
    program_id = next(row["id"] for row in found if row["slug"] == SLUG)
    curl = f"curl -sS -w '\\n' -H 'Authorization: Bearer {demo['secret_key']}' '{address}/v1"
    own = sys.argv[0] if sys.argv[0].endswith("refledger") else "refledger"
    calls = (
        ("what waits for a person, by affiliate and signal", f"{curl}/review'"),
        ("how often each signal was right", f"{curl}/signals?program_id={program_id}'"),
        ("what was refused, and why", f"{curl}/attempts?program_id={program_id}'"),
        ("conversions; put an id behind /v1/conversions/ and read its explanation", f"{curl}/conversions'"),
        (
            "what a stricter policy would have changed",
            f"{own} backtest --program {program_id} --policy strict",
        ),
    )
    lines = "\n\n".join(f"# {what}\n{line}" for what, line in calls)
    return f"Demo month\n  {'program':<22} {program_id}\n\nPaste, to look at it:\n\n{lines}"
