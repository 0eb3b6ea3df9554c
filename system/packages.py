"""Error messages for a missing package. Imports only the standard library."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ((3, 11), (3, 13))  # the oldest and the newest that requirements.txt supports


def end_without_package(error: ModuleNotFoundError) -> None:
    """Ends the program with one line that says what to install or to activate.

    Raises `error` again when the missing module is one of our own.
    """
    package = (error.name or "").split(".")[0]
    if not package or (ROOT / package).exists() or (ROOT / f"{package}.py").exists():
        raise error
    sys.exit(f"error: {explain_missing_package(package)}")


def explain_missing_package(package: str) -> str:
    """One line: what is missing, in which Python, and the command that helps."""
    told = f"{package} is not installed for {sys.executable}."
    oldest, newest = PYTHONS
    if not oldest <= sys.version_info[:2] <= newest:
        needed = " to ".join(".".join(map(str, version)) for version in PYTHONS)
        told += f" Python {needed} is needed; this is {sys.version.split()[0]}."
    root = Path() if Path.cwd() == ROOT else ROOT
    return f"{told} {suggest_installation(root, in_venv=sys.prefix != sys.base_prefix)}"


def suggest_installation(root: Path, *, in_venv: bool) -> str:
    """The command to type: activates the clone's own environment, or else installs into one."""
    if in_venv:
        return f"Install it: pip install -r {root / 'requirements.txt'}"
    posix, windows = (root / ".venv" / folder / "activate" for folder in ("bin", "Scripts"))
    if posix.is_file():
        return f"Activate the environment: source {posix}"
    if windows.is_file():
        return f"Activate the environment: {windows}"
    make = "make" if root == Path() else f"make -C {root}"
    return f"Install everything into .venv: {make} install. Then: source {posix}"


def explain_missing_extra(purpose: str, package: str, requirements: str) -> str:
    """One line: what `purpose` needs, and the command that installs it.

    requirements: the file that lists the packages, in the root of the code.
    """
    root = Path() if Path.cwd() == ROOT else ROOT
    return (
        f"{purpose} needs the package {package}. Received: it is not installed for "
        f"{sys.executable}. Install it: pip install -r {root / requirements}"
    )
