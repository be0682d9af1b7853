"""`refledger demo --month`: the command's side of it."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import Progress

from refledger.cli.support import Sentence
from refledger.core.keys import hash_key
from refledger.services.credentials import Tenant
from refledger.services.merchants import ACTOR
from refledger.services.month import AlreadyThere, make_month
from refledger.settings import Settings
from refledger.store import merchants
from refledger.store.engine import Database, now_ms


def make(database: Database, using: Settings, demo: Mapping[str, str], seed: int) -> None:
    """Makes the month for the demo merchant, with progress, and says what came of it."""
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
        except AlreadyThere as why:
            raise Sentence(str(why)) from None
        finally:
            database.has_own_clock = not database.is_sqlite
    answers = ", ".join(f"{count} {code}" for code, count in sorted(made["answers"].items()))
    console.print(f"Demo month: program {made['program_id']}; reports answered: {answers}", soft_wrap=True)
