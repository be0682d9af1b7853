"""Every command: its options and what it prints. What it does stands in the services."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from refledger import __version__
from refledger.cli.geoip import geoip
from refledger.cli.support import Sentence, opened, opened_existing, settings

app = typer.Typer(
    help="Affiliate and referral conversion tracking with a real ledger underneath.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="A merchant's API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(geoip, name="geoip")

Url = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="The database; else REFLEDGER_DATABASE_URL.")
]
MerchantId = Annotated[
    str | None, typer.Option("--merchant", metavar="ID", help="Needed where there is more than one.")
]


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"refledger {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; else REFLEDGER_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; else REFLEDGER_PORT.")
    ] = None,
    database: Url = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Serving processes; else REFLEDGER_WORKERS, else one.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make and show a demo merchant.")] = False,
) -> None:
    """Migrate the database if need be, and serve."""
    from refledger.cli import serve as door

    door.serve(settings(database, host=host, port=port, workers=workers), demo)


@app.command()
def init(
    name: Annotated[str, typer.Option(help="The merchant's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    database: Url = None,
) -> None:
    """Make a merchant and their four keys, which are shown once. Works while the service runs."""
    from refledger.services.merchants import create_merchant, usable_name
    from refledger.store.engine import now_ms

    using, name = settings(database), usable_name(name)
    with opened(using) as opened_database:
        made = create_merchant(opened_database, using.secret_bytes(), name, now_ms())
    if as_json:
        print(json.dumps(made))
        return
    for label, value in made.items():
        print(f"{label:<22} {value}")
    print("Keep the keys now: they are not stored and cannot be shown again.", file=sys.stderr)


@app.command()
def demo(
    month: Annotated[
        bool, typer.Option("--month", help="Make a month of honest and dishonest affiliates besides.")
    ] = False,
    year: Annotated[
        bool, typer.Option("--year", help="Make a year of sales, refunds, disputes and payouts besides.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another month, another year.")] = 2026,
    months: Annotated[int, typer.Option(min=1, max=36, help="How long the year is.")] = 12,
    database: Url = None,
) -> None:
    """Make the demo merchant if need be, and show the keys and calls to try."""
    from refledger.cli.samples import demo_text
    from refledger.services.demo import ensure_demo
    from refledger.store.engine import now_ms

    using = settings(database)
    with opened(using) as opened_database:
        made = ensure_demo(opened_database, using.secret_bytes(), using.data_dir, now_ms())
        address = using.public_url or f"http://{using.host}:{using.port}"
        if month:
            from refledger.cli.month import make, month_text

            make(opened_database, using, made, seed)
            print(month_text(opened_database, address, made))
        if year:
            from refledger.cli.year import make_and_prove, year_text

            make_and_prove(opened_database, using, made, seed, months)
            print(year_text(opened_database, address, made))
        if not month and not year:
            print(demo_text(address, made))


@keys.command("create")
def create_key(
    kind: Annotated[Literal["publishable", "secret"], typer.Option(help="What it may do.")] = "secret",
    mode: Annotated[Literal["live", "test"], typer.Option(help="Which data it sees.")] = "live",
    label: Annotated[str, typer.Option(help="For yourself: where the key is used.")] = "",
    merchant: MerchantId = None,
    database: Url = None,
) -> None:
    """Make one more key, which is shown once."""
    from refledger.services import merchants
    from refledger.store.engine import now_ms

    using = settings(database)
    with opened_existing(using) as opened_database:
        owner = merchants.choose(opened_database, merchant)["merchant_id"]
        made = merchants.create_key(opened_database, using.secret_bytes(), owner, kind, mode, now_ms(), label)
    print(f"{'id':<22} {made['id']}\n{'key':<22} {made['key']}")
    print("Keep the key now: it is not stored and cannot be shown again.", file=sys.stderr)


@keys.command("list")
def list_keys(merchant: MerchantId = None, database: Url = None) -> None:
    """Show a merchant's keys by id and last letters, the revoked ones too."""
    from datetime import UTC, datetime

    from refledger.services import merchants

    with opened_existing(settings(database)) as opened_database:
        owner = merchants.choose(opened_database, merchant)
        rows = merchants.list_keys(opened_database, owner["merchant_id"])
    print(f"{owner['name']} ({owner['merchant_id']})")
    for row in rows:
        made = datetime.fromtimestamp(row["created_ms"] / 1000, UTC).strftime("%Y-%m-%d")
        state = "revoked" if row["revoked_ms"] else "in force"
        columns = (row["id"], f"{row['kind']:<11}", f"{row['mode']:<4}", f"{row['hint']:<19}", made, state)
        print("  ".join((*columns, row["label"])).rstrip())


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `keys list` shows it.")],
    database: Url = None,
) -> None:
    """Refuse a key from now on. This cannot be undone."""
    from refledger.services import merchants
    from refledger.store.engine import now_ms

    with opened_existing(settings(database)) as opened_database:
        gone = merchants.revoke_key(opened_database, key_id, now_ms())
    print(f"revoked {gone['id']} ({gone['hint']})")


@app.command()
def migrate(
    database: Url = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--grant", metavar="ROLE", help="PostgreSQL: also give this role what it needs to serve, no more."
        ),
    ] = None,
) -> None:
    """Bring the database to the newest revision. `serve` and `init` do it too."""
    from refledger.store import migrate as migrations

    with opened(settings(database), migrated=False) as opened_database:
        if role is not None and opened_database.is_sqlite:
            raise Sentence("--grant is for PostgreSQL: SQLite knows no roles")
        done = migrations.upgrade(opened_database)
        print(f"{'migrated to' if done else 'already at'} revision {migrations.current(opened_database)}")
        if role is not None:
            migrations.grant(opened_database, role)
            print(f"{role} may serve")


@app.command()
def doctor(database: Url = None) -> None:
    """Say what is wrong with this installation, and what to do about it. Status 1 where something fails."""
    from rich.console import Console
    from rich.text import Text

    from refledger.services.doctor import examine
    from refledger.store.engine import now_ms

    using = settings(database)
    console, failed = Console(soft_wrap=True, highlight=False), 0
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    with opened_existing(using, migrated=False) as opened_database:
        for finding in examine(using, opened_database, now_ms()):
            failed += finding.level == "fail"
            level = Text(f"{finding.level:<5}", style=colours[finding.level])
            # Names are the merchants' own: what a terminal would obey is shown instead.
            words = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in finding.words)
            console.print(level, Text(f"{finding.subject}: {words}"))
    if failed:
        raise typer.Exit(1)


@app.command()
def export(
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of standard output.")] = None,
    database: Url = None,
) -> None:
    """Write every stored row as NDJSON, without the keys' hashes."""
    from refledger.services.export import export as write_all

    def tell(words: str) -> None:
        print(words, file=sys.stderr)

    with opened_existing(settings(database)) as opened_database:
        if output is None:
            write_all(opened_database, sys.stdout.buffer, tell)
            sys.stdout.flush()
            return
        draft = output.with_name(output.name + ".part")
        # Personal data: readable by its owner alone, and under its name only when it is whole.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            total = write_all(opened_database, file, tell)
        os.replace(draft, output)
    tell(f"{total} row{'s' * (total != 1)} in {output}")


@app.command()
def copy(
    to: Annotated[str, typer.Option(metavar="URL", help="The database to copy to: an empty one.")],
    compare: Annotated[bool, typer.Option("--compare", help="Copy nothing, only compare.")] = False,
    database: Url = None,
) -> None:
    """Copy the whole installation to another database, and compare them. Status 1 where they differ."""
    from refledger.cli import copy as door

    if not door.copy(settings(database), to, compare):
        raise typer.Exit(1)


@app.command()
def forget(
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="The customer's address, as it was reported.")
    ],
    merchant: MerchantId = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Url = None,
) -> None:
    """Erase a customer, in both modes, and keep the sums. This cannot be undone. Works while the service runs."""
    from refledger.cli import forget as door

    with opened_existing(settings(database)) as opened_database:
        door.forget(opened_database, email, merchant, yes)


@app.command()
def backtest(
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|PRESET", help="What to try; left out: the policy that judged each decision."
        ),
    ] = None,
    program: Annotated[
        str | None, typer.Option(metavar="ID", help="Needed where there is more than one.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="RFC 3339; else 30 days before the end.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Before this time; else until now.")
    ] = None,
    mode: Annotated[Literal["live", "test"], typer.Option(help="Which decisions.")] = "live",
    as_json: Annotated[bool, typer.Option("--json", help="The whole report, as the API gives it.")] = False,
    merchant: MerchantId = None,
    database: Url = None,
) -> None:
    """Replay a policy over what was decided. Status 1 where a decision is not reproduced by its own policy."""
    from refledger.cli import backtest as door

    found = door.run(settings(database), merchant, mode, program, policy, since, until)
    if not door.show(found, as_json):
        raise typer.Exit(1)


@app.command("verify-ledger")
def verify_ledger(database: Url = None) -> None:
    """Check that every cent balances. Status 1 where one does not."""
    from refledger.services.ledger_check import verify

    def tell(done: int, total: int) -> None:
        print(f"\r{done:,} of {total:,} rows", end="", file=sys.stderr, flush=True)

    found = 0
    with opened_existing(settings(database)) as opened_database:
        for violation in verify(opened_database, tell if sys.stderr.isatty() else None):
            found += 1
            print(violation)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    words = f"{found} violation{'s' * (found != 1)}" if found else "the ledger balances"
    print(words, file=sys.stderr)
    if found:
        raise typer.Exit(1)
