"""Checks that a new run is what the user wants: a slip may have hidden the run that was meant."""

import shlex
from pathlib import Path

from absl import logging

from config.settings import Config
from config.stored import derive_out_settings_of_folder, is_run_folder
from runs.not_found import (
    check_no_run_inside_is_meant,
    dataset_may_be_of_run,
    describe_runs_inside,
    explain_mistyped_run,
)
from runs.place import list_runs_inside
from runs.progress import read_run_settings_before_flags
from runs.read import read_all_runs, read_away_runs
from system.text import join_names_for_error


def check_new_run_is_wanted(fresh: Config, given: dict) -> None:
    """Raises ValueError if the user may have meant another run than the new run `fresh`.

    given: name -> value, as the user gave them. Logs on which dataset a new run trains if only its
    name was given, and if it is inside another run, or around one on another dataset.
    """
    _check_run_is_not_mistyped(fresh, given)
    _announce_default_dataset(fresh, given)
    _check_no_other_run_is_meant(fresh, given)


def _check_run_is_not_mistyped(fresh: Config, given: dict) -> None:
    """Raises ValueError for a new run without --dataset, if its name is nearly another run's.

    It would train on the default dataset although the user meant to continue. Runs on that dataset
    do not count, because similar names are common among them. For --out_dir they count, because
    it can only lead to existing runs.
    """
    is_named = bool(given.get("out_name"))
    if is_named and (fresh.run_dir / "config.json").is_file():
        return
    typed = fresh.run_dir if is_named else fresh.run_dir.parent
    if "dataset" in given or not (is_named or ("out_dir" in given and not typed.is_dir())):
        return
    runs = read_all_runs(typed.parent) | read_away_runs(typed.parent)
    if is_named:
        _check_run_has_no_other_name_now(typed, [*runs.values()])
        runs = {name: run for name, run in runs.items() if run.dataset != fresh.dataset}
    if mistake := explain_mistyped_run(typed, runs):
        raise ValueError(mistake)


def _check_run_has_no_other_name_now(typed: Path, runs: list[Config]) -> None:
    """Raises ValueError if one of `runs` was called as `typed`, a new run, is."""
    for run in runs:
        if read_run_settings_before_flags(run).name == typed.name != run.name:
            raise ValueError(
                f"There is no run {typed}. Did you mean {run.run_dir}, which was {typed.name} when "
                "it was last trained? A new run needs --dataset=NAME."
            )


def _announce_default_dataset(fresh: Config, given: dict) -> None:
    """Says which dataset a new run without --dataset trains on: its name may be mistyped."""
    if given.get("out_name") and "dataset" not in given and not fresh.run_dir.exists():
        text = "%s is a new run on %s, the default of --dataset."
        logging.info(text, fresh.run_dir, fresh.dataset)


def _check_no_other_run_is_meant(fresh: Config, given: dict) -> None:
    """Raises ValueError if the user may have meant one of the runs beside or inside `fresh`."""
    warn_of_new_run_inside_another(fresh.run_dir)
    check_no_run_inside_is_meant(fresh, lambda run: dataset_may_be_of_run(run, fresh.dataset))
    if inside := list_runs_inside(fresh.run_dir):
        told = describe_runs_inside(fresh.run_dir, inside)
        logging.warning("%s This is a new run.", told)
    if "dataset" in given or "out_dir" not in given or given.get("out_name"):
        return
    if (fresh.run_dir / "config.json").is_file():  # it was begun, by this command
        return
    place = fresh.run_dir.parent
    if names := sorted(read_all_runs(place) | read_away_runs(place)):
        one, name = ("it", shlex.quote(names[0])) if len(names) == 1 else ("one", "NAME")
        count = "one run" if len(names) == 1 else f"{len(names)} runs"
        raise ValueError(
            f"{place} has {count}: {join_names_for_error(names)}. To continue {one}, add "
            f"--out_name={name}; for a new run, --dataset={fresh.dataset}."
        )


def warn_of_new_run_inside_another(run_dir: Path, *, in_python: bool = False) -> None:
    """in_python: whether the warning should say how a Config continues the other run."""
    if not is_run_folder(run_dir.parent):
        return
    remedy = ""
    if in_python:
        outer = derive_out_settings_of_folder(run_dir.parent)
        settings = f"out_dir={outer['out_dir']!r}, out_name={outer['out_name']!r}"
        remedy = f"; to continue that one, use Config({settings})"
    logging.warning("%s is a new run inside another run's folder%s.", run_dir, remedy)
