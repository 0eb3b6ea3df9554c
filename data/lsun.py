"""An LSUN category as its LMDB folder: keys to WebP or JPEG bytes (https://github.com/fyu/lsun)."""

import itertools
from pathlib import Path

import lmdb

from data.source import Source, stat_line


def find_lmdbs(folder: Path) -> list[Path]:
    """The LMDB folders in and below `folder`, without LSUN's small validation and test sets unless asked by path."""
    if (folder / "data.mdb").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.rglob("data.mdb"))
    return [path for path in found if not path.name.endswith(("_val_lmdb", "test_lmdb"))] or found


def lmdb_source(folder: Path, *, limit: int | None = None) -> Source:
    """The images of an LMDB in the order of its keys. Raises ValueError when it cannot be opened or is empty."""
    try:
        with _open(folder) as environment:
            count = environment.stat()["entries"]
    except lmdb.Error as error:
        raise ValueError(f"{folder} must be an LMDB of images. Received: {error}. Fetch it again.") from error
    if not count:
        raise ValueError(f"{folder} must hold images. Received: an empty LMDB. Fetch it again.")

    def items():
        with _open(folder) as environment, environment.begin(buffers=False) as transaction:
            for key, value in itertools.islice(transaction.cursor(), limit):
                yield key.decode("utf-8", "backslashreplace"), value

    return Source(f"LMDB {folder}", stat_line(folder / "data.mdb"), min(count, limit or count), items)


def _open(folder: Path) -> lmdb.Environment:
    return lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
