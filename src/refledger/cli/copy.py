"""`refledger copy`: keeps the services off both databases, shows how far it came and what it found."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from refledger.cli.serve import alone
from refledger.cli.support import Sentence, connect, opened_existing
from refledger.services import copying
from refledger.services.copying import Compared, Tell
from refledger.settings import Settings


def copy(using: Settings, to: str, compare_only: bool) -> bool:
    """Whether both hold the same at the end."""
    there = using.model_copy(update={"database_url": to})
    work = copying.compare if compare_only else copying.copy
    try:
        with ExitStack() as stack:
            source = stack.enter_context(opened_existing(using, migrated=False))
            target = connect_target(there)
            stack.callback(target.close)
            _keep_services_off(stack, using, there, is_same=copying.is_same_file(source, target))
            found = work(source, target, stack.enter_context(_progress()))
    except copying.CannotCopy as error:
        raise Sentence(str(error)) from error
    for line in table_lines(found):
        print(line)
    differing = [each.table for each in found if not each.is_equal]
    sys.stdout.flush()
    print(closing_words(differing, compare_only), file=sys.stderr)
    return not differing


def connect_target(there: Settings):
    try:
        return connect(there)
    except Sentence as error:
        raise Sentence(str(error).replace("--database or REFLEDGER_DATABASE_URL", "--to")) from None


def _keep_services_off(stack: ExitStack, using: Settings, there: Settings, is_same: bool) -> None:
    """SQLite's files alone have such a lock; PostgreSQL's sessions are looked at by the service."""
    for each, side in ((using, "source"), (there, "target")):
        if each is there and is_same:
            return  # told by the service, in better words
        try:
            stack.enter_context(alone(each))
        except Sentence:
            raise Sentence(f"the {side} is being served, or copied, right now: stop that first") from None


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar at a terminal; else a line for each tenth."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, int] = {}

        def tell(stage: str, table: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, description=f"{stage} {table}")

        yield tell


class _Lines:
    def __init__(self) -> None:
        self._told = ("", 0)

    def __call__(self, stage: str, table: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if (stage, tenth) != self._told:
            self._told = (stage, tenth)
            print(f"{stage}: {done:,} of {total:,} rows ({table})", file=sys.stderr, flush=True)


def table_lines(found: list[Compared]) -> Iterator[str]:
    """Plain text, whatever the terminal's width: it may be kept as the record of the move."""
    wide = max(len(each.table) for each in found)
    yield f"{'table':<{wide}}  {'rows':>14}  {'sums':>4}  hash"
    for each in found:
        here = each.source
        verdict = "equal" if each.is_equal else "DIFFERENT"
        yield f"{each.table:<{wide}}  {here.rows:>14,}  {len(here.sums):>4}  {short(here.digest):<16}  {verdict}"
        yield from (f"{'':<{wide}}  {words}" for words in each.differences())


def short(digest: int) -> str:
    """The hash's last 16 digits; nothing where there are no rows."""
    return f"{digest:064x}"[-16:] if digest else "-"


def closing_words(differing: list[str], compare_only: bool) -> str:
    if differing:
        what = f"different: {', '.join(differing)}."
        if compare_only:
            return f"{what} The target does not hold what the source holds"
        return f"{what} The target stays marked as unfinished and nothing serves from it: empty it, and copy again"
    if compare_only:
        return "equal: both hold the same"
    return (
        "equal: everything is copied. Now set REFLEDGER_DATABASE_URL to the target and start the service. "
        "Keep REFLEDGER_DATA_DIR and its secret.key (or REFLEDGER_SECRET) as they are: "
        "without the same secret no API key is recognised"
    )
