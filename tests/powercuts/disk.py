"""What a disk may hold after a power cut, told from a record of what was done to its files.

All that was synced is there. Of every write since, nothing may be there, or all of it, or some of its sectors of 512
bytes, with garbage in others; a truncation or a name may have happened or not. Each is drawn by itself, so writes
survive in any order. Bytes next to those written stay as they were (SQLite's "powersafe overwrite", which it assumes
of every disk).
"""

from dataclasses import dataclass, field
from random import Random

from tests.powercuts.recorder import CREATE, DELETE, SYNC, SYNC_FOLDER, TRUNCATE, WRITE

SECTOR = 512


@dataclass(frozen=True)
class Model:
    """`loses`: unsynced writes may be lost. `keeps_promises`: what was synced is kept."""

    loses: bool = True
    keeps_promises: bool = True


@dataclass
class _File:
    """`kept`: as it is on the disk for certain; `pending`: writes and truncations since."""

    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple] = field(default_factory=list)


class Disk:
    """Does what the records say, one after the other; `cut` at any time."""

    def __init__(self, model: Model):
        self._model = model
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}  # on the disk for certain
        self._named: list[
            tuple[str, int | None]
        ] = []  # since: (name, its file, or None where it was deleted)

    def do(self, record: tuple) -> None:
        kind = record[0]
        if kind in (WRITE, TRUNCATE):
            self._files[record[1]].pending.append(record)
        elif kind == SYNC and self._model.keeps_promises:
            file = self._files[record[1]]
            for each in file.pending:
                _apply(file.kept, each)
            file.pending.clear()
        elif kind == SYNC_FOLDER and self._model.keeps_promises:
            self._names = _with(self._names, self._named)
            self._named.clear()
        elif kind == CREATE:
            self._files[record[2]] = _File()
            self._named.append((record[1], record[2]))
        elif kind == DELETE:
            self._named.append((record[1], None))

    @property
    def is_unfinished(self) -> bool:
        """Whether anything was done that is not synced yet."""
        return bool(self._named) or any(file.pending for file in self._files.values())

    def cut(self, random: Random) -> dict[str, bytearray]:
        """Name → content, as found when the power is back."""
        luck = random.choice((0.0, 0.1, 0.5, 0.9, 1.0)) if self._model.loses else 1.0
        tearing = random.choice((0.0, 0.1, 0.5)) if self._model.loses else 0.0
        survived = [each for each in self._named if random.random() < luck]
        found = {}
        for name, number in _with(self._names, survived).items():
            content = bytearray(self._files[number].kept)
            for record in self._files[number].pending:
                if record[0] == WRITE and random.random() < tearing:
                    _tear(content, record, random)
                elif random.random() < luck:
                    _apply(content, record)
            found[name] = content
        return found


def _with(names: dict[str, int], changes: list[tuple[str, int | None]]) -> dict[str, int]:
    return {name: number for name, number in {**names, **dict(changes)}.items() if number is not None}


def _apply(content: bytearray, record: tuple) -> None:
    if record[0] == TRUNCATE:
        del content[record[2] :]
        content.extend(bytes(record[2] - len(content)))
        return
    _put(content, record[2], record[3])


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _tear(content: bytearray, record: tuple, random: Random) -> None:
    """Of each sector the new bytes, the old ones, or garbage."""
    _, _, offset, data = record
    start, end = offset, offset + len(data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        fate = random.random()
        if fate < 0.45:
            _put(content, start, data[start - offset : stop - offset])
        elif fate < 0.55:
            _put(content, start, random.randbytes(stop - start))
        start = stop
