"""System errors that name the file they concern."""

import contextlib
import errno
import os
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a quota, a limit set by the shell


@contextlib.contextmanager
def add_path_to_errors(path: Path):
    """Adds `path` to an OSError in the block that names no file, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise


@contextlib.contextmanager
def pass_over_full_disk():
    """Leaves the block silently if the disk is full, for files not worth stopping for."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
