"""Finds what this program wrote among the files of a zip or a tar: nobody wants to train on that.

`data.sources.folder.walk_dataset_files` does the same for folders, by the same signs.
"""

import hashlib
from collections.abc import Callable
from pathlib import PurePosixPath

from data import limits
from system.written import RECORD_NAME, Record, parse_record

CONFIG, CHECKPOINTS = "config.json", "checkpoints"  # a folder with both is a run
SIGNS = (CONFIG, f"{CHECKPOINTS}/", RECORD_NAME)


class OwnFiles:
    """The files of an archive that are in a run of this program, or unchanged since it wrote them.

    To find them, call `note_own_files` with every file of the archive, and after that, if
    `has_records`, `compare_with_records`. `name in own_files` is then the answer.
    """

    def __init__(self):
        self._with_config, self._with_checkpoints = set(), set()  # folders
        self._records: dict[PurePosixPath, Record] = {}  # folder -> what it says
        self._record_bytes = 0
        self._written: set[PurePosixPath] = set()

    def note_own_files(self, name: str, size: int, read: Callable) -> None:
        """Takes in what a file says about itself and others.

        size: in bytes. read: returns the content, or an exception where that cannot be read.
        """
        if not any(sign in name for sign in SIGNS):  # faster, in archives of millions of files
            return
        path = PurePosixPath(name)
        for folder in path.parents:
            if folder.name == CHECKPOINTS:
                self._with_checkpoints.add(folder.parent)
        if path.name == CONFIG:
            self._with_config.add(path.parent)
        if path.name == RECORD_NAME:
            self._read_record(path.parent, size, read)

    @property
    def has_records(self) -> bool:
        return bool(self._records)

    def compare_with_records(self, name: str, size: int, read: Callable) -> None:
        """Compares a file with the record beside or above it that names it, if there is one."""
        path = PurePosixPath(name)
        hashes = self._list_recorded_hashes(path)
        if not hashes or size > limits.MAX_ENCODED_BYTES:
            return
        content = read()
        if isinstance(content, bytes) and hashlib.sha256(content).hexdigest() in hashes:
            self._written.add(path)

    def __bool__(self) -> bool:
        return bool(self._written) or not self._with_config.isdisjoint(self._with_checkpoints)

    def __contains__(self, name: str) -> bool:
        if not self:
            return False
        path = PurePosixPath(name)
        runs = self._with_config & self._with_checkpoints
        return path in self._written or not runs.isdisjoint(path.parents)

    def _read_record(self, folder: PurePosixPath, size: int, read: Callable) -> None:
        self._record_bytes += size
        if self._record_bytes > limits.MAX_RECORD_BYTES:
            return
        content = read()
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
        if record := parse_record(text):
            self._records[folder] = record

    def _list_recorded_hashes(self, path: PurePosixPath) -> set[str]:
        hashes = set()
        for folder in path.parents:
            if record := self._records.get(folder):
                hashes |= record.list_hashes_of_file(path.relative_to(folder).as_posix())
        return hashes
