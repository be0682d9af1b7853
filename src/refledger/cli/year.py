"""`refledger demo --year`: the command's side of it."""

from collections.abc import Mapping

from rich.console import Console

from refledger.cli.made_up import made, tenant_of
from refledger.cli.support import Sentence
from refledger.core.money import to_text
from refledger.services import ledger_check, payouts
from refledger.services.made_up import AlreadyThere
from refledger.services.year import SealedMeanwhile, make_year, sums
from refledger.settings import Settings
from refledger.store.engine import Database, now_ms


def make_and_prove(
    database: Database, using: Settings, demo: Mapping[str, str], seed: int, months: int
) -> None:
    """Makes the year for the demo merchant, with progress, unless it was made before; then proves every cent of it."""
    console = Console(stderr=True)
    try:
        happened = made(make_year, "year", database, using, demo, seed, console, months=months)
    except AlreadyThere:
        console.print("The year was made before, and stays as it is.")
    except SealedMeanwhile:
        raise Sentence(
            "the demo merchant's ledger is sealed already, so that nothing can have happened in the year before:"
            " make the year in a database of its own, with --database"
        ) from None
    else:
        told = ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))
        console.print(f"A year was made: {told}", soft_wrap=True)
    violations = list(ledger_check.verify(database))
    for each in violations:
        console.print(each, soft_wrap=True)
    if violations:
        raise Sentence(f"the ledger does not hold: {len(violations)} violations")
    console.print("verify-ledger: every cent balances")


def year_text(database: Database, address: str, demo: Mapping[str, str]) -> str:
    """What both programs have paid, and calls to paste."""
    tenant = tenant_of(database, demo)
    with database.read(tenant.merchant_id) as connection:
        found = sums(connection, tenant, now_ms())
        made_out, _ = payouts.list_payouts(connection, tenant, {}, 1, None)
    lines = []
    for each in found:
        currency = each.program["currency"]
        paid, stated = (
            f"{to_text(minor, currency)} {currency}"
            for minor in (each.by_payouts_minor, each.by_statements_minor)
        )
        lines.append(f"  {each.program['slug']:<22} {each.program['id']}")
        lines.append(f"  {'paid':<22} {paid} by payouts, {stated} by statements")
    curl = f"curl -sS -w '\\n' -H 'Authorization: Bearer {demo['secret_key']}' '{address}/v1"
    program, affiliate = found[0].program, found[0].affiliates[-1]
    calls = [
        ("the payouts of a program", f"{curl}/payouts?program_id={program['id']}'"),
        *(
            ("the newest payout, as a file", f"{curl}/payouts/{each['id']}/csv?layout=generic'")
            for each in made_out
        ),
        ("what an affiliate has", f"{curl}/affiliates/{affiliate['id']}/balance'"),
        ("their statement of this month", f"{curl}/affiliates/{affiliate['id']}/statement'"),
        ("every entry of theirs", f"{curl}/affiliates/{affiliate['id']}/ledger'"),
        ("what was refunded, and what is disputed", f"{curl}/refunds'\n{curl}/disputes'"),
        ("the terms as they were and are", f"{curl}/programs/{program['id']}/terms/versions'"),
    ]
    pasted = "\n\n".join(f"# {what}\n{line}" for what, line in calls)
    return "\n".join(["Demo year", *lines, "", "Paste, to look at it:", "", pasted])
