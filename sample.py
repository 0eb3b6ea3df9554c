"""A trained run -> images: numbered PNGs, a grid, and the latents that they were drawn from."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

import ops
from config.settings import Config
from data import label_choice as conditions
from model import Generator
from runs.checkpoints import restore_networks
from system.files import replaced_folder
from utils import image_grid, png

DRAW_BATCH = 64  # always: some devices choose their algorithms, and so the last digit, by the size of a batch
GRID_IMAGES = 16 * DRAW_BATCH  # in one grid.png, at most
WRITTEN_TOGETHER = 16  # images; the files of a batch are several threads' work


def load_generator(config: Config) -> tuple[Generator, int]:
    """The generator of a trained run and its training step. Raises ValueError when there is none."""
    generator = Generator(config)
    return generator, restore_networks(config, generator=generator)


def whole_batches(count):
    """`count` rounded up to whole drawing batches."""
    return count + -count % DRAW_BATCH


def in_batches(
    generator: Generator, z: tf.Tensor, y: tf.Tensor | None, finish: Callable = tf.identity
) -> tf.Tensor:
    """z (N, z_dim), y (N, y_dim) or None -> `finish` of the images (N, H, W, C), drawn DRAW_BATCH at a time.

    The last batch is filled up with other latents, and with y from its beginning. Where batch norm uses the statistics
    of the batch, they have a say in the images.
    """
    if z.shape[0] == DRAW_BATCH:
        return finish(generator(z, y))  # the loop below costs some percent
    config, count = generator.config, tf.shape(z)[0]
    others = ops.latents(0, DRAW_BATCH, z_dim=config.z_dim, z_dist=config.z_dist)
    z = tf.concat([z, others[: -count % DRAW_BATCH]], 0)
    batched = [
        tf.reshape(z, (-1, DRAW_BATCH, z.shape[-1]))
    ]  # (N padded, z_dim) -> (batches, DRAW_BATCH, z_dim)
    if y is not None:
        y = tf.gather(y, tf.range(tf.shape(z)[0]) % tf.maximum(count, 1))
        batched.append(
            tf.reshape(y, (-1, DRAW_BATCH, y.shape[-1]))
        )  # -> (batches, DRAW_BATCH, y_dim)
    sample = finish(tf.zeros((1, *config.image_shape)))
    images = tf.map_fn(
        lambda batch: finish(generator(*batch)), tuple(batched), fn_output_signature=sample.dtype
    )
    return tf.reshape(images, (-1, *config.image_shape))[
        :count
    ]  # (batches, DRAW_BATCH, H, W, C) -> (N, H, W, C)


def draw(generator: Generator, z: tf.Tensor, y: tf.Tensor | None = None) -> tf.Tensor:
    """z (N, z_dim), with labels y (N, y_dim) -> uint8 (N, H, W, C), in inference mode: the one way to pixels."""
    return in_batches(generator, z, y, ops.to_uint8)


def compiled_draw(generator: Generator) -> Callable[..., tf.Tensor]:
    """`draw` with this generator, compiled; on a GPU it returns before it is done."""
    return tf.function(lambda *zy: draw(generator, *zy), autograph=False, reduce_retracing=True)


def drawer(generator: Generator) -> Callable[..., np.ndarray]:
    """`draw` with this generator, compiled: z (N, z_dim), with labels y (N, y_dim) -> uint8 (N, H, W, C)."""
    compiled = compiled_draw(generator)
    return lambda *zy: compiled(*map(tf.convert_to_tensor, zy)).numpy()


def sample(config: Config, count: int, label: str | None = None) -> Path:
    """Writes `count` images of a trained run to <sample_dir>/seed_<seed>/, or seed_<seed>_<label>/, and returns that.

    000000.png ..., grid.png, z.npy (count, z_dim) float32, and with labels y.npy (count, y_dim) and labels.txt, a line
    an image. The same seed and step give the same files; the first images do not depend on `count`.
    """
    whole = whole_batches(
        count
    )  # so that the companions of the last images are the same whatever the count
    y = conditions.chosen(config, label, whole)
    generator, step = load_generator(config)
    z = ops.latents(config.seed, whole, z_dim=config.z_dim, z_dist=config.z_dist)
    inputs = [z] if y is None else [z, tf.constant(y)]
    folder = config.sample_path / draw_name(config, label)
    with (
        replaced_folder(folder) as temporary,
        ThreadPoolExecutor(os.cpu_count()) as threads,
        tqdm(total=count, unit="img", desc="sample", disable=None) as bar,
    ):
        first = []
        for start, images in drawn(generator, inputs, count):
            parts = [
                (start + k, images[k : k + WRITTEN_TOGETHER])
                for k in range(0, len(images), WRITTEN_TOGETHER)
            ]
            # Waits for them: drawing on the same cores meanwhile would cost more than it gains.
            list(threads.map(lambda part: write_images(temporary, *part), parts))
            if start < GRID_IMAGES:
                first.append(images)
            bar.update(len(images))
        (temporary / "grid.png").write_bytes(png(image_grid(np.concatenate(first))))
        np.save(temporary / "z.npy", z[:count].numpy())
        if y is not None:
            np.save(temporary / "y.npy", y[:count])
            lines = [
                f"{number:06d}.png {conditions.name(config, one)}\n"
                for number, one in enumerate(y[:count])
            ]
            (temporary / "labels.txt").write_text("".join(lines), encoding="utf-8")
    also = "their labels, " if y is not None else ""
    logging.info(
        "%s images of step %s, %stheir grid and their z are in %s",
        f"{count:,}",
        f"{step:,}",
        also,
        folder,
    )
    return folder


def drawn(
    generator: Generator, inputs: list[tf.Tensor], count: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(number of the first, uint8 images) for every batch; a GPU draws the next one while this one is used."""
    compiled = compiled_draw(generator)

    def begin(start: int) -> tf.Tensor:
        return compiled(*(part[start : start + DRAW_BATCH] for part in inputs))

    upcoming = begin(0)
    for start in range(0, count, DRAW_BATCH):
        images = upcoming
        if start + DRAW_BATCH < count:
            upcoming = begin(start + DRAW_BATCH)
        yield start, images.numpy()[: count - start]


def write_images(folder: Path, start: int, images: np.ndarray) -> None:
    """images (N, H, W, C) uint8 -> PNG files, numbered from `start`."""
    for number, image in enumerate(images, start):
        (folder / f"{number:06d}.png").write_bytes(png(image))


def draw_name(config: Config, label: str | None) -> str:
    """seed_<seed>, with a label seed_<seed>_<label>: the name of a folder of pictures."""
    chosen = (
        ""
        if label is None
        else "_" + re.sub(r"[^\w,.+-]+", "-", conditions.canonical(config, label))
    )
    return f"seed_{config.seed}{chosen}"
