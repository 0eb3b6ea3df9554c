"""Finds the run that a path in the settings leads to: --out_dir RUN, --out_name path/RUN."""

import contextlib
import os
from pathlib import Path

from config.settings import Config
from config.stored import derive_out_settings_of_folder, is_run_folder


def point_settings_to_run_folder(given: dict) -> dict:
    """`given` (name -> value), with the out_dir and out_name of the run that a path in it leads to.

    A run at out_dir/out_name comes first. If no run is found, nothing changes.
    """
    out_dir, name = given.get("out_dir", Config.out_dir), given.get("out_name") or ""
    if not isinstance(out_dir, str) or not isinstance(name, str):
        return given  # the checks report it

    with contextlib.suppress(OSError, RuntimeError, ValueError):  # not a path: the checks report it
        is_given = "out_dir" in given
        for folder in _list_folders_meant(Path(out_dir).expanduser(), name, is_given=is_given):
            if is_run_folder(folder):
                return given | derive_out_settings_of_folder(folder)
    return given


def _list_folders_meant(out_dir: Path, name: str, *, is_given: bool) -> list[Path]:
    """The folders besides out_dir/name that may be the run, the likeliest first.

    is_given: whether the user gave out_dir. If so, a run there is meant, even if it holds others,
    such as a backup of itself.
    """
    if os.sep in name:
        return [Path(name).expanduser(), out_dir / name]
    if name:
        return [] if is_run_folder(out_dir / name) or out_dir.name != name else [out_dir]
    return [out_dir] if is_given or not _holds_runs(out_dir) else []


def list_runs_inside(folder: Path) -> list[Path]:
    """The runs in a folder that is no run itself, as where one was moved into it by mistake."""
    with contextlib.suppress(OSError, ValueError):  # not readable, or not a path
        if not any((folder / name).exists() for name in ("config.json", Config.checkpoint_dir)):
            return [path for path in sorted(folder.glob("*/")) if is_run_folder(path)]
    return []


def _holds_runs(folder: Path) -> bool:
    return folder.is_dir() and any(map(is_run_folder, folder.iterdir()))
