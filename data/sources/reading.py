"""Helpers for reading files that hold a whole dataset: one-line errors and fingerprints."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from data import limits
from data.sources.source import fingerprint_dataset_file
from system.text import escape_unprintable


@contextlib.contextmanager
def explain_damaged_dataset(path: Path, kind: str):
    """Turns whatever reading raises into a ValueError that names `path`.

    kind: what the file should hold. An OSError from the system, such as one about permissions,
    stays as it is.
    """
    try:
        yield
    except Exception as error:  # libraries raise nearly anything on damaged files
        if isinstance(error, OSError) and error.errno:
            raise
        raise ValueError(
            f"{path} must hold {kind} and be undamaged. Received: {shorten_library_error(error)}. "
            "Fetch it or save it again."
        ) from error


def shorten_library_error(error: Exception) -> str:
    """The first line of an error that is not empty, without a full stop at its end."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next(filter(None, lines), type(error).__name__)
    return escape_unprintable(line)[: limits.MAX_REASON_CHARACTERS].rstrip(".")


def fingerprint_dataset_files(paths: Sequence[Path]) -> str:
    """Like `fingerprint_dataset_file`, for several files and their names."""
    lines = (f"{path.name} {fingerprint_dataset_file(path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
