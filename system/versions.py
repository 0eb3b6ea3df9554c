"""The versions of this program and its libraries, for the record of a run."""

import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path

LIBRARIES = ("tensorflow", "keras", "numpy")
CODE = Path(__file__).resolve().parents[1]


@functools.cache
def find_program_versions() -> dict[str, str | None]:
    """The versions of Python and of the libraries, and the commit of this code, if git knows it."""
    libraries = {name: _find_version_of_library(name) for name in LIBRARIES}
    return {
        "python": platform.python_version(),
        **libraries,
        "git commit": _find_git_commit_of_code(),
    }


def _find_version_of_library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # installed under another name, such as tensorflow-cpu
        return None


def _find_git_commit_of_code() -> str | None:
    if not (CODE / ".git").exists():  # in another repository, perhaps
        return None
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=CODE, capture_output=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.decode().strip()
