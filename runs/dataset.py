"""Checks whether the loaded images are those that a run was trained on."""

import contextlib
import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from config.settings import FROM_ARRAY, IMPORTED, NETWORK_SETTINGS, Config
from config.stored import change_settings, write_config
from data.identity import fingerprint_pixels
from runs.commands import spell_flag
from runs.find import (
    find_runs_to_continue,
    has_default_name,
    is_of_same_size,
    say_which_run_is_used,
)
from runs.history import describe_earlier_training
from runs.not_found import check_no_run_inside_is_meant, dataset_may_be_of_run
from runs.progress import read_run_settings_before_flags
from runs.read import read_all_runs, read_begun_runs, read_run, read_run_settings
from system.text import join_names_for_error

# What decides which images of a dataset are trained on, and how they are cropped.
FILE_SETTINGS = ("input_fname_pattern", "train_size", "exclude")
CROP_SETTINGS = ("input_height", "input_width", "crop")


def take_dataset_into_settings(config: Config, images: np.ndarray, place: str = "") -> Config:
    """The settings, with what identifies `images` (N, H, W, C) uint8.

    place: where they are, from `data.load`; "" for an array. Raises ValueError for other images
    from another place, and for another --holdout.
    """
    fingerprint = fingerprint_pixels(images)
    run = _read_unless_damaged(read_run, config.run_dir, config.checkpoint_dir)
    dataset = config.dataset if place else FROM_ARRAY
    if run and not place and run.dataset != IMPORTED:
        dataset = run.dataset  # with the same images: the settings need not name those of an array
    if run and run.dataset_fingerprint and run.dataset != IMPORTED:
        _check_holdout_is_that_of_run(run, config)
        _check_images_may_be_those_of_run(run, fingerprint, place, len(images))
        place = place or run.dataset_place
    earlier = _read_unless_damaged(read_run_settings, config.run_dir)  # also if it starts over
    return dataclasses.replace(
        config,
        dataset=dataset,
        first_dataset=_choose_first_dataset(earlier, dataset),
        dataset_place=place,
        dataset_fingerprint=fingerprint,
    )


def name_run_of_array(config: Config, images: np.ndarray) -> Config:
    """The settings of a run on an array, called array-<height>x<width> if the caller named neither
    a run nor a dataset: Config's default dataset is not where the images come from.

    Older versions named such a run after that default. It keeps its name if it has the same images,
    (N, H, W, C) uint8, and the same networks, unless there is a run with the new name.
    """
    if config.out_name or config.dataset != Config.dataset:
        return config
    named = dataclasses.replace(config, dataset=FROM_ARRAY)
    if not _read_unless_damaged(read_run_settings, named.run_dir):
        old = _read_unless_damaged(read_run_settings, config.run_dir)
        if old and _has_images_and_networks(old, config, images):
            named = config
    return dataclasses.replace(config, out_name=named.name)


def _has_images_and_networks(run: Config, config: Config, images: np.ndarray) -> bool:
    if run.dataset_fingerprint != fingerprint_pixels(images):
        return False
    with contextlib.suppress(ValueError):  # other networks
        change_settings(run, {name: getattr(config, name) for name in NETWORK_SETTINGS})
        return True
    return False


def read_label_names_of_run(config: Config) -> tuple[str, ...]:
    """The names of the classes or attributes that the run has learnt; () if none."""
    run = _read_unless_damaged(read_run, config.run_dir, config.checkpoint_dir)
    return run.label_names or () if run else ()


def keep_label_names_of_run(config: Config, known: tuple[str, ...]) -> Config:
    """The settings with the `known` names of the run, in its order: training refuses others.

    From Python, classes that were only numbered may get names.
    """
    given = config.label_names
    if not known or given == known:
        return config
    if given and len(given) == len(known) and known == tuple(map(str, range(len(known)))):
        text = "%s names its classes from now on: %s (before: %s)."
        logging.info(text, config.run_dir, ", ".join(given), ", ".join(known))
        return config
    return dataclasses.replace(config, label_names=known)


def _choose_first_dataset(earlier: Config | None, dataset: str) -> str:
    """The --dataset that the run in this place began with; `earlier`: its settings so far."""
    if earlier is None:
        return dataset
    if earlier.dataset == FROM_ARRAY != earlier.first_dataset:  # an older run: it names a default
        return dataset
    return earlier.first_dataset or earlier.dataset


def find_run_of_same_images(
    config: Config,
    given: dict,
    images: np.ndarray,
    place: str = "",
    label_names: Sequence[str] | None = None,
) -> Config:
    """The settings of the run that was trained on `images` under another name; else `config`.

    config: the run that `given` (name -> value) means. If it is new and the user did not name it, a
    run beside it may have the same images, (N, H, W, C) uint8, or have had others from the same
    `place`. If that run's name comes from its dataset, the dataset was renamed or moved, and that
    run continues. If the user named that run, the log only mentions it; so it does if the user
    named the new run as that one was called. place: "" for an array from Python. label_names: those
    of the images, if any; the log only mentions an unnamed run that has others. Raises ValueError
    where a run with these images lies in the folder of `config`, which is new, or where the run
    that would continue has its checkpoints on a disk that is gone.
    """
    if read_run_settings(config.run_dir):
        return config

    fingerprint, is_named = fingerprint_pixels(images), bool(given.get("out_name"))
    if place:
        check_no_run_inside_is_meant(config, lambda run: run.dataset_fingerprint == fingerprint)
    # Each keeps its own name.
    asked = {name: value for name, value in given.items() if name != "out_name"}
    all_runs = find_runs_to_continue(config, asked)
    runs = [run for run in all_runs if run.dataset_fingerprint == fingerprint]
    differing = [run for run in runs if _has_other_labels(run, label_names)]
    if differing:
        runs = [run for run in runs if run not in differing]
    elif not runs and not is_named and place:  # renamed earlier, and changed since then
        there = [run for run in all_runs if run.dataset_place == place]
        there = [run for run in there if has_default_name(run) and is_of_same_size(run, config)]
        runs = there if len(there) == 1 else []
    if is_named:
        runs = [run for run in runs if _was_called(run, config.name)]
    # Images that were trained on with labels, too, may lack them here.
    runs = [run for run in runs if run.labels == config.labels] or runs
    unnamed = [run for run in runs if has_default_name(run)]
    if len(unnamed) == 1 and not is_named:
        others = [run for run in runs if run is not unnamed[0]]
        say_which_run_is_used(unnamed[0], "it has these images and a default name", others)
        return unnamed[0]
    if not is_named:
        if not runs and (away := _find_away_run_of_same_images(config, asked, fingerprint)):
            return away
        _mention_runs_with_other_labels(differing, config)
    if runs:
        _mention_runs_of_same_images(runs, config, in_python=not place)
    elif not is_named:
        _mention_runs_with_another_kind_of_labels(config, fingerprint)
        _mention_runs_without_checkpoints(config, fingerprint)
        _mention_runs_of_another_size(config, given)
        mention_runs_of_another_crop(config, given)
    return config


def _mention_runs_of_same_images(runs: list[Config], config: Config, *, in_python: bool) -> None:
    """Says how to continue one of `runs` instead of the new run `config`."""
    names = ", ".join(str(run.run_dir) for run in runs)
    have, which, name = "have", "one of them", "NAME"
    if len(runs) == 1:
        name = repr(runs[0].name) if in_python else shlex.quote(runs[0].name)
        have, which = "has", "the other"
    remedy = f"use Config(out_name={name})" if in_python else f"add --out_name={name}"
    text = "%s %s the same images. %s is a new run; to continue %s instead, %s."
    logging.info(text, names, have, config.run_dir, which, remedy)


def _find_away_run_of_same_images(config: Config, asked: dict, fingerprint: str) -> Config | None:
    """The run, not named by the user, whose checkpoints are where --checkpoint_dir says now.

    Raises ValueError if they are away: a new run would start in its stead.
    """
    for run in find_runs_to_continue(config, asked, are_away=True):
        if run.dataset_fingerprint == fingerprint and has_default_name(run):
            read_run(run.run_dir, asked.get("checkpoint_dir"))  # says where they were
            return run
    return None


def _mention_runs_without_checkpoints(config: Config, fingerprint: str) -> None:
    for run in read_begun_runs(config.run_dir.parent).values():
        if run.dataset_fingerprint == fingerprint and describe_earlier_training(run):
            text = "%s has the same images, but no checkpoint is left. %s is a new run."
            logging.info(text, run.run_dir, config.run_dir)


def _has_other_labels(run: Config, label_names: Sequence[str] | None) -> bool:
    return bool(label_names and run.label_names) and {*label_names} != {*run.label_names}


def _mention_runs_with_other_labels(runs: list[Config], config: Config) -> None:
    for run in runs:
        text = "%s has the same images with other labels: %s. %s is a new run."
        logging.info(text, run.run_dir, join_names_for_error([*run.label_names]), config.run_dir)


def _mention_runs_with_another_kind_of_labels(config: Config, fingerprint: str) -> None:
    for run in read_all_runs(config.run_dir.parent).values():
        if run.dataset_fingerprint == fingerprint and run.labels != config.labels:
            text = "%s has the same images, with --labels=%s. %s is a new run."
            logging.info(text, run.run_dir, run.labels, config.run_dir)


def _mention_runs_of_another_size(config: Config, given: dict) -> None:
    """A run on the same dataset may have been meant, if its size was not typed again."""
    sizes = {"output_height", "output_width"}
    if sizes & {*given} or given.get("config"):
        return
    fit = {run.name for run in find_runs_to_continue(config, given)}
    for run in read_all_runs(config.run_dir.parent).values():  # with their own datasets
        if run.name not in fit or is_of_same_size(run, config):
            continue
        if dataset_may_be_of_run(run, config.dataset):
            text = "%s is a new run, at %sx%s; to continue %s, at %sx%s, add --out_name=%s."
            both = config.run_dir, config.width, config.height, run.run_dir, run.width, run.height
            logging.info(text, *both, shlex.quote(run.name))


def _was_called(run: Config, name: str) -> bool:
    """Whether the run's folder had another name, `name`, when the run was last trained."""
    return read_run_settings_before_flags(run).name == name != run.name


def list_runs_that_may_have_dataset(config: Config, given: dict) -> list[Config]:
    """The runs that `find_run_of_same_images` would return if they have the images of `config`.

    Their images have the same size and crop, and are no longer where they were last seen.
    """
    runs = _list_runs_whose_images_are_gone(config, given)
    return [run for run in runs if _has_same_crop(run, config)]


def mention_runs_of_another_crop(config: Config, given: dict) -> None:
    """Logs which runs may have these images with another crop, such as celebA's own."""
    for run in _list_runs_whose_images_are_gone(config, given):
        if not _has_same_crop(run, config):
            text = "If %s was trained on these images, with another crop, continue it with "
            logging.info(f"{text}--out_name=%s.", run.run_dir, shlex.quote(run.name))


def _list_runs_whose_images_are_gone(config: Config, given: dict) -> list[Config]:
    """The runs that could continue with `given` if their images are those of `config`, a new run.

    They have the default name and the same size.
    """
    if given.get("out_name") or read_run_settings(config.run_dir):
        return []
    return [
        run
        for run in find_runs_to_continue(config, given)
        if has_default_name(run)
        and is_of_same_size(run, config)
        and (run.dataset_place or run.first_dataset != FROM_ARRAY)  # an array was in no place
        and not (run.dataset_place and Path(run.dataset_place).exists())
    ]


def _has_same_crop(run: Config, config: Config) -> bool:
    return (run.crop, run.crop_sides) == (config.crop, config.crop_sides)


def _read_unless_damaged(read: Callable[..., Config | None], *where) -> Config | None:
    """What `read` finds there: the settings in hand may be new, or another run's."""
    with contextlib.suppress(ValueError):  # damaged, but that is no reason to stop here
        return read(*where)
    return None


def _check_holdout_is_that_of_run(run: Config, config: Config) -> None:
    """Raises ValueError for another --holdout, which would hold out other images."""
    if config.holdout != run.holdout:
        raise ValueError(
            f"--holdout is fixed once a run has started: {run.run_dir} has {run.holdout:g}. "
            f"Received: {config.holdout:g}. Keep it, or start another run with --out_name=NAME."
        )


def _check_images_may_be_those_of_run(
    run: Config, fingerprint: str, place: str, count: int
) -> None:
    """Raises ValueError for other images from another place, or the same in another order."""
    before = run.dataset_place
    if fingerprint != run.dataset_fingerprint and (not place or place != before):
        names = f"from {before or 'an array'}", f"{place or 'another array'}"
        remedy = "--out_name=NAME" if place else "Config(out_name=NAME)"
        is_folder = place and Path(before).is_absolute() and not Path(before).suffix
        also = f", or put them into {before}, where images may change" if is_folder else ""
        raise ValueError(
            f"A run keeps its own images: {run.run_dir} was trained on images {names[0]}. "
            f"Received: {_call_other_images(run, count)} from {names[1]}. "
            f"Start another run with {remedy}{also}."
        )


def announce_change_of_dataset(config: Config, count: int) -> None:
    """Says if the run's images have moved; warns if they, of which there are `count`, or their
    labels have changed.

    config: as `take_dataset_into_settings` returns it. Call it before config.json is written again.
    """
    run = _read_unless_damaged(read_run, config.run_dir, config.checkpoint_dir)
    if not run or run.dataset == IMPORTED:
        return
    if run.dataset_fingerprint == config.dataset_fingerprint:
        if run.dataset_place != config.dataset_place:
            text = "%s continues with the same images in another place: %s (before: %s)."
            names = config.dataset_place, run.dataset_place or "an array"
            logging.info(text, run.run_dir, *names)
        if run.labels_fingerprint not in ("", config.labels_fingerprint):
            text = "the labels of the same images have changed: %s learns the new ones from now on."
            logging.warning(text, run.run_dir)
        return
    if not run.dataset_fingerprint:
        return
    changed = ", ".join(
        spell_flag(name, getattr(config, name))
        for name in (*FILE_SETTINGS, *CROP_SETTINGS)
        if getattr(config, name) != getattr(run, name)
    )
    what = (
        f"{changed} gives {run.run_dir} other images"
        if changed
        else f"the images in {config.dataset_place} have changed"
    )
    logging.warning(
        "%s%s: %s continues with them, and keeps its epochs so far. To train anew on them, add "
        "--out_name=NAME.",
        *(what, _describe_change_of_count(run, count), "it" if changed else run.run_dir),
    )


def keep_new_place_of_same_images(config: Config) -> None:
    """Writes into config.json where the images of a run are now, with a line, if they have moved.

    For a run that is complete: training writes it anyway. Images that are added later are taken for
    the run's own only if the run knows their place.
    """
    run = _read_unless_damaged(read_run, config.run_dir, config.checkpoint_dir)
    if not run or run.dataset == IMPORTED or run.dataset_place == config.dataset_place:
        return
    if run.dataset_fingerprint == config.dataset_fingerprint:
        names = ("dataset", "dataset_place", "data_dir", *FILE_SETTINGS, *CROP_SETTINGS)
        write_config(dataclasses.replace(run, **{name: getattr(config, name) for name in names}))
        text = "%s has the same images in another place from now on: %s (before: %s)."
        logging.info(text, run.run_dir, config.dataset_place, run.dataset_place or "an array")


def warn_of_images_not_trained_on(config: Config, images: np.ndarray, place: str) -> bool:
    """Warns if a command is about to use `images` that the run was not trained on; returns whether.

    images: (N, H, W, C), from `place`. config: the run's settings, as stored but for its --dataset.
    """
    if config.dataset_fingerprint in ("", fingerprint_pixels(images)):
        return False
    before = config.dataset_place or "an array"
    logging.warning(
        "%s was trained on other images%s; this uses those in %s.",
        *(config.run_dir, "" if place == before else f", {before}", place),
    )
    return True


def _call_other_images(run: Config, count: int) -> str:
    """What `count` images are that are not those of the run, by all that is known."""
    if _describe_change_of_count(run, count):
        return "other images"
    return "other images, or the same in another order,"


def _describe_change_of_count(run: Config, count: int) -> str:
    """Such as " (300 before, now 60)"; empty if they are as many, or the run does not know."""
    if run.holdout or not run.epoch_sizes or run.epoch_sizes[-1] == count:
        return ""
    return f" ({run.epoch_sizes[-1]:,} before, now {count:,})"
