"""The versions of this program and its libraries, for the record of a run."""

import functools
import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path

LIBRARIES = ("tensorflow", "keras", "numpy")
CODE = Path(__file__).resolve().parents[1]


@functools.cache
def find_program_versions() -> dict[str, str | None]:
    """The versions of Python and of the libraries, and the commit of this code, if git knows it."""
    return find_library_versions() | {"git commit": _find_git_commit_of_code()}


def find_library_versions() -> dict[str, str | None]:
    """The versions of Python and of the libraries."""
    libraries = {name: _find_version_of_library(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **libraries}


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


def fingerprint_program() -> str:
    """Of the source code, which may be a copy without git, or changed since the last commit.

    Of its folders, but not of those within them, among which are datasets.
    """
    packages = (path.parent for path in sorted(CODE.glob("*/__init__.py")))
    digest = hashlib.sha256()
    for path in (each for folder in (CODE, *packages) for each in sorted(folder.glob("*.py"))):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(CODE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()
