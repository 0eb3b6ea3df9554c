"""`--explore`: which experiments are meant, on which run; then they are carried out.

Imports no TensorFlow before it is known that the run and the flags fit.
"""

from collections.abc import Collection
from pathlib import Path

from absl import logging

from config.presets import apply_preset
from config.settings import Config
from data.label_choice import encode_dataset_labels_by_name
from explore.choices import Choices
from explore.experiments import (
    EXPERIMENTS,
    LIST,
    choose_experiments,
    format_experiments,
    is_all_chosen,
    list_experiments_left_out,
)
from explore.given_images import read_given_images
from runs.find import find_run, find_run_unless_dataset_is_enough
from system.console import print_result
from system.devices import quietly_import_tensorflow
from system.files import COPY_RUN, check_folder_writable


def explore(
    given: dict,
    text: str,
    choices: Choices,
    *,
    checkpoint: str,
    shared: Collection[str] = (),
    typed: dict[str, bool] | None = None,
) -> None:
    """Carries out the experiments in `text`, the value of --explore, or lists what there is.

    given: the user's settings. choices, shared: as in `choose_experiments`. checkpoint: "last",
    "best" or a step. typed: as in `Subject`. Raises ValueError for an unknown experiment, for
    choices that do not fit it or the run, and if there is no such run.
    """
    if text == LIST:
        print_result(format_experiments())
        return
    names = choose_experiments(text, vars(choices), shared)
    run = find_run_of_experiments(names, given, choices.label)
    if run:
        check_choices_fit_run(choices, run)
    if is_all_chosen(text) and (others := list_experiments_left_out(names)):
        logging.info("--explore all leaves out what needs a flag: %s.", ", ".join(others))
    config = run or Config(**apply_preset(given))
    folder = (run.run_dir if run else Path(config.out_dir).expanduser()) / "explore"
    check_folder_writable(folder, COPY_RUN if run else "give another --out_dir")

    quietly_import_tensorflow()
    from explore.run import run_experiments
    from explore.subject import Subject

    subject = None
    if any(EXPERIMENTS[name].uses_run or EXPERIMENTS[name].uses_dataset for name in names):
        subject = Subject(config, choices, checkpoint=checkpoint, folder=folder, typed=typed)
    run_experiments(names, subject, folder, leaves_out=is_all_chosen(text))


def check_choices_fit_run(choices: Choices, run: Config) -> None:
    """Raises ValueError for a label that the run lacks and for an unreadable image: now, as loading
    TensorFlow takes seconds.
    """
    if choices.label is not None:
        encode_dataset_labels_by_name(run, choices.label, 1)
    if choices.image is not None:
        read_given_images(choices.image, run)


def find_run_of_experiments(
    names: list[str], given: dict, label: str | None = None
) -> Config | None:
    """The run that they are made on; None if they need none, and the settings name none."""
    uses_dataset = any(EXPERIMENTS[name].uses_dataset for name in names)
    if any(EXPERIMENTS[name].uses_run for name in names):
        return find_run(given, uses_dataset=uses_dataset, label=label)
    return find_run_unless_dataset_is_enough(given) if uses_dataset else None
