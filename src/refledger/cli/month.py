"""`refledger demo --month`: the command's side of it."""

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.progress import Progress

from refledger.core.keys import hash_key
from refledger.services.credentials import Tenant
from refledger.services.merchants import ACTOR
from refledger.services.month import SLUG, AlreadyThere, make_month
from refledger.settings import Settings
from refledger.store import merchants, programs
from refledger.store.engine import Database, now_ms


def make(database: Database, using: Settings, demo: Mapping[str, str], seed: int) -> None:
    """Makes the month for the demo merchant, with progress; where it was made before, says so."""
    merchant_id, secret = demo["merchant_id"], using.secret_bytes()
    with database.read(merchant_id) as connection:
        row = merchants.merchant(connection, merchant_id)
    tenant = Tenant(merchant_id, ACTOR, "live", bytes.fromhex(row["fingerprint_key"]))
    hashes = {
        is_secret: hash_key(demo[name], secret)
        for is_secret, name in ((True, "secret_key"), (False, "publishable_key"))
    }
    database.has_own_clock = False  # the month's times are made up
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("a month passes")

        def tell(day: int, days: int) -> None:
            progress.update(task, completed=day, total=days)

        try:
            made = make_month(database, tenant, demo, hashes, now_ms(), seed, tell)
        except AlreadyThere:
            console.print("The month was made before, and stays as it is.")
            return
        finally:
            database.has_own_clock = not database.is_sqlite
    answers = ", ".join(f"{count} {code}" for code, count in sorted(made["answers"].items()))
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
