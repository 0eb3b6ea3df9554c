"""Who owns a run, a pack or a temporary file: locks that the system releases however their process ends."""

import contextlib
import os
import socket
import time
from pathlib import Path

from absl import logging

try:
    import fcntl
except ImportError:  # Windows, which also renames and removes nothing that is open
    fcntl = None

POLL_SECONDS = 0.2


@contextlib.contextmanager
def run_lock(folder: Path):
    """Within the block this process alone may change the run in `folder`, which is made if need be.

    Raises ValueError with the other's process id and host when another has it. `folder`/lock, which holds both, goes
    with the block; one that a killed process left is taken over.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    descriptor = _open_locked(path)
    try:
        if descriptor is None:
            raise ValueError(
                f"One process at a time may change a run. Received: {folder} is in use by {_holder(path)}. "
                "Wait for it or stop it, or start another run with --out_name=NAME."
            )
        left = _holder(path, "")
        if left and not left.endswith(f" on {socket.gethostname()}"):
            logging.warning(
                "%s did not end its work on %s; if it still runs there, stop it.", left, folder
            )
        _sign(descriptor, path)
        yield
    finally:
        if descriptor is not None:
            _release(path, descriptor)
            with contextlib.suppress(
                OSError
            ):  # a run that never began leaves no folder; others are not empty
                for place in made:
                    place.rmdir()


@contextlib.contextmanager
def waited_for(path: Path, message: str):
    """Within the block this process has the lock file `path`; `message` is logged once when it has to wait for it."""
    descriptor = _open_locked(path)
    if descriptor is None:
        logging.info("%s", message)
    while descriptor is None:
        time.sleep(POLL_SECONDS)
        descriptor = _open_locked(path)
    try:
        _sign(descriptor, path)
        yield
    finally:
        _release(path, descriptor)


@contextlib.contextmanager
def owned(place: Path):
    """Locks a file or folder within the block and yields True; False when another process has it, or has removed it;
    None where there are no locks.
    """
    if fcntl is None:
        yield None
        return
    try:
        descriptor = os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        locked = _try_lock(descriptor)
        yield locked and _same_file(place, descriptor)
    finally:
        os.close(descriptor)


def _open_locked(path: Path) -> int | None:
    """A descriptor of `path` that holds its lock, or None when another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _try_lock(descriptor)
        if locked is None:  # no locks here: the name in it must do
            locked = not _lives(_holder(path, ""))
        if not locked:
            os.close(descriptor)
            return None
        if _same_file(path, descriptor):
            return descriptor
        os.close(
            descriptor
        )  # its owner removed it between our opening and our locking: open the new one


def _release(path: Path, descriptor: int) -> None:
    """Removes a lock file while its lock is held, or where that cannot be, at once afterwards."""
    if fcntl is None:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    if fcntl is not None:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """True: locked until it is closed. False: another process has it. None: this file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):
        return None
    return True


def _sign(descriptor: int, path: Path) -> None:
    os.truncate(descriptor, 0)
    with named(path):
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())


@contextlib.contextmanager
def named(path: Path):
    """An OSError in the block that has no file name, as that of a full disk, gets the one of `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(path: Path, unknown: str = "another process") -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:200] or unknown
    except OSError:
        return unknown


def _lives(holder: str) -> bool:
    """True when `holder`, "process 12 on host", may still run; on another host nobody can tell."""
    words = holder.split()
    if len(words) != 4 or not words[1].isdecimal():
        return False
    if words[3] != socket.gethostname():
        return True
    if int(words[1]) == os.getpid():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
