"""Reads the settings that runs have stored, of those with a checkpoint and of those without."""

import contextlib
import dataclasses
from pathlib import Path

from config.settings import Config
from config.stored import change_settings, derive_out_settings_of_folder, read_config_as_written
from runs.away import check_checkpoints_are_not_away
from runs.checkpoint_files import list_checkpoints_to_continue


def read_run(run_dir: Path, checkpoint_dir: str | None = None) -> Config | None:
    """The settings, as stored, of a run that has a checkpoint, if only in best/; else None.

    checkpoint_dir: where the user says that its checkpoints are now. Raises ValueError when the
    settings are unreadable, or the checkpoints elsewhere: see `runs.away`.
    """
    stored = read_run_settings(run_dir)
    if stored is None:
        return None
    now = dataclasses.replace(stored, checkpoint_dir=checkpoint_dir or stored.checkpoint_dir)
    check_checkpoints_are_not_away(stored, now.checkpoint_path)
    return stored if any(map(list_checkpoints_to_continue, (now, stored))) else None


def read_run_settings(run_dir: Path) -> Config | None:
    """A run's settings, whether or not it has a checkpoint; None where there are no settings.

    Raises ValueError when they are unreadable.
    """
    path = run_dir / "config.json"
    if not path.is_file():
        return None

    # What matters is where the run is now, not where it was when its settings were written.
    return change_settings(read_config_as_written(path), derive_out_settings_of_folder(run_dir))


def read_all_runs(out_dir: Path) -> dict[str, Config]:
    """Every trained run in out_dir by its folder's name."""
    found = {}
    for path in sorted(out_dir.glob("*/config.json")):
        with contextlib.suppress(ValueError):  # a damaged run must not hide the others
            if run := read_run(path.parent):
                found[run.name] = run
    return found


def read_away_runs(out_dir: Path) -> dict[str, Config]:
    """Every run in out_dir whose checkpoints are elsewhere (see `runs.away`), by its folder's name.

    Neither `read_all_runs` nor `read_begun_runs` has it.
    """
    found = {}
    for path in sorted(out_dir.glob("*/config.json")):
        with contextlib.suppress(ValueError):  # damaged
            stored = read_run_settings(path.parent)
            try:
                check_checkpoints_are_not_away(stored, stored.checkpoint_path)
            except ValueError:
                found[stored.name] = stored
    return found


def read_begun_runs(out_dir: Path) -> dict[str, Config]:
    """Every run in out_dir that has no checkpoint, by its folder's name."""
    found = {}
    for path in sorted(out_dir.glob("*/config.json")):
        with contextlib.suppress(ValueError):  # damaged, or its checkpoints are away
            if read_run(path.parent) is None:
                found[path.parent.name] = read_run_settings(path.parent)
    return found
