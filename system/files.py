"""Writes files and folders that appear whole or not at all, by way of temporary ones."""

import contextlib
import errno
import itertools
import os
import re
import shutil
import time
from pathlib import Path

from absl import logging

from system.errors import add_path_to_errors
from system.locks import try_to_own_file

# What to do if a run's folder cannot be written to: for a run that is there, and for a new one.
COPY_RUN = "copy the run to a folder that can be written to"
OTHER_RUN = "give another --out_name or --out_dir"
# Without locks, a temporary file that nobody has written to for this long counts as a leftover.
STALE_SECONDS = 3600
ASIDE = ".aside.tmp"  # ends the name of a folder that is being replaced
# The names that `create_temporary_path` and `replace_folder_with_draft` give.
TEMPORARY_NAME = re.compile(r"\.(\d+-[0-9a-f]{6}|[0-9a-f]{6}\.aside)\.tmp$")


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


def put_aside(path: Path) -> Path:
    """Renames a file or folder to its first free name: seed_0.1, seed_0.2 ... or card.1.json ..."""
    aside = find_free_name(path)
    os.replace(path, aside)
    return aside


def keep_copy_aside(path: Path) -> Path:
    """Copies a file to a free name, before it is replaced; returns the copy."""
    copy = find_free_name(path)
    link_or_copy(path, copy)
    return copy


def expand_home(path: str) -> Path:
    """The path with its ~ replaced. Of an unknown user it stays, where Path's own method raises."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def link_or_copy(path: Path, copy: Path) -> None:
    """Makes `copy` the same file as `path`, or, where links fail, one with the same content.

    It appears whole. A symbolic link is copied as one. If `copy` exists, raises FileExistsError and
    leaves it unchanged.
    """
    try:
        os.link(path, copy, follow_symlinks=False)
        return
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links, or another user's file
        if path.is_symlink():
            shutil.copy2(path, copy, follow_symlinks=False)
            return

    with create_temporary_path(copy) as draft:
        shutil.copy2(path, draft)
        os.replace(draft, copy)


def find_free_name(path: Path) -> Path:
    """The first unused name beside `path`: seed_0.1 ..., or for a file card.1.json ..."""
    stem, suffix = (path.name, "") if path.is_dir() else (path.stem, path.suffix)
    names = (path.with_name(f"{stem}.{number}{suffix}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def replace_folder_with_draft(draft: Path, path: Path) -> None:
    """Replaces the folder `path` with `draft`; if that fails, `path` stays as it was."""
    aside = path.with_name(f"{path.name}.{os.urandom(3).hex()}{ASIDE}")
    with try_to_own_file(path):
        os.replace(path, aside)
        try:
            os.replace(draft, path)
        finally:
            if path.exists():
                _remove_folder_put_aside(aside, path)
            else:
                os.replace(aside, path)


def check_folder_writable(folder: Path, remedy: str) -> None:
    """Raises ValueError if `folder` cannot be written or created: better now than after the work.

    remedy: what else the user may do, beginning with a verb.
    """
    existing = _find_existing_place(folder)
    if not existing.is_dir():
        raise ValueError(
            f"{folder} must be a folder. Received: a file, {existing}. Move it away, or {remedy}."
        )
    if not os.access(existing, os.W_OK):
        raise ValueError(
            f"{folder} must be writable. Received: {existing}, which is read-only. "
            f"{remedy[0].upper()}{remedy[1:]}."
        )


def check_disk_room(folder: Path, needed: int, purpose: str) -> None:
    """Raises OSError when the disk of `folder`, which may not exist yet, lacks `needed` bytes.

    Call it before the work, so that hours of it are not lost to a disk that fills up. purpose: what
    the bytes are for, in words.
    """
    free = shutil.disk_usage(_find_existing_place(folder)).free
    if free >= needed:
        return

    reason = f"{needed / 1e9:.2f} GB are needed for {purpose}, only {free / 1e9:.2f} GB are free"
    raise OSError(errno.ENOSPC, reason, os.fspath(folder))


def _find_existing_place(folder: Path) -> Path:
    """`folder`, or the innermost place above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


@contextlib.contextmanager
def create_temporary_path(path: Path, *, folder: bool = False):
    """Yields a new file or folder beside `path`, which the block fills and renames to `path`.

    If the block does not rename it, it is removed afterwards. Until then this process owns it, and
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
    The user's own .tmp files stay: only names in this program's form count.
    """
    for path in folder.glob("*.tmp"):
        if not TEMPORARY_NAME.search(path.name):
            continue
        # An OSError means that another process was faster.
        with contextlib.suppress(OSError), try_to_own_file(path) as is_mine:
            if is_mine or (is_mine is None and _is_stale_temporary(path)):
                _remove_temporary_or_bring_back(path)


def _create_temporary_beside(path: Path, *, folder: bool) -> Path:
    """Creates an empty file or folder in the folder of `path`."""
    draft = _name_temporary_beside(path)
    try:
        if folder:
            draft.mkdir(parents=True)
        else:
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        if error.filename == os.fspath(draft):  # a name that says nothing to the user
            error.filename = os.fspath(path)
        raise
    return draft


def _name_temporary_beside(path: Path) -> Path:
    """<name>.<process>-<random>.tmp"""
    return path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(3).hex()}.tmp")


def _remove_folder_put_aside(aside: Path, path: Path) -> None:
    """Removes a folder that was replaced at `path`.

    It first gets a temporary name: after a kill, it will be removed, not brought back.
    """
    draft = _name_temporary_beside(path)
    os.replace(aside, draft)
    shutil.rmtree(draft, ignore_errors=True)


def _remove_temporary_or_bring_back(path: Path) -> None:
    """Removes a temporary file or folder. One that was moved aside gets its name back.

    If that name is taken, the folder may still be needed: it gets a free name.
    """
    if path.name.endswith(ASIDE):
        _bring_back_folder_put_aside(path)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _bring_back_folder_put_aside(aside: Path) -> None:
    original = aside.with_name(aside.name.removesuffix(ASIDE).rpartition(".")[0])
    if os.path.lexists(original):
        original = find_free_name(original)
        logging.info("%s was restored after an interrupted start.", original)
    os.replace(aside, original)


def _is_stale_temporary(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > STALE_SECONDS
