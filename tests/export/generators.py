"""Generators far from their initial weights, for every preset and shape, and latents for them."""

import numpy as np
import pytest

from config.presets import apply_preset
from config.settings import Config
from model import Generator

LABELS = {"labels": "folder", "label_names": ("a", "b", "c"), "fc_width": 16}
# The smallest stems, odd sides, both paddings, gray and alpha, every way to enlarge, with labels.
SHAPES = {
    "reference": {},
    "paper": {"preset": "paper"},
    "tutorial": {"preset": "tutorial"},
    "modern": {"preset": "modern"},
    "odd": {"output_height": 33, "output_width": 47},
    "odd paper": {"output_height": 30, "output_width": 50, "preset": "paper"},
    "odd tutorial": {"output_height": 27, "output_width": 21, "preset": "tutorial"},
    "tiny stem": {"output_height": 8, "output_width": 15, "blocks": 2},
    "gray": {"c_dim": 1},
    "alpha": {"c_dim": 4, "output_width": 24},
    "resize": {"upsample": "resize", "output_width": 21},
    "smooth": {"upsample": "smooth", "output_width": 21},
    "smooth tutorial": {"upsample": "smooth", "output_width": 21, "preset": "tutorial"},
    "labels": LABELS,
    "labels paper": LABELS | {"preset": "paper", "output_width": 21},
    "labels resize": LABELS | {"upsample": "resize", "preset": "modern", "c_dim": 1},
}


def list_shapes(*fast: str) -> list:
    """The names in SHAPES as parameters of a test, all but the `fast` ones marked as slow."""
    slow = pytest.mark.slow
    return [name if name in fast else pytest.param(name, marks=slow) for name in SHAPES]


def make_generator(**changes) -> tuple[Generator, Config]:
    """A narrow generator whose every weight and statistic is random, far from its start."""
    settings = {"output_height": 16, "c_dim": 3, "z_dim": 8, "stem_width": 32} | changes
    config = Config(**apply_preset(settings) | {"bn_statistics": "moving", "stem_width": 32})
    generator, rng = Generator(config.network_config()), np.random.default_rng(0)
    for variable in generator.variables:
        shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 2, shape))
        else:
            variable.assign(rng.normal(0, 0.15, shape))
    return generator, config


def make_latents(config: Config, count: int = 3) -> tuple:
    """z (count, z_dim), and y (count, y_dim) or None: the classes in turn."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(count, config.z_dim)).astype(np.float32)
    y_dim = config.network_config().y_dim
    y = np.eye(y_dim, dtype=np.float32)[np.arange(count) % y_dim] if y_dim else None
    return z, y


def name_inputs(z, y) -> dict:
    """What a runtime takes."""
    return {"z": z} if y is None else {"z": z, "y": y}
