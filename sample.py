"""A trained run -> images: numbered PNGs, a grid, and the latents that they were drawn from."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

import ops
from checkpoint import restore_networks
from config import Config
from model import Generator
from utils import image_grid, png, replaced_folder

DRAW_BATCH = 64  # always, so that an image does not depend on how many are drawn with it
GRID_IMAGES = 1024  # in one grid.png, at most


def load_generator(config: Config) -> tuple[Generator, int]:
    """The generator of a trained run and its training step. Raises ValueError when there is none."""
    generator = Generator(config)
    return generator, restore_networks(config, generator=generator)


def drawer(generator: keras.Model) -> Callable[[tf.Tensor], np.ndarray]:
    """A function z (N, z_dim) -> uint8 (N, H, W, C), in inference mode: the one way from latents to pixels."""

    @tf.function(autograph=False)
    def draw_batch(z):
        return ops.to_uint8(generator(z, training=False))

    def draw(z):
        parts = []
        for start in range(0, len(z), DRAW_BATCH):
            part = z[start : start + DRAW_BATCH]
            padded = tf.pad(part, [[0, DRAW_BATCH - len(part)], [0, 0]])
            parts.append(draw_batch(padded)[: len(part)].numpy())
        return np.concatenate(parts)

    return draw


def sample(config: Config, count: int) -> Path:
    """Writes `count` images of a trained run to <sample_dir>/seed_<seed>/ and returns that folder.

    000000.png ..., grid.png and z.npy (count, z_dim) float32. The same seed and step give the same files; the first
    images do not depend on `count`.
    """
    generator, step = load_generator(config)
    draw = drawer(generator)
    z = ops.latents(config.seed, count, z_dim=config.z_dim, z_dist=config.z_dist)
    folder = config.sample_path / f"seed_{config.seed}"
    first = []
    with replaced_folder(folder) as temporary, tqdm(total=count, unit="img", desc="sample", disable=None) as bar:
        for start in range(0, count, DRAW_BATCH):
            images = draw(z[start : start + DRAW_BATCH])
            for number, image in enumerate(images, start):
                (temporary / f"{number:06d}.png").write_bytes(png(image))
            first.append(images[: max(0, GRID_IMAGES - start)])
            bar.update(len(images))
        (temporary / "grid.png").write_bytes(png(image_grid(np.concatenate(first))))
        np.save(temporary / "z.npy", z.numpy())
    logging.info("%s images of step %s, their grid and their z are in %s", f"{count:,}", f"{step:,}", folder)
    return folder
