"""A VFS of SQLite that does what the system's does, and writes down all that it was told to do to files.

A record is a tuple that begins with its kind:

    (CREATE, name, file)             a name came to be, for a new file (a number)
    (WRITE, file, offset, bytes)
    (TRUNCATE, file, size)
    (SYNC, file)                     all of the file written before is on the disk
    (DELETE, name)
    (SYNC_FOLDER,)                   all names made and deleted before are on the disk

The index of the log (`-shm`) is memory, not a file to be kept, and is not written down.
"""

import os
from pathlib import Path

import apsw

CREATE, WRITE, TRUNCATE, SYNC, DELETE, SYNC_FOLDER = range(6)
_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


class Recorder(apsw.VFS):
    """`records`: what happened, in order. Names are without their folder; everything is in one."""

    def __init__(self, name: str):
        self.records: list[tuple] = []
        self._files: dict[str, int] = {}
        self._count = 0
        super().__init__(name, base="")

    def xOpen(self, name, flags):
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not flags[0] & (apsw.SQLITE_OPEN_MAIN_DB | _JOURNALS):
            return apsw.VFSFile("", name, flags)
        is_new = not os.path.exists(path)
        opened = _File(self, Path(path).name, name, flags)
        if is_new:
            self._count += 1
            self._files[opened.name] = self._count
            self.records.append((CREATE, opened.name, self._count))
        opened.number = self._files[opened.name]
        # As SQLite's own: the folder is synced with the first sync of a journal that was new.
        opened.syncs_folder = is_new and bool(flags[0] & _JOURNALS)
        return opened

    def xDelete(self, path, sync_folder):
        super().xDelete(path, False)
        self.records.append((DELETE, Path(path).name))
        if sync_folder:
            self.records.append((SYNC_FOLDER,))


class _File(apsw.VFSFile):
    def __init__(self, recorder, name, path, flags):
        self.name, self.number, self.syncs_folder = name, 0, False
        self._records = recorder.records
        super().__init__("", path, flags)

    def xWrite(self, data, offset):
        self._records.append((WRITE, self.number, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size):
        self._records.append((TRUNCATE, self.number, size))
        super().xTruncate(size)

    def xSync(self, flags):
        # The real disk is not waited for: what a sync is worth is decided when the power is cut (`disk`).
        self._records.append((SYNC, self.number))
        if self.syncs_folder:
            self._records.append((SYNC_FOLDER,))
            self.syncs_folder = False
