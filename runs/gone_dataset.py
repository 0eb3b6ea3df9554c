"""Error messages for a run whose images are gone, are not those of the command, or never were."""

import contextlib
import os
import shlex
from pathlib import Path

from config.catalog import NAMED_SETS
from config.settings import FROM_ARRAY, IMPORTED, Config, is_same_dataset_setting
from data.find import MissingDatasetError, NoImagesError
from data.labels import LabelsError
from runs.not_found import has_gone_place, has_other_place
from runs.read import read_all_runs, read_run
from system.text import quote_for_error


@contextlib.contextmanager
def explain_dataset_of_run(config: Config, *, is_typed: bool, are_labels_typed: bool = False):
    """Makes an error about missing images, or their labels, mention the run that it is about.

    is_typed: whether the user gave --dataset. If so, the error also says what is wrong with it.
    are_labels_typed: whether the user gave --labels. If so, another run must do without.
    """
    try:
        yield
    except (MissingDatasetError, NoImagesError) as error:
        if explained := _explain_images_of_run(error, config, is_typed=is_typed):
            raise explained from error
        raise
    except LabelsError as error:
        if explained := _explain_labels_of_run(config, are_typed=are_labels_typed):
            raise explained from error
        raise


def _explain_images_of_run(
    error: MissingDatasetError | NoImagesError, config: Config, *, is_typed: bool
) -> ValueError | None:
    run = read_run(config.run_dir, config.checkpoint_dir)
    is_missing = isinstance(error, MissingDatasetError)
    hint = (
        _mention_later_place_of_that_dataset(run, config)
        if run
        else _mention_runs_with_that_dataset(config)
    )
    if is_missing and hint:
        return type(error)(f"{str(error).rstrip()} {hint}")
    if run is None or run.dataset != config.dataset:
        return None
    if is_missing and run.dataset in NAMED_SETS and has_gone_place(run):
        name = Path(run.dataset_place).name
        return type(error)(
            f"{config.run_dir} was trained on {run.dataset_place}, which is gone. If {name} is "
            "in another folder now, add --data_dir=FOLDER; if it has another name, "
            f"--dataset=NEWPLACE --out_name={shlex.quote(run.name)}."
        )
    is_gone = is_missing or _is_empty_folder(Path(config.dataset_place or config.dataset))
    if not is_gone or run.dataset in NAMED_SETS:
        return None
    if is_typed:
        return type(error)(
            f"{str(error).rstrip()} {config.run_dir} was trained on {config.dataset}: if you have "
            "moved its images, give their new place as --dataset to continue that run."
        )
    return ValueError(_describe_gone_dataset(config, is_missing=is_missing))


def _explain_labels_of_run(config: Config, *, are_typed: bool) -> ValueError | None:
    run = read_run(config.run_dir, config.checkpoint_dir)
    if run is None or run.labels != config.labels:  # an experiment asks for labels of its own
        return None
    if run.dataset == FROM_ARRAY:
        return ValueError(
            f"{run.run_dir} was trained from Python, with labels. Received: {config.dataset}, "
            "without them. Continue from Python, or give images and labels in one .npz."
        )
    also = ", and drop --labels" if are_typed else ""
    if run.dataset == IMPORTED:
        needed = (
            "images and labels in one .npz" if run.labels == "own" else "images with such labels"
        )
        return ValueError(
            f"{run.run_dir} was imported with --labels={run.labels}. Received: {config.dataset}, "
            f"without such labels. Give {needed}, or start another run with --out_name=NAME{also}."
        )
    if not has_other_place(run, config.dataset):
        return None
    return ValueError(
        f"{run.run_dir} was trained on {run.dataset_place} with --labels={run.labels}. "
        f"Received: {config.dataset}, without such labels. For these images, start another run "
        f"with --out_name=NAME{also}."
    )


def _mention_runs_with_that_dataset(config: Config) -> str:
    """Where a run beside `config`, a new run, has or had the dataset of that name; "" if none.

    For a name that is not in data_dir; a path is in none. A run whose images are still there comes
    first.
    """
    if os.sep in config.dataset:
        return ""
    runs = [
        run
        for run in read_all_runs(config.run_dir.parent).values()
        if is_same_dataset_setting(run.dataset, config.dataset)
        and Path(run.dataset_place).is_absolute()
    ]
    for run in sorted(runs, key=has_gone_place):
        if has_gone_place(run):
            return (
                f"{run.run_dir} had its images in {run.dataset_place}, which is gone. If they have "
                "moved, add --data_dir=FOLDER."
            )
        place = Path(run.data_dir).expanduser().resolve()
        if place in Path(run.dataset_place).parents:
            flag = f"--data_dir={quote_for_error(str(place))}"
            return f"{run.run_dir} has its images in {run.dataset_place}: add {flag}."
    return ""


def _mention_later_place_of_that_dataset(run: Config, config: Config) -> str:
    """Where a run that began with the dataset of `config` has its images now; "" if unknown."""
    if run.dataset == config.dataset or not is_same_dataset_setting(
        run.first_dataset, config.dataset
    ):
        return ""
    place = Path(run.dataset_place)
    if not place.is_absolute() or not place.exists():
        return ""
    flags = f"--dataset={quote_for_error(str(place))} --out_name={shlex.quote(run.name)}"
    return f"{run.run_dir} has its images in {place}: add {flags}."


def _is_empty_folder(path: Path) -> bool:
    """Whether `path` is an empty folder, such as the mount point of an unmounted disk."""
    return path.is_dir() and not any(path.iterdir())


def _describe_gone_dataset(config: Config, *, is_missing: bool) -> str:
    named = f"{config.run_dir / 'config.json'} names"
    place = config.dataset_place or config.dataset
    if is_missing and Path(place).exists():  # the path in config.json is relative
        return (
            f"{named} {config.dataset}, which does not exist in {Path.cwd()}. "
            f"Add --dataset={quote_for_error(place)}, where the images were."
        )
    return (
        f"{named} {place}, where there are no longer any images. "
        "If they have moved, add --dataset=NEWPLACE."
    )


def check_run_knows_its_dataset(config: Config) -> None:
    """Raises ValueError for an imported run, or one of an array, until it is given a dataset."""
    if config.dataset == FROM_ARRAY:
        raise ValueError(
            f"{config.run_dir} was trained from Python, on an array, which is not kept. "
            "Received: no dataset. Continue from Python, or add --dataset=NAME for the same images."
        )
    if config.dataset == IMPORTED:
        raise ValueError(
            f"{config.run_dir} was imported and has no images to train on. "
            "Received: no dataset. Add --dataset=NAME."
        )
