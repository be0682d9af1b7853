"""Where addresses are, who runs their networks, and what they are known for: by the files the operator supplies.

A thread of its own looks whether a file was changed, and reads it anew; whoever decides uses what is at hand. A file
that is gone or damaged costs nothing but what it knows, and what was read before stays in use.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from refledger.core import geography
from refledger.core.addresses import Address
from refledger.core.origins import ASN, CITY, CLASSES, Operator, Origin, Place
from refledger.services.sources import Loaded, Source, Unusable, configured, load
from refledger.settings import Settings

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
MOST_REMEMBERED = 20_000  # addresses and what is known of them

Signature = tuple[int, int, int]


class _Told(NamedTuple):
    """What one file says of an address."""

    place: Place | None = None
    country: str | None = None
    operator: Operator | None = None
    classes: frozenset[str] = frozenset()


class Generation:
    """All files as they were at one time. What it says of an address never changes, so it is remembered."""

    def __init__(self, files: Sequence[Loaded] = ()):
        self.files = files
        self.known = frozenset().union(*(each.knows for each in files)) & {CITY, ASN, *CLASSES}
        self.versions = {each.source.setting: each.version for each in files}
        self._remembered: dict[str, Origin] = {}
        self._failed: set[Source] = set()

    def look_up(self, addresses: Iterable[Address]) -> dict[str, Origin]:
        """The address's text → its origin. Empty where there are no files at all."""
        if not self.files:
            return {}
        found = {}
        for address in addresses:
            origin = self._remembered.get(address.text)
            if origin is None:
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.clear()
                origin = self._remembered[address.text] = self._look(address)
            found[address.text] = origin
        return found

    def _look(self, address: Address) -> Origin:
        told, known = [], set()
        for file in self.files:
            try:
                said = _ask(file, address)
            except Exception as error:  # whatever is in a file: it costs what that file knows, and no more
                self._warn(file, error)
                continue
            if said is not None:
                told.append(said)
                known |= file.knows
        return Origin(
            address,
            # Of two that know the same, the first says it.
            next((each.place for each in told if each.place), None),
            next((each.operator for each in told if each.operator), None),
            frozenset().union(*(each.classes for each in told)),
            frozenset(known) & self.known,
            next((each.country for each in told if each.country), None),
        )

    def _warn(self, file: Loaded, error: Exception) -> None:
        """Once for a file: it may fail for every address there is."""
        if file.source not in self._failed:
            self._failed.add(file.source)
            log.warning("a file of origins is damaged", setting=file.source.variable, why=repr(error))


def _ask(file: Loaded, address: Address) -> _Told | None:
    """None where it can say nothing at all. Raises whatever a damaged file makes of itself."""
    if file.ranges is not None:
        return _Told(
            classes=file.knows if file.ranges.holds(address.version, address.number) else frozenset()
        )
    if address.version == 6 and not file.has_ipv6:
        return None
    record, knows = file.reader.get(address.text), file.knows
    is_place = geography.COUNTRY in knows
    return _Told(
        geography.place_of(record) if is_place else None,
        geography.country_of(record) if is_place else None,
        geography.operator_of(record) if ASN in knows else None,
        frozenset() if knows.isdisjoint(CLASSES) else geography.classes_of(record),
    )


@dataclass(slots=True)
class Watched:
    """A file that is named by a setting. `problem`: why it cannot be used as it is now, in words."""

    source: Source
    path: Path
    loaded: Loaded | None = None
    problem: str | None = None
    seen: Signature | None = field(default=None, repr=False)
    handled: Signature | None = field(default=None, repr=False)


class Origins:
    """`now` is replaced as a whole, so a group that has taken it keeps to it."""

    def __init__(self, settings: Settings | None = None):
        self.watched = [Watched(*each) for each in configured(settings)] if settings else []
        self.now = Generation()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="origins", daemon=True)

    def open(self) -> None:
        """Reads everything, then goes on looking."""
        if self.watched:
            self.look()
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def _work(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception as error:
                log.warning("looking at the files of origins failed, will try again", why=repr(error))

    def look(self) -> None:
        """Reads what was changed and has stood still since the last look: what is being written is not whole yet."""
        changed = [each for each in self.watched if self._renew(each)]
        if changed:
            self.now = Generation([each.loaded for each in self.watched if each.loaded is not None])

    def _renew(self, file: Watched) -> bool:
        signature, is_first = _signature(file.path), file.seen is None
        stands_still, file.seen = is_first or signature == file.seen, signature
        if signature == file.handled or not stands_still:
            return False
        file.handled = signature
        try:
            file.loaded, file.problem = load(file.source, file.path), None
            log.info("file of origins read", setting=file.source.variable, version=file.loaded.version)
        except Unusable as why:
            file.problem = str(why)
            kept = file.loaded.version if file.loaded else None
            log.warning(
                "file of origins cannot be used", setting=file.source.variable, why=str(why), kept=kept
            )
        return file.problem is None


def _signature(path: Path) -> Signature:
    """Changes when the file does; zeros where it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
