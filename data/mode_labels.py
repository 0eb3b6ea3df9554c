"""Chooses the labels by which a classifier tells a dataset's modes apart."""

import contextlib
import dataclasses
from collections.abc import Sequence

import numpy as np

from config.settings import Config
from data.labels import Labels, list_attributes_of_file, read_dataset_labels
from data.sources.source import Source

MOST_ATTRIBUTES = 5  # 32 combinations; with more, many would have hardly any images


def read_dataset_labels_for_modes(config: Config, source: Source, files: Sequence[str]) -> Labels:
    """The run's labels; for a run without labels, the first kind that its dataset has.

    The order is: the dataset's own labels, then the attributes in a file that are closest to being
    on in half of the images, then folders. files: as for `read_dataset_labels`. Raises ValueError
    when there are none.
    """
    if config.labels != "none":
        return read_dataset_labels(config, source, files)
    if source.labels is not None:
        return _read_labels_as("own", config, source, files)
    if names := list_attributes_of_file(config, source):
        with contextlib.suppress(ValueError):  # the file in data_dir may be for other images
            return _pick_even_attributes(_read_labels_as(",".join(names), config, source, files))
    try:
        return _read_labels_as("folder", config, source, files)
    except ValueError as error:
        raise ValueError(
            "The dataset must have labels: for example mnist, digits, stacked_mnist, class "
            "folders, or faces beside list_attr_celeba.txt. "
            f"Received: {source.place}. Leave modes out."
        ) from error


def _read_labels_as(kind: str, config: Config, source: Source, files: Sequence[str]) -> Labels:
    return read_dataset_labels(dataclasses.replace(config, labels=kind), source, files)


def _pick_even_attributes(labels: Labels) -> Labels:
    """Keeps at most MOST_ATTRIBUTES attributes, the most evenly on and off, in file order."""
    unevenness = np.abs(labels.y.mean(0) - 0.5)
    columns = np.sort(np.argsort(unevenness, kind="stable")[:MOST_ATTRIBUTES])
    return Labels(tuple(labels.names[column] for column in columns), labels.y[:, columns])


def is_one_class_each(labels: Labels) -> bool:
    """Whether each image has exactly one of several classes, rather than on/off attributes."""
    return len(labels.names) > 1 and bool((labels.y.sum(1) == 1).all())
