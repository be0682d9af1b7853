"""`refledger backtest`: what a policy would have decided otherwise, over all that was decided, without bound."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refledger.cli.support import Sentence, opened_existing
from refledger.core import exact_json, times
from refledger.core.fraud.presets import NEWEST, PRESETS
from refledger.core.refusals import Reason, Refused
from refledger.services import merchants
from refledger.services.backtest import NO_BOUNDS, Question, Tell, backtest
from refledger.services.credentials import Tenant
from refledger.settings import Settings
from refledger.store import merchants as merchant_store
from refledger.store import programs as program_store
from refledger.store.engine import Connection, now_ms

_MOST_POLICY_BYTES = 1024 * 1024  # as many as the API takes
_MOST_SHOWN = 20  # affiliates; the JSON has them all


def run(
    using: Settings,
    merchant: str | None,
    mode: str,
    program: str | None,
    policy: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, Any]:
    """The report as the API gives it."""
    overrides, from_ms, to_ms = _overrides(policy), _time("--from", since), _time("--to", until)
    with opened_existing(using) as database:
        merchant_id = merchants.choose(database, merchant)["merchant_id"]
        with database.read(merchant_id) as connection, _progress() as tell:
            key = merchant_store.merchant(connection, merchant_id)["fingerprint_key"]
            tenant = Tenant(merchant_id, merchants.ACTOR, mode, bytes.fromhex(key))
            program_id = program or _only_program(connection, merchant_id)
            question = Question(program_id, overrides, from_ms=from_ms, to_ms=to_ms)
            try:
                return backtest(connection, tenant, question, now_ms(), NO_BOUNDS, tell)
            except Refused as refused:
                if refused.refusal.reason is Reason.NOT_FOUND:
                    raise Sentence(f"there is no program {program_id}") from None
                raise Sentence(refused.refusal.message or refused.refusal.reason) from None


def _overrides(policy: str | None) -> Any:
    if policy is None or policy in NEWEST or policy in PRESETS:
        return policy and {"preset": policy}
    path = Path(policy)
    if not policy or path.is_dir() or not path.exists():
        raise Sentence(f"--policy {policy!r} is neither a file nor one of the presets {', '.join(NEWEST)}")
    with path.open("rb") as file:
        content = file.read(_MOST_POLICY_BYTES + 1)
    if len(content) > _MOST_POLICY_BYTES:
        raise Sentence(f"{policy} has more than {_MOST_POLICY_BYTES // 1024:,} kB: no policy")
    try:
        return exact_json.read(content)
    except ValueError as why:
        raise Sentence(f"{policy} {why}") from None


def _time(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else times.from_text(text)
    except ValueError as why:
        raise Sentence(f"{option} {why}") from None


def _only_program(connection: Connection, merchant_id: str) -> str:
    found, _ = program_store.list_programs(connection, merchant_id, None, 100, None)
    if not found:
        raise Sentence("there is no program yet")
    if len(found) > 1:
        each = "".join(f"\n  --program {row['id']}  {row['name']}" for row in found)
        raise Sentence(f"say which program is meant:{each}")
    return found[0]["id"]


@contextmanager
def _progress() -> Iterator[Tell | None]:
    """A bar at a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("decisions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("decisions", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────


def show(found: dict[str, Any], as_json: bool) -> bool:
    """Prints the report; answers whether every decision was reproduced."""
    if as_json:
        print(json.dumps(found))
    else:
        print("\n".join(_lines(found)))
    differing = found["reproduced"]["differing"]
    for each in differing:
        told = f"stored as {_outcome(each['stored'])}, again {_outcome(each['replayed'])}"
        print(f"{each['id']} is not reproduced: {told}", file=sys.stderr)
    return not differing


def _outcome(outcome: dict[str, Any]) -> str:
    return f"{outcome['code']} (score {outcome['score']}, {outcome['leading'] or 'no signal leads'})"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    control, span = found["reproduced"], found["covered"]
    yield f"{found['program_id']}, {found['mode']}, from {span['from']} to {span['to']}"
    yield f"{found['decisions']:>9,} decisions"
    yield f"{control['count']:>9,} of them reproduced under the policy that judged them"
    yield f"{len(found['flips']):>9,} would have been different"
    for title, name, shown in (
        ("", "totals", ""),
        ("by signal", "by_signal", "{signal}"),
        ("by affiliate", "by_affiliate", "{name} ({ref_code}, {affiliate_id})"),
    ):
        if found[name]:
            yield from ("", *_table(title, found[name][:_MOST_SHOWN], shown))
    for each in found["examples"]:
        yield from ("", *each["sentences"])


def _table(title: str, entries: list[dict[str, Any]], shown: str) -> Iterator[str]:
    names = [shown.format_map(each) for each in entries]
    wide = max(len(each) for each in (title, *names))
    yield f"{title:<{wide}}  {'from':<8}  {'to':<8}  {'number':>8}  {'revenue':>14}  {'commission':>14}"
    for name, each in zip(names, entries, strict=True):
        revenue, commission = each["revenue"], each["commission"]
        yield (
            f"{name:<{wide}}  {each['from']:<8}  {each['to']:<8}  {each['count']:>8,}  {revenue['amount']:>14}"
            f"  {commission['amount']:>14} {commission['currency']}"
        )
        if shown:
            decided = (f"{later} {sums['count']:,}" for later, sums in each["decided"].items())
            yield f"{'':<{wide}}  decided later: {', '.join(decided)}"
