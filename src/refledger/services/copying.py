"""Moves a whole installation to another database, and compares what both hold.

The source stands still for the whole run. A run that ended early left its mark in the target; the next one first
compares what is there with the source as it stands now, and goes on only where nothing has changed since.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from refledger.store import copying as store
from refledger.store import migrate
from refledger.store.copying import TABLES, Contents
from refledger.store.engine import Connection, Database, Unavailable

# What is being done, to which table, how many rows are done, of how many.
Tell = Callable[[str, str, int, int], None]


class CannotCopy(Exception):
    """Why nothing is copied, or not further, in one sentence."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One table, as either side holds it."""

    table: str
    source: Contents
    target: Contents

    @property
    def is_equal(self) -> bool:
        return self.source == self.target

    def differences(self) -> list[str]:
        """In words; none where both hold the same."""
        found = []
        if self.source.rows != self.target.rows:
            found.append(f"{self.source.rows:,} rows in the source, {self.target.rows:,} in the target")
        for name in sorted(self.source.sums.keys() | self.target.sums.keys()):
            here, there = self.source.sums.get(name, 0), self.target.sums.get(name, 0)
            if here != there:
                found.append(f"{name} adds up to {here:,} in the source, {there:,} in the target")
        if self.source.digest != self.target.digest:
            found.append("the rows differ")
        return found


def copy(source: Database, target: Database, tell: Tell) -> list[Compared]:
    """Every table, once it is copied. Where all are equal the target is ready; else it stays marked as unfinished.

    Raises `CannotCopy` and `Unavailable`; what was copied by then is gone on from the next time.
    """
    with _standing_still(source, target) as reading:
        begun = _begun(target)
        if begun:
            _refuse_what_changed(reading, target, tell)
        _copy_rows(reading, target, tell)
        with _held(target, "target") as writing:
            found = _compare(reading, writing, tell)
            if all(each.is_equal for each in found):
                store.finish(writing)
        return found


def compare(source: Database, target: Database, tell: Tell) -> list[Compared]:
    """Every table as either side holds it now; changes nothing."""
    with _standing_still(source, target) as reading:
        revision = _at_target(lambda: migrate.current(target))
        if revision not in (migrate.head(), migrate.COPYING + migrate.head()):
            raise CannotCopy(
                "the target holds no installation of this version: there is nothing to compare with"
            )
        with _held(target, "target") as beside:
            return _compare(reading, beside, tell)


# ── what must hold before ────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _standing_still(source: Database, target: Database) -> Iterator[Connection]:
    """The source, which nobody writes to meanwhile, once both sides are found fit for a copy."""
    try:
        _refuse_unfit(source, target)
        with _held(source, "source") as reading:
            yield reading
    except Exception as error:
        words = store.denial(error)
        if words is None:
            raise
        raise CannotCopy(
            f"use an account that owns the database or its tables, this one may not: {words}"
        ) from error


def _refuse_unfit(source: Database, target: Database) -> None:
    revision = migrate.current(source)
    if revision is None:
        raise CannotCopy(
            "the source holds nothing of refledger: look at --database and REFLEDGER_DATABASE_URL"
        )
    if migrate.is_half_copied(revision):
        raise CannotCopy("the source is itself a copy that was not finished: finish that one first")
    if revision != migrate.head():
        raise CannotCopy(
            f"the source is at revision {revision}, this version copies {migrate.head()}: run `refledger migrate`"
        )
    if is_same_file(source, target) or _at_target(lambda: store.same_server_database(source, target)):
        raise CannotCopy("the target is the source itself: name another database")
    for database, side in ((source, "source"), (target, "target")):
        try:
            store.wait_for_the_others(database)
        except store.Busy as others:
            raise CannotCopy(
                f"the {side}: {others} other session(s) of this account are connected. Stop every service that uses "
                "the database, and close what else does; a pooler may keep sessions for some minutes"
            ) from None


def is_same_file(source: Database, target: Database) -> bool:
    if not (source.is_sqlite and target.is_sqlite):
        return False
    here, there = Path(source.url.database), Path(target.url.database)
    return there.exists() and there.samefile(here)


@contextmanager
def _held(database: Database, side: str) -> Iterator[Connection]:
    try:
        with store.held(database) as connection:
            yield connection
    except store.Busy:
        raise CannotCopy(
            f"the {side}: somebody is writing to it. Stop every service that uses the database"
        ) from None


def _begun(target: Database) -> bool:
    """Whether a copy into it was begun earlier; an empty database is prepared for one."""
    with _naming_the_target():
        revision = migrate.current(target)
        if revision == migrate.COPYING + migrate.head():
            return True
        if migrate.is_half_copied(revision):
            raise CannotCopy(
                "the copy was begun by another version of refledger: begin again, with an empty target"
            )
        if revision is None:
            there = store.tables_there(target)
            if there:
                raise CannotCopy(
                    f"the target is not empty, it holds the table {there[0]}: name an empty database"
                )
            migrate.upgrade(target)
        elif revision != migrate.head():
            raise CannotCopy(f"the target is not empty, it is at revision {revision}: name an empty database")
        holding = store.any_row(target)
        if holding:
            raise CannotCopy(f"the target is not empty, its {holding} has rows: name an empty database")
        store.begin(target)
        return False


def _refuse_what_changed(reading: Connection, target: Database, tell: Tell) -> None:
    """Compares what an earlier run copied with the same part of the source."""
    with _naming_the_target(), target.read() as there:
        progress = store.progress(there)
        steps = _Steps(tell, "checking", 2 * sum(each.copied for each in progress.values()))
        for table in TABLES:
            began = progress.get(table.name)
            part = steps.of(table.name)
            wanted = store.contents(reading, table, began.last_key, part) if began else Contents()
            if store.contents(there, table, None, part) != wanted:
                raise CannotCopy(
                    f"what an earlier run copied to {table.name} is not what the source holds now: it has changed "
                    "since, or is another one. Begin again, with an empty target"
                )


# ── the work ─────────────────────────────────────────────────────────────────────────────────────────────────────


class _Steps:
    """Counts rows for whoever is told."""

    def __init__(self, tell: Tell, stage: str, total: int, done: int = 0):
        self._tell, self._stage, self._total, self._done = tell, stage, total, done

    def of(self, table: str) -> Callable[[int], None]:
        def more(rows: int) -> None:
            self._done += rows
            self._tell(self._stage, table, self._done, self._total)

        return more


def _copy_rows(reading: Connection, target: Database, tell: Tell) -> None:
    with _naming_the_target(), target.read() as there:
        progress = store.progress(there)
    total = sum(store.count(reading, table) for table in TABLES)
    steps = _Steps(tell, "copying", total, sum(each.copied for each in progress.values()))
    for table in TABLES:
        began = progress.get(table.name)
        more = steps.of(table.name)
        for rows in store.chunks(reading, table, began and began.last_key):
            try:
                with _naming_the_target():
                    store.put(target, table, rows)
            except store.Unfit as error:
                raise CannotCopy(f"the target does not take what the source holds: {error}") from error
            more(len(rows))


def _compare(here: Connection, there: Connection, tell: Tell) -> list[Compared]:
    total = sum(store.count(side, table) for table in TABLES for side in (here, there))
    steps = _Steps(tell, "comparing", total)
    return [
        Compared(
            table.name,
            store.contents(here, table, None, steps.of(table.name)),
            store.contents(there, table, None, steps.of(table.name)),
        )
        for table in TABLES
    ]


@contextmanager
def _naming_the_target() -> Iterator[None]:
    """Of two databases that may be out of reach, says which."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(f"the target: {error}") from error


def _at_target(ask: Callable):
    with _naming_the_target():
        return ask()
