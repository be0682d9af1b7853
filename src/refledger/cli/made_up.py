"""What `refledger demo --month` and `--year` have in common: on whose behalf, at a made-up time, with progress."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import Progress

from refledger.core.keys import hash_key
from refledger.services.credentials import Tenant
from refledger.services.merchants import ACTOR
from refledger.settings import Settings
from refledger.store import merchants
from refledger.store.engine import Database, now_ms


def tenant_of(database: Database, demo: Mapping[str, str]) -> Tenant:
    """The demo merchant, whose `demo.json` this is."""
    merchant_id = demo["merchant_id"]
    with database.read(merchant_id) as connection:
        row = merchants.merchant(connection, merchant_id)
    return Tenant(merchant_id, ACTOR, "live", bytes.fromhex(row["fingerprint_key"]))


def made(
    maker: Callable,
    what: str,
    database: Database,
    using: Settings,
    demo: Mapping[str, str],
    seed: int,
    console: Console,
    **more: Any,
) -> Any:
    """What the maker answers, for the demo merchant."""
    secret = using.secret_bytes()
    hashes = {
        is_secret: hash_key(demo[name], secret)
        for is_secret, name in ((True, "secret_key"), (False, "publishable_key"))
    }
    tenant = tenant_of(database, demo)
    database.has_own_clock = False  # the times are made up
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"a {what} passes")

        def tell(day: int, days: int) -> None:
            progress.update(task, completed=day, total=days)

        try:
            return maker(database, tenant, demo, hashes, now_ms(), seed, tell, **more)
        finally:
            database.has_own_clock = not database.is_sqlite
