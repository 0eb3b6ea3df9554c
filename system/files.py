"""Files and folders that appear whole or not at all, and the temporary ones they are made from."""

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path

from system.errors import add_path_to_errors
from system.locks import try_to_own_file

# Without locks, a temporary file that nobody has written to for so long counts as a leftover.
STALE_SECONDS = 3600
ASIDE = ".aside.tmp"  # ends the name of a folder that another one is replacing


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a temporary file and renames it: readers see the old file or the new one."""
    with create_temporary_path(path) as draft:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)


def append_to_file_or_undo(path: Path, content: bytes) -> None:
    """Appends to a file, or creates it. After an OSError the file is as it was before."""
    with open(path, "ab", buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(content)
            if written < len(content):
                # The disk is full; writing the rest raises the error that says so.
                file.write(content[written:])
        except OSError:
            file.truncate(size)
            raise


@contextlib.contextmanager
def replace_folder(path: Path):
    """Yields an empty folder that takes the place of `path` at the end of the block.

    When the block raises, the new folder is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_temporary_leftovers(path.parent)

    with create_temporary_path(path, folder=True) as draft:
        yield draft
        _rename_over_folder(draft, path)


def check_folder_writable(folder: Path) -> None:
    """Raises ValueError when `folder` cannot be written or created: now, not after packing."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())

    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise ValueError(
            "--out_dir must be a folder that can be written. "
            f"Received: {existing}. Give another one."
        )


def check_disk_room(folder: Path, needed: int, purpose: str) -> None:
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
def create_temporary_path(path: Path, *, folder: bool = False):
    """Yields a new file or folder beside `path`, which the block fills and renames to `path`.

    What is not renamed is removed after the block. Until then this process owns it, and
    `remove_temporary_leftovers` in other processes leaves it alone. An OSError in the block that
    names no file gets `path`.
    """
    while True:
        draft = _create_temporary_beside(path, folder=folder)
        with try_to_own_file(draft) as is_mine:
            if is_mine is False:
                continue  # another process took it for a leftover before we had locked it

            try:
                with add_path_to_errors(path):
                    yield draft
                return
            finally:
                _remove_temporary_or_bring_back(draft)


def remove_temporary_leftovers(folder: Path) -> None:
    """Removes the temporary files and folders in `folder` whose process is gone.

    A folder that was being replaced when its process died gets its name back, if that is free.
    """
    for path in folder.glob("*.tmp"):
        # An OSError means that another process was faster.
        with contextlib.suppress(OSError), try_to_own_file(path) as is_mine:
            if is_mine or (is_mine is None and _is_stale_temporary(path)):
                _remove_temporary_or_bring_back(path)


def _create_temporary_beside(path: Path, *, folder: bool) -> Path:
    """Creates <name>.<process>-<random>.tmp in the folder of `path`."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(3).hex()}.tmp")
    if folder:
        draft.mkdir(parents=True)
    else:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return draft


def _rename_over_folder(draft: Path, path: Path) -> None:
    """Renames `draft` to `path`. A folder of that name is removed, or kept if that fails."""
    if not path.exists():
        os.replace(draft, path)
        return

    aside = path.with_name(f"{path.name}.{os.urandom(3).hex()}{ASIDE}")
    with try_to_own_file(path):
        os.replace(path, aside)
        try:
            os.replace(draft, path)
        finally:
            _remove_temporary_or_bring_back(aside)


def _remove_temporary_or_bring_back(path: Path) -> None:
    """Removes a temporary file or folder. One moved aside gets its name back if that is free."""
    if path.name.endswith(ASIDE):
        original = path.with_name(path.name.removesuffix(ASIDE).rpartition(".")[0])
        if not original.exists():
            os.replace(path, original)
            return

    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_stale_temporary(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > STALE_SECONDS
