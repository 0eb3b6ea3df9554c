"""Files and folders that appear whole or not at all, and the temporary ones that they are made from."""

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path

from system.locks import named, owned

# Where a file system has no locks, a temporary that nobody has written to for so long counts as having no owner.
STALE_SECONDS = 3600
ASIDE = ".aside.tmp"


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name and renames it, so that readers see the old one or the new one."""
    with temporary(path) as place:
        with open(place, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(place, path)


def append(path: Path, content: bytes) -> None:
    """Adds to the end of a file, which is made if need be: all of it, or after an OSError nothing."""
    with open(path, "ab", buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(content)
            if written < len(content):  # the disk is full, as the next try tells
                file.write(content[written:])
        except OSError:
            file.truncate(size)
            raise


@contextlib.contextmanager
def replaced_folder(path: Path):
    """Yields an empty folder that takes the place of `path` when the block ends well, and vanishes when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    with temporary(path, folder=True) as place:
        yield place
        with put_aside(path) if path.exists() else contextlib.nullcontext():
            os.replace(place, path)


def check_writable(folder: Path) -> None:
    """Raises ValueError when `folder` could not be made: now rather than after packing."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise ValueError(
            f"--out_dir must be a folder that can be written. Received: {existing}. Give another one."
        )


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Raises OSError when the disk of `folder` has no room for `needed` bytes.

    To be called before the work, so that hours of it are not lost to a disk that fills up.
    purpose: what the bytes are for, in words.
    """
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return

    reason = f"{needed / 1e9:.2f} GB are needed for {purpose}, {free / 1e9:.2f} GB are free"
    raise OSError(errno.ENOSPC, reason, os.fspath(folder))


@contextlib.contextmanager
def temporary(path: Path, *, folder: bool = False):
    """Yields a new, empty file or folder beside `path`, to be renamed to it; what is left of it goes with the block.

    It belongs to this process for as long as that lives: `remove_leftovers` of others leaves it alone. An OSError in
    the block that has no file name gets the one of `path`.
    """
    while True:
        place = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(3).hex()}.tmp")
        if folder:
            place.mkdir(parents=True)
        else:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        with owned(place) as mine:
            if mine is not False:  # or another process found it before it had its lock
                try:
                    with named(path):
                        yield place
                    return
                finally:
                    _finish(place)


@contextlib.contextmanager
def put_aside(folder: Path):
    """Within the block `folder` has another name; then it goes, or comes back where nothing took its place."""
    aside = folder.with_name(f"{folder.name}.{os.urandom(3).hex()}{ASIDE}")
    with owned(folder):
        os.replace(folder, aside)
        try:
            yield
        finally:
            _finish(aside)


def remove_leftovers(folder: Path) -> None:
    """Removes the temporaries in `folder` whose process is gone; what it had put aside for nothing comes back."""
    for place in folder.glob("*.tmp"):
        with contextlib.suppress(OSError), owned(place) as mine:  # another process was faster
            if mine or (mine is None and time.time() - place.stat().st_mtime > STALE_SECONDS):
                _finish(place)


def _finish(place: Path) -> None:
    if place.name.endswith(ASIDE):
        target = place.with_name(place.name.removesuffix(ASIDE).rpartition(".")[0])
        if not target.exists():
            os.replace(place, target)
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
