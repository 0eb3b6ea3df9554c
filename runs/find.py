"""Finds the run that a command means: lists the runs in out_dir and checks which one fits."""

import contextlib
import dataclasses
import functools
import shlex
from pathlib import Path

from absl import logging

from config.checks import check_training_settings
from config.presets import ADDED_TO_PRESETS, PRESETS, SHAPE_SETTINGS, apply_preset
from config.settings import (
    FROM_ARRAY,
    IMPORTED,
    NETWORK_SETTINGS,
    SETTINGS,
    Config,
    is_same_dataset_setting,
)
from config.stored import change_settings, set_other_lengths_back
from data.label_choice import has_dataset_label
from runs.away import is_claimed_by_another_run, is_claimed_by_run
from runs.checkpoint_files import list_checkpoints
from runs.history import describe_earlier_training
from runs.new_run import check_new_run_is_wanted
from runs.not_found import (
    dataset_may_be_of_run,
    explain_missing_run,
    explain_run_without_checkpoint,
    has_gone_place,
    has_other_place,
    is_place_of_run,
    list_runs_that_fit,
    suggest_label_flag_for_run,
)
from runs.place import point_settings_to_run_folder
from runs.read import read_all_runs, read_away_runs, read_begun_runs, read_run, read_run_settings
from system.locks import find_lock_holder
from system.text import join_names_for_error, quote_for_error, shorten_for_error

KEPT_SETTINGS_NAMED = 4  # of a run that starts over


def find_run_to_train(given: dict) -> Config:
    """The settings to train with: a new run's, or those of an existing run with `given` on top.

    given: name -> value, as the user gave them. Raises ValueError when the existing run has other
    images, another preset or other networks, when a new run's name looks mistyped, or when settings
    contradict each other.
    """
    config = _find_settings_to_train(
        point_settings_to_run_folder(given), bool(given.get("out_name"))
    )
    check_training_settings(config)
    return config


def _find_settings_to_train(given: dict, is_named: bool) -> Config:
    """is_named: whether the user gave the run a name; `given` has one in any case."""
    fresh = Config(**apply_preset(given))
    stored = read_run(fresh.run_dir, given.get("checkpoint_dir"))
    if not stored:
        check_new_run_is_wanted(fresh, given)
        return fresh if "dataset" in given else _take_settings_without_checkpoint(fresh, given)

    is_elsewhere = has_other_place(stored, fresh.dataset) and not has_gone_place(stored)
    if "dataset" not in given and not is_named and is_elsewhere:
        logging.info(
            "%s continues with the images that it was trained on, in %s.",
            stored.run_dir,
            stored.dataset_place,
        )
    if "dataset" in given and not stored.dataset_fingerprint:  # else the images will decide
        _check_other_dataset_is_wanted(stored, fresh, is_named=is_named)
    try:
        _check_run_has_networks_of_preset(given, fresh, stored)
        return change_settings(stored, _drop_preset_for_existing_run(given), for_training=True)
    except ValueError as error:
        if not is_named and _fits_worse_than_others(stored, fresh, given):
            others = _list_other_runs_that_fit(stored, fresh, given)
            raise ValueError(f"{_say_how_to_continue_one_of(others)} {error}") from error
        if "dataset" not in given or not has_other_place(stored, fresh.dataset):
            raise
        if has_gone_place(stored):  # the images have probably moved
            raise
        if is_named and fresh.labels != stored.labels and "labels" in given:
            raise ValueError(
                f"{stored.run_dir} was trained on {stored.dataset_place} with --labels="
                f"{stored.labels}. Received: {fresh.dataset} with --labels={fresh.labels}. Start "
                "another run with --out_name=NAME."
            ) from error
        if is_named:
            raise
        place = stored.dataset_place
        again = place if Path(place).is_absolute() else stored.dataset
        raise ValueError(
            f"{fresh.run_dir} is the run of {place}. Received: {fresh.dataset}. Start another with "
            "--out_name=NAME. (To continue that one, give its dataset again: "
            f"--dataset={quote_for_error(again)}.)"
        ) from error


def _say_how_to_continue_one_of(runs: list[Config]) -> str:
    """One sentence for a command that fits these runs, at least one, but names none of them."""
    names = [run.name for run in runs]
    flags = [f"--out_name={shlex.quote(name)}" for name in names]
    if len(runs) == 1:
        return f"To continue {runs[0].run_dir}, which fits, add {flags[0]}."
    if len(runs) == 2:
        return f"{' and '.join(names)} fit: add {' or '.join(flags)}."
    return f"{join_names_for_error(names, 2)} fit: add {flags[0]}, for example."


def _take_settings_without_checkpoint(fresh: Config, given: dict) -> Config:
    """The settings of a run whose checkpoints are gone, with `given` on top; else `fresh`.

    For a command that names no dataset: the run's config.json, if it is still there, names it.
    """
    stored = None
    with contextlib.suppress(ValueError):  # damaged: training says so
        stored = read_run_settings(fresh.run_dir)
    if stored is None:
        return fresh

    kept = {name: getattr(stored, name) for name in SETTINGS if SETTINGS[name].flag}
    config = Config(**kept | set_other_lengths_back(_drop_preset_for_existing_run(given)))
    _say_which_settings_are_kept(config, fresh)
    return config


def _say_which_settings_are_kept(config: Config, fresh: Config) -> None:
    """Logs which settings of `config`, from config.json, differ from `fresh`, the command alone."""
    ours, theirs = config.resolve(), fresh.resolve()
    names = [name for name, setting in SETTINGS.items() if setting.flag]
    differ = [
        f"{name}={getattr(ours, name)}"
        for name in names
        if name not in ("out_dir", "out_name", "c_dim")  # c_dim: the images give it
        and getattr(ours, name) != getattr(theirs, name)
    ]
    if differ:
        dataset = "NAME" if config.dataset in (FROM_ARRAY, IMPORTED) else config.dataset
        logging.info(
            "%s has no checkpoint and takes the settings in its config.json: %s. With --dataset=%s "
            "it starts with the defaults instead.",
            *(config.run_dir, join_names_for_error(differ, KEPT_SETTINGS_NAMED)),
            shlex.quote(shorten_for_error(dataset)),
        )


def find_runs_to_continue(fresh: Config, given: dict, *, are_away: bool = False) -> list[Config]:
    """The runs beside the new run `fresh` that could continue with `given` (name -> value).

    Each has its own settings with the given ones on top. Their images may differ. are_away: those
    whose checkpoints are elsewhere instead.
    """
    found, read = [], read_away_runs if are_away else read_all_runs
    for run in read(fresh.run_dir.parent).values():
        with contextlib.suppress(ValueError):  # another preset, network or kind of labels
            _check_run_has_networks_of_preset(given, fresh, run)
            run = dataclasses.replace(run, first_dataset=run.first_dataset or run.dataset)
            found.append(
                change_settings(run, _drop_preset_for_existing_run(given), for_training=True)
            )
    return found


def find_run(given: dict, *, uses_dataset: bool = False, label: str | None = None) -> Config:
    """The trained run that `given` (name -> value) means: by its name, else the only one that fits.

    uses_dataset: whether the command reads images; if not, the log says that another --dataset is
    ignored. label: the --label to draw, which may tell runs apart. Raises ValueError, which names
    the existing runs, when none or several fit.
    """
    given = point_settings_to_run_folder(given)
    wanted = Config(**apply_preset(given))
    is_named = bool(given.get("out_name") or "dataset" in given)
    place = given.get("checkpoint_dir")
    found = read_run(wanted.run_dir, place) if is_named else None
    if of_label := _find_only_run_with_label(found, wanted, given, label):
        found = of_label
    elif (
        found is None
        or _is_less_exact_than_others(found, wanted, given)
        or _fits_worse_than_others(found, wanted, given)
    ):
        found = _find_only_fitting_run(wanted, given)
    if not of_label:
        _mention_other_runs_that_fit(found, wanted, given)
    if mistake := suggest_label_flag_for_run(found, given):
        raise ValueError(mistake)
    _check_run_has_networks_of_preset(given, wanted, found)
    may_be_same = dataset_may_be_of_run(found, wanted.dataset)
    is_other = has_other_place(found, wanted.dataset) or not may_be_same
    if not uses_dataset and "dataset" in given and is_other:
        if not _are_its_images_there(found, wanted, given):
            text = "%s was trained on %s; --dataset=%s is not needed here and is ignored."
            before = found.dataset_place or found.dataset
            logging.info(text, found.run_dir, before, wanted.dataset)
        given = {name: value for name, value in given.items() if name != "dataset"}
    return change_settings(found, _drop_preset_for_existing_run(given))


def find_run_to_report(given: dict) -> Config:
    """The settings, as stored, of the run that `given` (name -> value) means.

    Like `find_run`, but a run that is named needs no checkpoint: it may just have begun.
    """
    given = point_settings_to_run_folder(given)
    wanted = Config(**apply_preset(given))
    is_named = bool(given.get("out_name") or "dataset" in given)
    begun = read_run_settings(wanted.run_dir) if is_named else None
    if begun and (
        _is_less_exact_than_others(begun, wanted, given)
        or _fits_worse_than_others(begun, wanted, given)
    ):
        begun = None
    if begun:
        _mention_other_runs_that_fit(begun, wanted, given)
        return begun
    try:
        return read_run_settings(find_run(given).run_dir)
    except ValueError:
        fits = [] if given.get("out_name") else _list_begun_runs_that_fit(wanted, given)
        if len(fits) != 1:
            raise
        return fits[0]


def find_run_unless_dataset_is_enough(given: dict) -> Config | None:
    """The run that `find_run` finds; None if there is none, but `given` names a dataset.

    Raises ValueError if `given` names a run that does not exist, or neither.
    """
    try:
        return find_run(given, uses_dataset=True)
    except ValueError:
        if given.get("out_name") or "dataset" not in given:
            raise
    return None


def _drop_preset_for_existing_run(given: dict) -> dict:
    """`given` without the preset: an existing run has its own defaults."""
    return {name: value for name, value in given.items() if name != "preset"}


def _check_other_dataset_is_wanted(stored: Config, fresh: Config, *, is_named: bool) -> None:
    """Warns of another dataset; raises ValueError if nothing shows that it is wanted."""
    if is_same_dataset_setting(stored.dataset, fresh.dataset):
        return
    message = f"{fresh.run_dir} was trained on {stored.dataset}. Received: {fresh.dataset}."
    if not is_named:
        raise ValueError(
            f"A run keeps its own dataset: {message} Start another with --out_name=NAME."
        )
    if stored.dataset != IMPORTED:
        logging.warning("%s Using the latter.", message)


def _check_run_has_networks_of_preset(given: dict, fresh: Config, stored: Config) -> None:
    """Raises ValueError when a run has other networks than the requested preset.

    What the user gave beside the preset is not the preset's. Nor are sizes: the run may have begun
    with others beside the same preset, and keeps them.
    """
    preset = given.get("preset")
    if not preset:
        return

    in_presets = {name for defaults in PRESETS.values() for name in defaults}
    for name in sorted(in_presets & {*NETWORK_SETTINGS} - {*given, *SHAPE_SETTINGS}):
        wanted, has = getattr(fresh, name), getattr(stored, name)
        is_older = name in ADDED_TO_PRESETS and has == getattr(Config, name)
        if wanted not in ("auto", has) and not is_older:
            raise ValueError(
                f"--preset={preset} needs --{name}={wanted}. {stored.run_dir} has {has}, "
                "which is fixed. Drop --preset, or start another run with --out_name=NAME."
            )


def _list_runs_that_fit_with_preset(
    runs: dict[str, Config], wanted: Config, given: dict
) -> list[Config]:
    """Like `list_runs_that_fit`, but only runs with the networks of the preset, if one is given."""
    found = []
    for run in list_runs_that_fit(runs, wanted, given):
        with contextlib.suppress(ValueError):
            _check_run_has_networks_of_preset(given, wanted, run)
            found.append(run)
    return found


def _list_other_runs_that_fit(run: Config, wanted: Config, given: dict) -> list[Config]:
    """The trained runs beside `run` that fit the flags and the preset."""
    runs = _read_runs_beside(wanted, given)
    fits = _list_runs_that_fit_with_preset(runs, wanted, given)
    return [other for other in fits if other.name != run.name]


def _list_other_runs_of_same_images(run: Config, wanted: Config, given: dict) -> list[Config]:
    """The trained runs beside `run` with its images, wherever those were last seen, that fit the
    other flags and the preset.
    """
    flags = {name: value for name, value in given.items() if name != "dataset"}
    runs = {
        name: other
        for name, other in _read_runs_beside(wanted, given).items()
        if name != run.name and _has_same_images(other, run)
    }
    return _list_runs_that_fit_with_preset(runs, wanted, flags)


def _are_its_images_there(run: Config, wanted: Config, given: dict) -> bool:
    """Whether another run has found the images of `run` exactly where --dataset leads."""
    same = _list_other_runs_of_same_images(run, wanted, given)
    return any(is_place_of_run(other, wanted.dataset) for other in same)


def _has_same_images(one: Config, other: Config) -> bool:
    return one.dataset_fingerprint == other.dataset_fingerprint != ""


def has_default_name(run: Config) -> bool:
    """Whether the run has the name that its first dataset gives it without --out_name."""
    first = run.first_dataset or run.dataset
    return run.name == dataclasses.replace(run, dataset=first, out_name="").name


def _is_named_after_dataset(run: Config, wanted: Config, given: dict) -> bool:
    """Whether a run has the name that the given --dataset and its own size give."""
    named = dataclasses.replace(run, dataset=wanted.dataset, out_name="").name
    return "dataset" in given and run.name == named


def is_of_same_size(run: Config, config: Config) -> bool:
    """Whether both draw images of the same height and width."""
    return (run.height, run.width) == (config.height, config.width)


def _mention_other_runs_that_fit(run: Config, wanted: Config, given: dict) -> None:
    """Says which others the user may have meant, if `run` is taken for what --dataset gives."""
    if given.get("out_name"):
        return
    others = _list_other_runs_that_fit(run, wanted, given)
    others += _list_other_runs_of_same_images(run, wanted, given)
    if _is_named_after_dataset(run, wanted, given):
        reason = "it is named after the dataset"
    elif any(is_place_of_run(other, wanted.dataset) for other in others):
        reason = "--train would continue it"
    else:
        reason = "it fits --dataset best"
    say_which_run_is_used(run, reason, others)


def say_which_run_is_used(run: Config, reason: str, others: list[Config]) -> None:
    """Logs why `run` is used, and which others, if any, the user may have meant."""
    if names := sorted({other.name for other in others}):
        _say_once_which_run_is_used(run.run_dir, reason, tuple(names))


@functools.cache  # one command may find its run for several actions
def _say_once_which_run_is_used(run_dir: Path, reason: str, others: tuple[str, ...]) -> None:
    fit = "1 other fits" if len(others) == 1 else f"{len(others)} others fit"
    text = "%s is used, as %s; %s: %s (--out_name=NAME)."
    logging.info(text, run_dir, reason, fit, join_names_for_error([*others]))


def _find_only_fitting_run(wanted: Config, given: dict) -> Config:
    """The only run beside `wanted` with its dataset and networks. Raises ValueError otherwise."""
    runs = _read_runs_beside(wanted, given)
    fits = _list_runs_that_fit_with_preset(runs, wanted, given)
    fits = fits or list_runs_that_fit(runs, wanted, given)  # a later check explains the preset
    if fits and not wanted.out_name:
        if continued := _find_run_that_training_continues(fits, wanted, given):
            return continued
        named = [run for run in fits if _is_named_after_dataset(run, wanted, given)]
        if len(fits) == 1 or len(named) == 1:
            return (named or fits)[0]
        raise ValueError(explain_missing_run(wanted, given, {run.name: run for run in fits}))
    if not wanted.out_name:
        for begun in _list_begun_runs_that_fit(wanted, given):
            if find_lock_holder(begun.run_dir) or describe_earlier_training(begun):
                raise ValueError(explain_run_without_checkpoint(begun))
    if not runs or not wanted.out_name:
        _check_no_away_run_is_meant(wanted, given, is_alone=not runs)
    raise ValueError(explain_missing_run(wanted, given, runs))


def _check_no_away_run_is_meant(wanted: Config, given: dict, *, is_alone: bool) -> None:
    """Raises ValueError if a run whose checkpoints are away fits; if `is_alone`, if there is any.

    is_alone: whether there are no trained runs beside it.
    """
    away = read_away_runs(wanted.run_dir.parent)
    for run in list_runs_that_fit(away, wanted, given) or (away.values() if is_alone else []):
        read_run(run.run_dir, given.get("checkpoint_dir"))
        read_run(run.run_dir)  # there are checkpoints in that place, but another run's


def _read_runs_beside(wanted: Config, given: dict) -> dict[str, Config]:
    """The trained runs beside `wanted`, by name, with those that --checkpoint_dir leads to.

    If the run.json in that folder names one of them, the others are not meant.
    """
    runs = read_all_runs(wanted.run_dir.parent)
    if "checkpoint_dir" not in given:
        return runs
    place = Path(given["checkpoint_dir"]).expanduser()  # in each run, if it is relative
    moved = {
        name: run
        for name, run in read_away_runs(wanted.run_dir.parent).items()
        if list_checkpoints(run.run_dir / place)
    } | {
        name: run
        for name, run in read_begun_runs(wanted.run_dir.parent).items()
        if is_claimed_by_run(run.run_dir / place, run) and list_checkpoints(run.run_dir / place)
    }
    may_be_meant = {
        name: run
        for name, run in sorted((runs | moved).items())
        if not is_claimed_by_another_run(run.run_dir / place, run)
    }
    return may_be_meant or runs


def _find_only_run_with_label(
    run: Config | None, wanted: Config, given: dict, label: str | None
) -> Config | None:
    """The only run beside `wanted` that fits and has the --label, if `run` has not, with a line.

    None if the user named the run, or no run has the label. Raises ValueError if several have it.
    """
    if label is None or given.get("out_name") or (run and has_dataset_label(run, label)):
        return None
    runs = _read_runs_beside(wanted, given)
    fits = _list_runs_that_fit_with_preset(runs, wanted, given)
    have = [one for one in fits if has_dataset_label(one, label)]
    if not have or (run is None and len(have) == len(fits)):
        return None  # the label decides nothing
    names = [one.name for one in have]
    if len(have) > 1:
        raise ValueError(
            f"{len(have)} runs in {wanted.run_dir.parent} have the label {shorten_for_error(label)}"
            f": {join_names_for_error(names)}. Add --out_name=NAME."
        )
    logging.info("%s is used, as it has the label %s.", have[0].run_dir, shorten_for_error(label))
    return have[0]


def _find_run_that_training_continues(
    fits: list[Config], wanted: Config, given: dict
) -> Config | None:
    """The run that --train would continue although --dataset is exactly where those of `fits` are.

    It has the same images, maybe under their earlier name, and is the only such run that the user
    did not name. See `runs.dataset.find_run_of_same_images`. Where several are there and no size
    was given, it is their size that counts, not the default one.
    """
    if "dataset" not in given or read_run_settings(wanted.run_dir):
        return None  # there, training would take wanted.run_dir, whatever its images
    exact = [run for run in fits if is_place_of_run(run, wanted.dataset)]
    is_sized = len(exact) == 1 or {"output_height", "output_width"} & {*given}
    size = wanted if is_sized or not exact else exact[0]
    if not exact or not all(
        is_of_same_size(run, size) and _has_same_images(run, exact[0]) for run in exact
    ):
        return None
    same = [exact[0], *_list_other_runs_of_same_images(exact[0], wanted, given)]
    unnamed = [run for run in same if has_default_name(run)]
    return unnamed[0] if len(unnamed) == 1 else None


def _list_begun_runs_that_fit(wanted: Config, given: dict) -> list[Config]:
    """Like `list_runs_that_fit`, of the runs beside `wanted` that have no checkpoint."""
    return list_runs_that_fit(read_begun_runs(wanted.run_dir.parent), wanted, given)


def _is_less_exact_than_others(run: Config, wanted: Config, given: dict) -> bool:
    """Whether --dataset leads to the images of other runs, while `run` only has their name.

    It has more than their name if its own images were there too, in one of the other runs.
    """
    if given.get("out_name") or not has_other_place(run, wanted.dataset):
        return False
    fits = list_runs_that_fit(_read_runs_beside(wanted, given), wanted, given)
    return bool(fits) and all(
        is_place_of_run(one, wanted.dataset) and not _has_same_images(one, run) for one in fits
    )


def _fits_worse_than_others(run: Config, wanted: Config, given: dict) -> bool:
    """Whether `run`, which has the name that --dataset gives, lacks the networks of the flags or of
    the preset, and other runs have them.
    """
    if given.get("out_name") or _list_runs_that_fit_with_preset({run.name: run}, wanted, given):
        return False
    return bool(_list_other_runs_that_fit(run, wanted, given))
