"""Checks the arrays that `train` gets from Python. Each error is one line that says what to do."""

import dataclasses
import os
from collections import Counter

import numpy as np
from absl import logging

from config.settings import Config
from data import limits
from data.labels import Labels, encode_dataset_classes_one_hot
from system.text import shorten_for_error

CHANNELS = (1, 3, 4)
JUDGED_IMAGES = 64  # to guess the range of floats


def check_training_images(config: Config, images: np.ndarray) -> None:
    """Raises ValueError unless `images` are uint8 (N, H, W, C) and fit the settings."""
    if not isinstance(images, np.ndarray):
        remedy = "Try np.asarray(images)" if hasattr(images, "__len__") else "Load them first"
        remedy = "Load the file first" if isinstance(images, (str, os.PathLike)) else remedy
        raise _make_images_error(f"{type(images).__name__}", remedy)
    if images.ndim == 3:
        is_one_image = images.shape[-1] in CHANNELS
        remedy = "Try images[None]" if is_one_image else "Try images[..., None]"
        raise _make_images_error(f"shape {images.shape}", remedy)
    if images.ndim != 4:
        raise _make_images_error(f"shape {images.shape}", "Try np.stack(list_of_images)")
    if images.dtype != np.uint8:
        raise _make_images_error(
            f"dtype {images.dtype}", f"Try {_suggest_uint8_conversion(images)}"
        )
    if not len(images):
        raise _make_images_error("none", "Give at least one")
    _check_image_shape(config, images.shape[1:])


def _make_images_error(received: str, remedy: str) -> ValueError:
    return ValueError(
        f"images must be a NumPy array of uint8 (N, H, W, C). Received: {received}. {remedy}."
    )


def _suggest_uint8_conversion(images: np.ndarray) -> str:
    """How to convert an array, judged by the range of its first few images."""
    if images.dtype == bool:
        return "images.astype(np.uint8) * 255"

    few = images[:JUDGED_IMAGES]
    if few.dtype.kind in "iu" and few.size and few.max() > 255:  # such as 16-bit PNGs
        return "(images // 257).astype(np.uint8) if they go up to 65535, as those of 16-bit files"
    if few.dtype.kind != "f" or not few.size or few.max() > 1:
        return "images.clip(0, 255).astype(np.uint8)"
    return (
        "((images + 1) * 127.5).astype(np.uint8)"
        if few.min() < 0
        else "(images * 255).astype(np.uint8)"
    )


def _check_image_shape(config: Config, shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    if height in CHANNELS and channels not in CHANNELS:
        raise _make_images_error(
            f"{height} channels first", "Try images.transpose(0, 2, 3, 1), which puts them last"
        )
    if (height, width) != (config.height, config.width):
        raise ValueError(
            f"The settings require images of {config.height}x{config.width} (H x W). "
            f"Received: {height}x{width}. "
            f"Resize them, or use Config(output_height={height}, output_width={width})."
        )

    if channels not in CHANNELS:
        raise _make_images_error(f"{channels} channels", "Give 1 (gray), 3 or 4")
    if config.c_dim not in ("auto", channels):
        raise ValueError(
            f"The settings require images with c_dim={config.c_dim} channels. "
            f"Received: {channels}. "
            f"Convert them, or use Config(c_dim={channels})."
        )


def take_training_labels(
    config: Config, labels, count: int, known: tuple[str, ...] = ()
) -> Labels | None:
    """The labels of `count` images: `labels` itself, or labels made from whole numbers (count,).

    Classes get their names from Config.label_names, or else from `known`, those of the run, or else
    "0", "1", ... Raises ValueError when the labels do not fit the images or Config.labels.
    """
    if (labels is None) != (config.labels == "none"):
        received, remedy = "labels", 'set Config(labels="own")'
        if labels is None:
            other = "name another run" if known else 'set Config(labels="none")'
            received, remedy = "no labels", f"give labels, or {other}"
        raise ValueError(
            f'train() received {received}, but Config.labels is "{config.labels}": {remedy}'
        )
    if labels is None:
        return None

    if not isinstance(labels, Labels):
        labels = _make_labels_of_class_numbers(config, labels, known)
    _check_label_vectors(config, labels, count)
    if labels.y.dtype == np.float32:
        return labels
    return dataclasses.replace(labels, y=labels.y.astype(np.float32))


def _make_labels_of_class_numbers(config: Config, classes, known: tuple[str, ...]) -> Labels:
    """The labels of an array of whole numbers; `known`: the names of the first ones."""
    classes = np.asarray(classes)
    if not config.one_hot:
        raise ValueError(
            f"Config(labels={config.labels!r}) names attributes: labels must be "
            f"data.labels.Labels(names, y), y (N, {len(config.labels.split(','))}) of 0 and 1. "
            f"Received: {classes.dtype} {classes.shape}."
        )
    if classes.ndim != 1 or classes.dtype.kind not in "iu":
        raise ValueError(
            "labels must be whole numbers, one for each image. "
            f"Received: {classes.dtype} of shape {classes.shape}. {_suggest_classes(classes)}"
        )

    most = int(classes.max(initial=0))
    more = range(len(known), min(most + 1, limits.MAX_CLASSES))
    names = config.label_names or (*known, *map(str, more))
    if (least := int(classes.min(initial=most))) < 0:
        raise ValueError(
            f"labels must count the classes from 0. Received: {least} as the smallest. "
            "Try np.unique(labels, return_inverse=True)[1]."
        )
    if len({*names}) < len(names):
        again = next(name for name, count in Counter(names).items() if count > 1)
        raise ValueError(
            "label_names must name each class differently. "
            f"Received: {shorten_for_error(again)} more than once. Rename one of them."
        )
    if most >= len(names):
        is_named = bool(config.label_names)
        remedy = "Name every class, or none." if is_named else "Number the classes from 0."
        if is_named and (least, most) == (1, len(names)):
            remedy = "If they count from 1, give labels - 1."
        raise ValueError(
            f"labels must be below {len(names):,}, "
            f"{'the number of label_names' if is_named else 'the most classes there may be'}. "
            f"Received: {most:,} as the largest. {remedy}"
        )
    if least == 1 and not (config.label_names or known):
        text = "no image has the label 0: that class stays empty. If they count from 1, give %s."
        logging.warning(text, "labels - 1")
    return encode_dataset_classes_one_hot(names, classes)


def _suggest_classes(classes: np.ndarray) -> str:
    """How to make class numbers from what was given instead."""
    if classes.ndim == 2:
        return "Try labels.argmax(1), if they are one-hot."
    if classes.dtype.kind == "f":
        return "Try labels.astype(int)."
    return "Try np.unique(labels, return_inverse=True)[1]."


def _check_label_vectors(config: Config, labels: Labels, count: int) -> None:
    if len(labels.y) != count:
        raise ValueError(
            f"Each of the {count:,} images must have a label. Received: {len(labels.y):,} labels. "
            "Give as many labels as images."
        )
    if labels.y.shape != (count, len(labels.names)):
        raise ValueError(
            f"labels.y must have the shape {(count, len(labels.names))}, a column for each name. "
            f"Received: {labels.y.shape}. Give that many columns."
        )
    is_binary = bool(((labels.y == 0) | (labels.y == 1)).all())
    if not is_binary or (config.one_hot and (labels.y.sum(1) != 1).any()):
        raise ValueError(
            "labels must be vectors of 0 and 1, with a single 1 for classes. "
            "Received: other values. Give whole numbers (N,), and train() makes the vectors."
        )

    _check_label_names(config, labels.names)


def _check_label_names(config: Config, names: tuple[str, ...]) -> None:
    """Raises ValueError unless there are two classes or all attributes of the settings."""
    attributes = len(config.labels.split(","))
    fits = len(names) >= 2 if config.one_hot else len(names) == attributes
    if not fits:
        raise ValueError(
            f"Config(labels={config.labels!r}) needs "
            f"{'two or more' if config.one_hot else attributes} labels. "
            f"Received: {', '.join(names)}. Give that many."
        )
