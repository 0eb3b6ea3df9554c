"""What the discriminator has learnt to see, as numbers (Radford et al. 2016, section 5.1)."""

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import ops
from model import Discriminator
from sample import DRAW_BATCH

CELLS = 4  # a side: the maps of each layer are max-pooled to 4x4, as in the paper


def compute_discriminator_features(
    discriminator: Discriminator, images: np.ndarray, *, progress: str = "features"
) -> np.ndarray:
    """uint8 images (N, H, W, C) -> (N, features) float32.

    They are the outputs of all convolutional layers, each max-pooled to 4x4, or left as they are
    where they are smaller. A discriminator that takes labels is given zeros, so its features do not
    depend on labels. progress: the word before the progress bar.
    """
    compute_batch = tf.function(
        lambda batch: compute_features_of_batch(discriminator, batch), autograph=False
    )
    firsts = range(0, len(images), DRAW_BATCH)
    parts = [
        compute_batch(tf.constant(images[first : first + DRAW_BATCH])).numpy()
        for first in tqdm(firsts, desc=progress, unit="batch", disable=None)
    ]
    return np.concatenate(parts)


def compute_features_of_batch(discriminator: Discriminator, images: tf.Tensor) -> tf.Tensor:
    """uint8 (B, H, W, C) -> (B, features) float32."""
    x, y = ops.to_float(images), None
    if discriminator.config.joined_y_dim:
        y = tf.zeros((tf.shape(images)[0], discriminator.config.joined_y_dim))

    features = []
    for block in discriminator.blocks:
        x = block(x, y, training=False)
        pooled = pool_maximum_to_cells(x)
        # (B, h, w, c) -> (B, h * w * c)
        features.append(tf.reshape(pooled, (-1, np.prod(pooled.shape[1:]))))
    return tf.concat(features, 1)


def pool_maximum_to_cells(maps: tf.Tensor, cells: int = CELLS) -> tf.Tensor:
    """Maps (B, H, W, C) -> (B, min(H, cells), min(W, cells), C): the maximum of each cell.

    Where the sides are not multiples of `cells`, neighbouring cells share a row or a column.
    """
    for axis in (1, 2):
        parts = [
            tf.reduce_max(tf.gather(maps, range(start, end), axis=axis), axis)
            for start, end in list_cell_bounds(maps.shape[axis], cells)
        ]
        maps = tf.stack(parts, axis)
    return maps


def list_cell_bounds(size: int, cells: int) -> list[tuple[int, int]]:
    """(start, end) of each of min(size, cells) cells that cover `size` rows."""
    cells = min(size, cells)
    return [(cell * size // cells, -(-(cell + 1) * size // cells)) for cell in range(cells)]
