"""`refledger forget`: asks, erases, and says in numbers what was done."""

import sys

import typer

from refledger.cli.support import Sentence
from refledger.core import emails
from refledger.services import forgetting, merchants
from refledger.services.credentials import Tenant
from refledger.store.engine import Database, now_ms


def forget(database: Database, text: str, merchant_id: str | None, yes: bool) -> None:
    """In both modes, one after the other: interrupted, it can be run again."""
    email = emails.parse(text)
    if email is None:
        raise Sentence("this is not an e-mail address")
    owner = merchants.choose(database, merchant_id)
    if not yes:
        if not sys.stdin.isatty():
            raise Sentence("to erase cannot be undone: say --yes where nobody can be asked")
        typer.confirm(f"Erase this customer of {owner['name']} ({owner['merchant_id']})?", abort=True)
    key = bytes.fromhex(owner["fingerprint_key"])
    for mode in forgetting.MODES:
        tenant = Tenant(owner["merchant_id"], merchants.ACTOR, mode, key)
        _tell(mode, forgetting.forget(database, tenant, email, now_ms))


def _tell(mode: str, found: forgetting.Forgotten) -> None:
    counted = {
        "conversion": found.conversions,
        "refused report": found.attempts,
        "click": found.clicks,
        "sighting": found.sightings,
        "remembered answer": found.answers,
    }
    print(
        f"{mode}: " + ", ".join(f"{number} {name}{'s' * (number != 1)}" for name, number in counted.items())
    )
    if mode == forgetting.MODES[-1]:
        for name, ids in (("list entry", found.list_entries), ("affiliate", found.affiliates)):
            for each in ids:
                print(f"left as it is: {name} {each} has this mailbox", file=sys.stderr)
