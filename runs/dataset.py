"""Whether the images that came are those that a run was trained on."""

import dataclasses
from pathlib import Path

import numpy as np
from absl import logging

from config.settings import IMPORTED, Config, is_same_dataset, name_dataset_for_folders
from data.identity import fingerprint_pixels


def take_dataset_into_settings(config: Config, images: np.ndarray, place: str = "") -> Config:
    """The settings with what identifies `images` (N, H, W, C) uint8.

    place: where they lie, as `data.load` says; "" for an array. Says so when a run's images have
    moved or changed. Raises ValueError when they are others, and of another place.
    """
    fingerprint = fingerprint_pixels(images)
    # Otherwise the settings are those of another run, with another name.
    has_begun = (config.run_dir / "config.json").is_file()
    if has_begun and config.dataset_fingerprint and config.dataset != IMPORTED:
        _compare_with_dataset_of_run(config, fingerprint, place)
        place = place or config.dataset_place
    return dataclasses.replace(config, dataset_place=place, dataset_fingerprint=fingerprint)


def _compare_with_dataset_of_run(config: Config, fingerprint: str, place: str) -> None:
    before, is_same = config.dataset_place, fingerprint == config.dataset_fingerprint
    if is_same and place and place != before:
        text = "%s goes on with the same images in another place: %s (before: %s)."
        logging.info(text, config.run_dir, place, before or "an array")
    if is_same:
        return

    if not place or place != before:
        raise ValueError(
            f"A run goes on with its own images: {config.run_dir} was trained on "
            f"{before or 'an array'}. Received: other images, {place or 'an array'}. "
            "Start another run with --out_name=NAME."
        )
    logging.warning("the images in %s have changed: %s goes on with them.", place, config.run_dir)


def dataset_may_be_of_run(run: Config, dataset: str) -> bool:
    """Whether a value of --dataset may mean the images of a trained run, which are not needed.

    It does when it is spelled alike, leads to the same place, or has the same name.
    """
    return (
        is_same_dataset(run.dataset, dataset)
        or str(Path(dataset).expanduser().resolve()) == run.dataset_place
        or name_dataset_for_folders(dataset) == name_dataset_for_folders(run.dataset)
    )
