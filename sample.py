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

DRAW_BATCH = 64  # always: some devices choose their algorithms, and so the last digit, by the size of a batch
GRID_IMAGES = 1024  # in one grid.png, at most


def load_generator(config: Config) -> tuple[Generator, int]:
    """The generator of a trained run and its training step. Raises ValueError when there is none."""
    generator = Generator(config)
    return generator, restore_networks(config, generator=generator)


def draw(generator: keras.Model, z: tf.Tensor) -> tf.Tensor:
    """z (N, z_dim) -> uint8 (N, H, W, C), in inference mode: the one way from latents to pixels."""
    count = tf.shape(z)[0]
    padded = tf.pad(z, [[0, -count % DRAW_BATCH], [0, 0]])
    batches = tf.reshape(padded, (-1, DRAW_BATCH, z.shape[-1]))  # (N padded, z_dim) -> (batches, DRAW_BATCH, z_dim)
    images = tf.map_fn(lambda batch: ops.to_uint8(generator(batch)), batches, fn_output_signature=tf.uint8)
    return tf.reshape(images, (-1, *images.shape[2:]))[:count]  # (batches, DRAW_BATCH, H, W, C) -> (N, H, W, C)


def drawer(generator: keras.Model) -> Callable[[tf.Tensor], np.ndarray]:
    """`draw` with this generator, compiled: z (N, z_dim) -> uint8 (N, H, W, C)."""
    compiled = tf.function(lambda z: draw(generator, z), autograph=False, reduce_retracing=True)
    return lambda z: compiled(tf.convert_to_tensor(z)).numpy()


def sample(config: Config, count: int) -> Path:
    """Writes `count` images of a trained run to <sample_dir>/seed_<seed>/ and returns that folder.

    000000.png ..., grid.png and z.npy (count, z_dim) float32. The same seed and step give the same files; the first
    images do not depend on `count`.
    """
    generator, step = load_generator(config)
    draw_images = drawer(generator)
    z = ops.latents(config.seed, count, z_dim=config.z_dim, z_dist=config.z_dist)
    folder = config.sample_path / f"seed_{config.seed}"
    first = []
    with replaced_folder(folder) as temporary, tqdm(total=count, unit="img", desc="sample", disable=None) as bar:
        for start in range(0, count, DRAW_BATCH):
            images = draw_images(z[start : start + DRAW_BATCH])
            for number, image in enumerate(images, start):
                (temporary / f"{number:06d}.png").write_bytes(png(image))
            first.append(images[: max(0, GRID_IMAGES - start)])
            bar.update(len(images))
        (temporary / "grid.png").write_bytes(png(image_grid(np.concatenate(first))))
        np.save(temporary / "z.npy", z.numpy())
    logging.info("%s images of step %s, their grid and their z are in %s", f"{count:,}", f"{step:,}", folder)
    return folder
