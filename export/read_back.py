"""Reads an exported format back as its users would, and compares what it draws with the network."""

import importlib

import numpy as np
import tensorflow as tf
from absl import logging

import ops
from data import label_choice
from export.formats import FLOAT16, FLOAT32, FORMATS, REQUIREMENTS
from export.saved_model import make_generate_signature
from export.source import Source
from system.devices import hold_stderr_until_error
from system.text import shorten_to_one_line

CHECKED_IMAGES = 4  # enough to show a wrong layer, and drawn in a moment
LIKELY_LEVELS = {FLOAT32: 1, FLOAT16: 3}  # of 255 that rounding may move a pixel


def read_format_back(source: Source, name: str) -> int | None:
    """The most levels of 255 by which a written format's pixels differ from the network's.

    Logs it, with a warning when it is more than rounding explains. None, which is logged too, if
    what reads the format is not installed, or nothing here can read it.
    """
    form = FORMATS[name]
    module = importlib.import_module(f"export.{name}")
    if not hasattr(module, "load_generator") or not _can_import(form.runtime, form.file):
        return None

    inputs = choose_inputs_to_check(source, CHECKED_IMAGES)
    with hold_stderr_until_error():  # LiteRT's C++ part prints what it does
        images = module.load_generator(source.folder / form.file)(**inputs)
    levels = measure_difference_in_levels(images, draw_with_network(source, inputs))
    by = f" by {form.runtime}" if form.runtime else ""
    if levels > LIKELY_LEVELS[source.dtype if form.takes_dtype else FLOAT32]:
        logging.warning(
            "%s was read back%s, and its pixels differ from the network's by up to %s levels of "
            "255: more than rounding explains.",
            *(form.file, by, levels),
        )
    else:
        found = "are the network's own"
        if levels:
            found = f"differ from the network's by at most {levels} of 255 levels"
        logging.info("%s was read back%s: its pixels %s.", form.file, by, found)
    return levels


def choose_inputs_to_check(source: Source, count: int) -> dict[str, np.ndarray]:
    """z (count, z_dim), and with labels y (count, y_dim), both float32: those of --sample."""
    config = source.config
    z = ops.latents(config.seed, count, z_dim=config.z_dim, z_dist=config.z_dist).numpy()
    y = label_choice.repeat_dataset_label_vectors(config, count)
    return {"z": z} if y is None else {"z": z, "y": y}


def draw_with_network(source: Source, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """(B, H, W, C) float32, as the signature of the SavedModel draws them."""
    draw = make_generate_signature(source.generator)
    return draw(**{name: tf.constant(one) for name, one in inputs.items()})["images"].numpy()


def measure_difference_in_levels(ones: np.ndarray, others: np.ndarray) -> int:
    """Both float32 in [-1, 1]; NaN counts as the largest difference, 255."""
    if not (np.isfinite(ones).all() and np.isfinite(others).all()):
        return 255
    ones, others = (ops.to_uint8(images).numpy().astype(int) for images in (ones, others))
    return int(np.abs(ones - others).max(initial=0))


def _can_import(runtime: str, file: str) -> bool:
    """Whether a runtime is there; logs why not."""
    if not runtime:
        return True
    try:
        importlib.import_module(runtime)
    except ImportError as error:  # missing, or not made for this machine
        reason = f"{runtime} is not installed (pip install -r {REQUIREMENTS})"
        if not isinstance(error, ModuleNotFoundError):
            reason = f"{runtime} cannot be imported ({shorten_to_one_line(error)})"
        logging.info("%s was not read back: %s.", file, reason)
        return False
    return True
