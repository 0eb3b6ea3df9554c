"""Whether the images that came are those that a run was trained on."""

import contextlib
import dataclasses

import numpy as np
from absl import logging

from config.settings import IMPORTED, Config
from data.identity import fingerprint_pixels
from runs.find import read_run


def take_dataset_into_settings(config: Config, images: np.ndarray, place: str = "") -> Config:
    """The settings with what identifies `images` (N, H, W, C) uint8.

    place: where they lie, as `data.load` says; "" for an array. Says so when a run's images have
    moved or changed. Raises ValueError when they are others, and of another place.
    """
    fingerprint, run = fingerprint_pixels(images), _read_run_on_disk_or_none(config)
    if run and run.dataset_fingerprint and run.dataset != IMPORTED:
        _compare_with_dataset_of_run(run, fingerprint, place)
        place = place or run.dataset_place
    return dataclasses.replace(config, dataset_place=place, dataset_fingerprint=fingerprint)


def _read_run_on_disk_or_none(config: Config) -> Config | None:
    """The run on disk: settings in memory may be new, or those of another run."""
    with contextlib.suppress(ValueError):  # damaged, which is no reason to stop here
        return read_run(config.run_dir)
    return None


def _compare_with_dataset_of_run(run: Config, fingerprint: str, place: str) -> None:
    before, is_same = run.dataset_place, fingerprint == run.dataset_fingerprint
    if is_same and place and place != before:
        text = "%s continues with the same images in another place: %s (before: %s)."
        logging.info(text, run.run_dir, place, before or "an array")
    if is_same:
        return

    if not place or place != before:
        raise ValueError(
            f"A run keeps its own images: {run.run_dir} was trained on "
            f"{before or 'an array'}. Received: other images, {place or 'an array'}. "
            "Start another run with --out_name=NAME."
        )
    logging.warning("the images in %s have changed: %s continues with them.", place, run.run_dir)
