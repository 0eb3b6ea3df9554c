"""Locks that say who owns a run, a pack or a temporary file.

The operating system releases a lock when its process ends, however that happens. Where a file
system has no locks, the process named in a lock file counts as its owner for as long as it runs.
"""

import contextlib
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

from absl import logging

from system.errors import add_path_to_errors, pass_over_full_disk

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

POLL_SECONDS = 0.2
HOLDER = re.compile(r"process \d+ on ")  # how a lock file begins
MAX_HOLDER = 200  # characters of a lock file that are shown
HELD_BY_THREAD = threading.local()  # the locks of runs that each thread has


class Held(NamedTuple):
    """A lock that a thread has: its file's descriptor, the folder, and its status at that time.

    path: absolute, but with its symbolic links, which may change meanwhile.
    """

    descriptor: int
    path: Path
    folder: os.stat_result


@contextlib.contextmanager
def lock_folder(folder: Path, *others: Path):
    """Within the block only this thread may change the run in `folder`, which need not exist yet.

    others: folders elsewhere that the run writes to. Raises ValueError, with the process id and the
    host, when another process has locked one of them; also when a file called lock there is not
    this program's. `folder`/lock holds the id and the host; it is removed after the block. A lock
    left by a killed process is taken over. Nested blocks in the same thread change nothing.
    """
    with contextlib.ExitStack() as stack:
        for place in dict.fromkeys((folder, *others)):
            stack.enter_context(_lock_folder_once_per_thread(place, is_run=place == folder))
        yield


@contextlib.contextmanager
def _lock_folder_once_per_thread(folder: Path, *, is_run: bool):
    """Locks one folder for the block; does nothing if this thread has locked it already."""
    held = _get_locks_of_thread()
    key = (os.getpid(), folder.resolve())  # a forked process holds none
    if key in held:
        yield
        return

    with _lock_one_folder(folder, is_run=is_run) as descriptor:
        held[key] = Held(descriptor, folder.absolute(), folder.stat())
        try:
            yield
        finally:
            place = _find_held_folder(held.pop(key))
            if place not in (None, key[1]):
                (place / "lock").unlink(missing_ok=True)


def _get_locks_of_thread() -> dict[tuple[int, Path], Held]:
    """(process, folder) -> lock, for each one that this thread has."""
    if not hasattr(HELD_BY_THREAD, "locks"):
        HELD_BY_THREAD.locks = {}
    return HELD_BY_THREAD.locks


def _find_lock_of_thread(folder: Path) -> Held:
    """The lock that this thread has on a folder, by the path that it was locked by."""
    locks = _get_locks_of_thread().values()
    return next(held for held in locks if held.path == folder.absolute())


def locked_folder_is_in_place(folder: Path) -> bool:
    """Whether a folder that this thread has locked is where it was, not renamed or removed."""
    held = _find_lock_of_thread(folder)
    # Some network drives number files anew all the time: there the lock's text must do.
    return _is_same_folder(folder, held) or _read_lock_holder(folder / "lock") == _name_process()


def find_locked_folder(folder: Path) -> Path | None:
    """Where a folder that this thread has locked was moved to; None if it is gone, or not known."""
    return _find_held_folder(_find_lock_of_thread(folder))


def _find_held_folder(held: Held) -> Path | None:
    with contextlib.suppress(OSError):  # only Linux can tell
        place = Path(os.readlink(f"/proc/self/fd/{held.descriptor}")).parent  # noqa: PTH115
        return place if _is_same_folder(place, held) else None
    return None


def _is_same_folder(folder: Path, held: Held) -> bool:
    try:
        return os.path.samestat(folder.stat(), held.folder)
    except OSError:
        return False


@contextlib.contextmanager
def _lock_one_folder(folder: Path, *, is_run: bool):
    """Locks one folder for the block, and yields the descriptor of its lock file."""
    new_folders = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    path = folder / "lock"
    if is_run and _holds_only_lock_of_program(folder):
        new_folders = [folder]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open_and_lock_file(path)
    except OSError:
        _remove_empty_folders(new_folders)
        raise
    if descriptor is None:
        holder = _read_lock_holder(path) or "another process"
        raise _make_locked_folder_error(folder, holder, is_run=is_run)

    _check_lock_is_of_program(path, descriptor)
    try:
        _warn_of_lock_from_other_host(_read_lock_holder(path), folder)
        # The disk of a folder elsewhere may be full: training is worth more than its pictures.
        with contextlib.nullcontext() if is_run else pass_over_full_disk():
            _write_lock_holder(descriptor, path)
        yield descriptor
    finally:
        _remove_and_unlock_file(path, descriptor)
        _remove_empty_folders(new_folders)  # a run that never began leaves no folder


def _holds_only_lock_of_program(folder: Path) -> bool:
    """Whether another process made a run's folder, and was killed before the run began."""
    with contextlib.suppress(OSError):
        names = [path.name for path in folder.iterdir()]
        return names == ["lock"] and bool(HOLDER.match(_read_lock_holder(folder / "lock")))
    return False


def _check_lock_is_of_program(path: Path, descriptor: int) -> None:
    """Raises ValueError, and closes the file, when a user's own file has the lock's name."""
    holder = _read_lock_holder(path)
    if holder.strip("\0") and not HOLDER.match(holder):
        os.close(descriptor)
        raise ValueError(
            f"{path} must be this program's lock. Received: another file. "
            "Move it away, or start another run with --out_name=NAME."
        )


def _make_locked_folder_error(folder: Path, holder: str, *, is_run: bool) -> ValueError:
    is_ours = holder == _name_process()
    user = "another thread of this process" if is_ours else holder
    if not is_run:  # this process has locked its own run by now
        return ValueError(
            f"Only one run may use a folder. Received: {folder} is in use by {user}, for another "
            "run. Give another folder."
        )
    return ValueError(
        f"Only one {'thread' if is_ours else 'process'} at a time may change a run. Received: "
        f"{folder} is in use by {user}. Wait for it{'' if is_ours else ' or stop it'}, or start "
        "another run with --out_name=NAME."
    )


def find_lock_holder(folder: Path) -> str:
    """Who holds a folder's lock, "process 12 on host"; "" if nobody does. Changes nothing."""
    path = folder / "lock"
    if not path.is_file():
        return ""
    with try_to_own_file(path) as is_owned:
        holder = _read_lock_holder(path)
        if is_owned is None:
            return holder if _lock_holder_may_still_run(holder) else ""
    return holder or "another process" if not is_owned and path.exists() else ""


@contextlib.contextmanager
def wait_for_file_lock(path: Path, message: str):
    """Locks the file `path` for the block. If it has to wait, it logs `message` once."""
    descriptor = _open_and_lock_file(path)
    if descriptor is None:
        logging.info("%s", message)
    while descriptor is None:
        time.sleep(POLL_SECONDS)
        descriptor = _open_and_lock_file(path)

    try:
        _write_lock_holder(descriptor, path)
        yield
    finally:
        _remove_and_unlock_file(path, descriptor)


@contextlib.contextmanager
def try_to_own_file(path: Path):
    """Locks a file or folder for the block, and yields whether this process owns it now.

    False: another process owns it, or has removed it. None: the file system has no locks.
    """
    if fcntl is None:
        yield None
        return

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return

    try:
        locked = _try_file_lock(descriptor)
        yield locked and _is_same_locked_file(path, descriptor)
    finally:
        os.close(descriptor)


def _open_and_lock_file(path: Path) -> int | None:
    """A descriptor of `path` that holds its lock, or None when another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _try_file_lock(descriptor)
        if locked is None:
            locked = not _lock_holder_may_still_run(_read_lock_holder(path))

        if not locked:
            os.close(descriptor)
            return None
        if _is_same_locked_file(path, descriptor):
            return descriptor
        # Its owner removed it after we opened it and before we locked it: open the new one.
        os.close(descriptor)


def _try_file_lock(descriptor: int) -> bool | None:
    """True: locked until closed. False: another process has the lock. None: no locks exist here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):
        return None
    return True


def _remove_and_unlock_file(path: Path, descriptor: int) -> None:
    """Removes a lock file while nobody else can lock it, and releases its lock."""
    if fcntl is None:
        os.close(descriptor)  # first, as Windows cannot remove an open file
        path.unlink(missing_ok=True)
        return

    if _is_same_locked_file(path, descriptor):  # the folder may have moved, with the file in it
        path.unlink(missing_ok=True)
    os.close(descriptor)


def _remove_empty_folders(folders: list[Path]) -> None:
    """Removes those folders that are empty, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _is_same_locked_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write_lock_holder(descriptor: int, path: Path) -> None:
    os.truncate(descriptor, 0)
    with add_path_to_errors(path):
        os.write(descriptor, _name_process().encode())


def _name_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _read_lock_holder(path: Path) -> str:
    """What a lock file says about its owner, "process 12 on host"; "" if it is unreadable."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:MAX_HOLDER]
    except OSError:
        return ""


def _warn_of_lock_from_other_host(holder: str, folder: Path) -> None:
    """Warns when a lock is taken over from another host, whose locks may not be visible here."""
    if holder and not holder.endswith(f" on {socket.gethostname()}"):
        logging.warning(
            "%s did not finish its work on %s; if it is still running on that host, stop it.",
            holder,
            folder,
        )


def _lock_holder_may_still_run(holder: str) -> bool:
    """Whether `holder`, "process 12 on host", may still be running. True for another host."""
    words = holder.split()
    if len(words) != 4 or not words[1].isdecimal():
        return False

    process, host = int(words[1]), words[3]
    if host != socket.gethostname():  # nobody can tell
        return True
    if process == os.getpid():
        return False

    try:
        os.kill(process, 0)  # asks whether it exists
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
