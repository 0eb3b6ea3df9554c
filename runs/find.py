"""Which run a command means: the folders in out_dir, their settings, and what a continued run may not change."""

import contextlib
from pathlib import Path

from absl import logging

from config.presets import PRESETS, with_preset
from config.settings import (
    IMPORTED,
    NETWORK_FIELDS,
    TRAINING_FIELDS,
    Config,
    read_config,
    same_dataset,
)

RUNS_LISTED = 10  # in an error


def run_to_train(given: dict) -> Config:
    """The settings to train with: those of the run that there is, with `given` (name -> value) on top, or new ones.

    Raises ValueError when the run goes by other images, another preset, or other networks.
    """
    fresh, preset, given = _understood(given)
    stored = stored_run(fresh.run_dir)
    if not stored:
        return fresh
    if "dataset" in given and not same_dataset(stored.dataset, fresh.dataset):
        message = f"{fresh.run_dir} was trained on {stored.dataset}. Received: {fresh.dataset}."
        if not fresh.out_name:
            raise ValueError(
                f"A run goes on with its own dataset: {message} Start another with --out_name=NAME."
            )
        if stored.dataset != IMPORTED:
            logging.warning("%s Going on with that.", message)
    _check_preset(preset, fresh, stored)
    return stored.continued(given, TRAINING_FIELDS)


def find_run(given: dict) -> Config:
    """The trained run that `given` (name -> value) means: by its name, else the only one that fits.

    Raises ValueError naming the runs that exist when none or several fit.
    """
    wanted, preset, given = _understood(given)
    found = stored_run(wanted.run_dir) or _only_fit(wanted, given)
    _check_preset(preset, wanted, found)
    return found.continued(given)


def stored_run(run_dir: Path) -> Config | None:
    """The settings of a run that has a checkpoint, else None. Raises ValueError when they cannot be read."""
    path = run_dir / "config.json"
    if not path.is_file():
        return None
    # Where the run lies now counts, not where it lay when its settings were written.
    config = read_config(path).continued({"out_dir": str(run_dir.parent), "out_name": run_dir.name})
    return config if any(config.checkpoint_path.glob("step-*.index")) else None


def _understood(given: dict) -> tuple[Config, str | None, dict]:
    """The settings of a new run; the preset that was asked for; what was given besides.

    A run knows its own defaults, so only what the user said may change it.
    """
    return (
        Config(**with_preset(given)),
        given.get("preset"),
        {k: v for k, v in given.items() if k != "preset"},
    )


def _check_preset(preset: str | None, fresh: Config, stored: Config) -> None:
    """Raises ValueError when a run has other networks than the preset that is asked for."""
    if not preset:
        return
    for name in sorted(
        {name for defaults in PRESETS.values() for name in defaults} & {*NETWORK_FIELDS}
    ):
        wanted, has = getattr(fresh, name), getattr(stored, name)
        if wanted not in ("auto", has):
            raise ValueError(
                f"--preset={preset} wants --{name}={wanted}. {stored.run_dir} has {has}, which is fixed. "
                "Drop --preset, or start another run with --out_name=NAME."
            )


def _only_fit(wanted: Config, given: dict) -> Config:
    runs = _runs(wanted.run_dir.parent)
    fits = [] if wanted.out_name else [run for run in runs.values() if _fits(run, wanted, given)]
    if len(fits) == 1:
        return fits[0]
    names = sorted(runs)
    listed = ", ".join(names[:RUNS_LISTED]) + (", ..." if len(names) > RUNS_LISTED else "")
    remedy = (
        f"Runs there: {listed}; pick one with --out_name, or add --train."
        if runs
        else "Add --train first."
    )
    raise ValueError(
        f"--out_name must be a trained run in {wanted.out_dir}. Received: {wanted.name}. {remedy}"
    )


def _fits(run: Config, wanted: Config, given: dict) -> bool:
    same_set = "dataset" not in given or same_dataset(run.dataset, wanted.dataset)
    return same_set and all(
        getattr(run, name) == getattr(wanted, name) for name in NETWORK_FIELDS if name in given
    )


def _runs(out_dir: Path) -> dict[str, Config]:
    """Every trained run in out_dir by its folder's name."""
    found = {}
    for path in sorted(out_dir.glob("*/config.json")):
        with contextlib.suppress(ValueError):  # a damaged run is no reason not to find the others
            if run := stored_run(path.parent):
                found[run.name] = run
    return found
