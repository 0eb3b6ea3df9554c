"""Error messages for when no run, or more than one, fits the command line."""

import contextlib
import difflib
from collections.abc import Callable
from pathlib import Path

from config.catalog import DIGITS
from config.settings import (
    FROM_ARRAY,
    MAX_COUNT,
    NETWORK_SETTINGS,
    Config,
    is_same_dataset_setting,
    name_folder_after_dataset_setting,
)
from config.stored import is_run_folder
from runs.commands import spell_command_for_run
from runs.history import describe_earlier_training, was_stopped_before_first_checkpoint
from runs.place import list_runs_inside
from runs.progress import list_epoch_sizes, read_run_settings_before_flags
from runs.read import read_run_settings
from system.locks import find_lock_holder
from system.text import join_names_for_error, quote_for_error

RUNS_LISTED = 10  # in an error
NAMES_ALIKE = 0.8  # similarity, at most 1: allows a typo or two in ten letters


def list_runs_that_fit(runs: dict[str, Config], wanted: Config, given: dict) -> list[Config]:
    """Those of `runs` that have the dataset and the networks that were `given` (name -> value).

    If --dataset is exactly where the images of some are, others with images of that name are not
    meant.
    """
    fits = [run for run in runs.values() if _run_fits_request(run, wanted, given)]
    exact = [run for run in fits if is_place_of_run(run, wanted.dataset)]
    return exact if exact and "dataset" in given else fits


def _run_fits_request(run: Config, wanted: Config, given: dict) -> bool:
    return _run_fits_given_dataset(run, wanted, given) and not _list_flags_unfit_for_run(
        run, wanted, given
    )


def _run_fits_given_dataset(run: Config, wanted: Config, given: dict) -> bool:
    return "dataset" not in given or dataset_may_be_of_run(run, wanted.dataset)


def dataset_may_be_of_run(run: Config, dataset: str) -> bool:
    """Whether --dataset may mean a trained run's images, which are not needed to draw from it.

    It may if it has the same spelling, the same path or the same name, now or when the run started.
    """
    if is_place_of_run(run, dataset):
        return True
    name = name_folder_after_dataset_setting(dataset).lower()
    return any(
        is_same_dataset_setting(known, dataset)
        or name == name_folder_after_dataset_setting(known).lower()
        for known in (run.dataset, "" if run.dataset == FROM_ARRAY else run.first_dataset)
        if known
    )


def is_place_of_run(run: Config, dataset: str) -> bool:
    """Whether --dataset, as a path, leads to the images that a run was trained on."""
    return str(Path(dataset).expanduser().resolve()) == run.dataset_place


def has_other_place(run: Config, dataset: str) -> bool:
    """Whether --dataset leads to a file or folder other than the one with the run's images."""
    if dataset == DIGITS.name:  # of no file, whatever a file is called
        return Path(run.dataset_place).is_absolute()
    path = Path(dataset).expanduser().resolve()
    return path.exists() and run.dataset_place not in ("", str(path))


def has_gone_place(run: Config) -> bool:
    """Whether the run's images are no longer where they were; never for those without a path."""
    place = Path(run.dataset_place)
    return place.is_absolute() and not place.exists()


def _list_flags_unfit_for_run(run: Config, wanted: Config, given: dict) -> list[str]:
    """The given flags that ask for networks of another shape than the run's."""
    asked = [name for name in NETWORK_SETTINGS if given.get(name) not in (None, "auto")]
    return [name for name in asked if getattr(run, name) != getattr(wanted, name)]


def suggest_label_flag_for_run(run: Config, given: dict) -> str:
    """One line for --labels=7 if --label=7 is meant, because the run has a label 7; else ""."""
    asked = str(given.get("labels", "")).strip()
    names = {name.lower() for name in run.label_names or ()}
    if asked == run.labels or asked.lower() not in names:
        return ""
    return (
        f"--labels says what a run is trained with: {run.run_dir} has {run.labels}. "
        f"Received: {asked}. To draw that label: --label={quote_for_error(asked)}."
    )


def explain_missing_run(wanted: Config, given: dict, runs: dict[str, Config]) -> str:
    """Why none of the `runs` beside `wanted` (name -> settings) is meant, and what to type."""
    place, is_named = wanted.run_dir.parent, bool(given.get("out_name"))
    if is_named and wanted.run_dir.is_dir():
        return explain_run_without_checkpoint(wanted)
    if runs:
        explain = _explain_unknown_run_name if is_named else _explain_which_runs_fit
        return explain(wanted, given, runs)
    if inside := [parent for parent in place.parents if is_run_folder(parent)]:
        meant = quote_for_error(str(inside[0]))
        return f"There is no run in {place}. Did you mean --out_dir={meant}?"
    if wanted.run_dir.is_dir():
        return explain_run_without_checkpoint(wanted)
    if not place.is_dir():
        return (
            f"There is no folder {place.resolve()}. Give --out_dir, the folder of your runs, or "
            "train a run first, with --train."
        )
    name = f" {wanted.out_name}" if is_named else ""
    return f"There is no trained run{name} in {place}. Add --train first."


def explain_run_without_checkpoint(wanted: Config) -> str:
    """For the folder of a run that has no checkpoint, or whose settings are missing."""
    has_settings = (wanted.run_dir / "config.json").is_file()
    if not has_settings and any(wanted.checkpoint_path.glob("step-*.index")):
        return (
            f"{wanted.run_dir} has checkpoints, but no config.json, which says how to draw from "
            "them. Add --train and the run's flags to write it again."
        )
    if holder := find_lock_holder(wanted.run_dir):
        told = f"{wanted.run_dir} has no checkpoint yet: {holder} is training it."
        return f"{told} {_say_when_first_checkpoint_comes(wanted)}"
    run = None
    with contextlib.suppress(ValueError):  # damaged, or another program's
        run = read_run_settings(wanted.run_dir)
    if run and was_stopped_before_first_checkpoint(run):
        return (
            f"{wanted.run_dir} was stopped before its first checkpoint. "
            f"{_say_how_to_train_again(run)}"
        )
    has_logs = any((wanted.run_dir / "logs").glob("*"))
    if run and has_logs and describe_earlier_training(run):
        return (
            f"{wanted.run_dir} has logs, but no checkpoint is left. If you moved them, add "
            "--checkpoint_dir=NEWPLACE; else restore them from a backup. --train would start over "
            "from step 0, and move the earlier files aside."
        )
    if inside := list_runs_inside(wanted.run_dir):
        return describe_runs_inside(wanted.run_dir, inside)
    return f"{wanted.run_dir} has no checkpoint. Add --train."


def describe_runs_inside(folder: Path, runs: list[Path]) -> str:
    """What `folder`, which is no run, holds, and how to get there: for `list_runs_inside`."""
    if len(runs) == 1:
        place = quote_for_error(str(runs[0]))
        return f"{folder} holds another run: {runs[0]}. To continue that: --out_dir={place}."
    names, place = join_names_for_error([run.name for run in runs]), quote_for_error(str(folder))
    return f"{folder} holds {len(runs)} runs: {names}. To list them: --runs --out_dir={place}."


def check_no_run_inside_is_meant(new: Config, is_meant: Callable[[Config], bool]) -> None:
    """Raises ValueError if the folder of the run `new` holds a run that `is_meant`."""
    meant = []
    for folder in list_runs_inside(new.run_dir):
        with contextlib.suppress(ValueError):  # damaged
            meant += [folder] if is_meant(read_run_settings(folder)) else []
    if meant:
        told = describe_runs_inside(new.run_dir, meant)
        raise ValueError(f"{told} For a new run, add another --out_name=NAME.")


def _say_how_to_train_again(run: Config) -> str:
    """How to do the steps again of a run that has no checkpoint yet. run: as stored."""
    if run.dataset == FROM_ARRAY:
        return "Call train() with the same settings and images to do its steps again."
    return f"To do its steps again: {spell_command_for_run(run, '--train')}"


def _say_when_first_checkpoint_comes(wanted: Config) -> str:
    """By the settings that the run has stored, as `wanted` may have other flags."""
    run = read_run_settings_before_flags(wanted)
    if run is wanted:
        return "Wait for its first one."
    sizes = list_epoch_sizes(run) or [(0, MAX_COUNT)]
    last = run.total_steps(sizes[-1][1])
    first = min(last, run.ckpt_freq, run.eval_freq or last)
    return f"The first one comes at step {first:,}, or when training is stopped."


def explain_mistyped_run(typed: Path, runs: dict[str, Config]) -> str:
    """One line if `typed`, a new run, has nearly the name of one of `runs` (by name); else ""."""
    nearest = difflib.get_close_matches(typed.name, runs, 1, cutoff=NAMES_ALIKE)
    if not nearest:
        return ""
    return (
        f"There is no run {typed}. Did you mean {runs[nearest[0]].run_dir}? "
        "A new run needs --dataset=NAME."
    )


def _explain_unknown_run_name(wanted: Config, _, runs: dict[str, Config]) -> str:
    place, name, names = wanted.run_dir.parent, wanted.out_name, [*runs]
    renamed = [
        run.name for run in runs.values() if read_run_settings_before_flags(run).name == name
    ]
    nearest = renamed or difflib.get_close_matches(name, names, 1)
    remedy = list_runs_to_pick(names)
    if nearest:
        remedy = f"Did you mean --out_name={quote_for_error(nearest[0])}?"
    return f"--out_name must be a trained run in {place}. Received: {name}. {remedy}"


def _explain_which_runs_fit(wanted: Config, given: dict, runs: dict[str, Config]) -> str:
    """For a command line that names no run: several fit, or none does."""
    place = wanted.run_dir.parent
    if fits := [run.name for run in list_runs_that_fit(runs, wanted, given)]:
        return f"{len(fits)} runs in {place} fit: {_list_names(fits)}. Add --out_name=NAME."

    alike = [run for run in runs.values() if _run_fits_given_dataset(run, wanted, given)]
    if not alike:
        if wanted.run_dir.is_dir() and find_lock_holder(wanted.run_dir):
            return explain_run_without_checkpoint(wanted)
        told = f"No run in {place} has the dataset {wanted.dataset}."
        return f"{told} {list_runs_to_pick([*runs])}"
    if len(alike) > 1:
        return f"No run in {place} fits all flags. {list_runs_to_pick([run.name for run in alike])}"
    return _explain_flag_unfit_for_run(alike[0], wanted, given)


def _explain_flag_unfit_for_run(run: Config, wanted: Config, given: dict) -> str:
    name = _list_flags_unfit_for_run(run, wanted, given)[0]
    return suggest_label_flag_for_run(run, given) or (
        f"{run.run_dir} was trained with --{name}={getattr(run, name)}. "
        f"Received: {getattr(wanted, name)}. Drop --{name}, or add --train for a new run."
    )


def list_runs_to_pick(names: list[str]) -> str:
    return f"Runs there: {_list_names(names)}; pick one with --out_name, or add --train."


def _list_names(names: list[str]) -> str:
    return ", ".join(sorted(names)[:RUNS_LISTED]) + (", ..." if len(names) > RUNS_LISTED else "")
