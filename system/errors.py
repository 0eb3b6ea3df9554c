"""System errors that name the file they concern."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def add_path_to_errors(path: Path):
    """An OSError in the block that names no file, as that of a full disk, gets `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise
