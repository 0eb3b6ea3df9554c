"""What a discriminator sees in images, as one vector each (Radford et al. 2016, section 5.1)."""

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import ops
from config.network import NetworkConfig
from model import Discriminator
from sample import DRAW_BATCH

GRID = 4  # each map is reduced to GRID x GRID, as in the paper


def compute_discriminator_features(
    discriminator: Discriminator, images, y=None, *, rows=None
) -> np.ndarray:
    """float32 (N, features) of images uint8 (N, H, W, C): all their layers' maps, on 4x4 grids.

    The output of each block (convolution, norm, leaky ReLU), from the first to the last, is reduced
    by `pool_to_grid` and flattened in the order (h, w, map). A vector has the sum of
    `list_feature_counts` entries.

    y: (N, y_dim) float32 for a discriminator with labels; None: zeros, which tell it nothing. rows:
    indices (n,); only these images, in their order.
    """
    count = len(images) if rows is None else len(rows)
    features = np.empty((count, sum(list_feature_counts(discriminator.config))), np.float32)
    start = 0
    for batch in iterate_feature_batches(discriminator, images, y, rows=rows):
        features[start : start + len(batch)] = batch
        start += len(batch)
    return features


def iterate_feature_batches(
    discriminator: Discriminator, images, y=None, *, rows=None
) -> Iterator[np.ndarray]:
    """Like `compute_discriminator_features`, but DRAW_BATCH images at a time, or fewer at the end.

    Memory: one batch, whatever N is.
    """
    config = discriminator.config
    compute = tf.function(
        lambda images, y: compute_features_of_batch(discriminator, images, y),
        autograph=False,
        reduce_retracing=True,
    )
    rows = np.arange(len(images)) if rows is None else rows
    with tqdm(total=len(rows), unit="img", desc="features", disable=None, leave=False) as bar:
        for start in range(0, len(rows), DRAW_BATCH):
            part = rows[start : start + DRAW_BATCH]
            zeros = np.zeros((len(part), config.y_dim), np.float32)
            labels = zeros if y is None else y[part]
            yield compute(images[part], labels if config.y_dim else None).numpy()
            bar.update(len(part))


def compute_features_of_batch(discriminator: Discriminator, images, y) -> tf.Tensor:
    """images uint8 (B, H, W, C), with labels y (B, y_dim), else None -> (B, features) float32."""
    joined_y = y if discriminator.config.joined_y_dim else None
    x = ops.to_float(images)
    layers = []
    for block in discriminator.blocks:
        x = block(x, joined_y, training=False)
        pooled = pool_to_grid(x)
        layers.append(tf.reshape(pooled, (tf.shape(x)[0], -1)))  # (B, 4, 4, c) -> (B, 16 * c)
    return tf.concat(layers, 1)


def pool_to_grid(maps: tf.Tensor) -> tf.Tensor:
    """The largest value in each cell of a GRID x GRID grid: (B, h, w, c) -> (B, 4, 4, c).

    The sides of the cells differ by at most one pixel. A side of fewer than GRID pixels is kept as
    it is.
    """
    for axis in (1, 2):
        cells = [
            tf.reduce_max(tf.gather(maps, tf.range(start, stop), axis=axis), axis)
            for start, stop in divide_side(maps.shape[axis])
        ]
        maps = tf.stack(cells, axis)
    return maps


def divide_side(pixels: int) -> list[tuple[int, int]]:
    """(start, stop) of each cell along a side; of 7 pixels: (0, 1), (1, 3), (3, 5), (5, 7)."""
    cells = min(pixels, GRID)
    edges = [cell * pixels // cells for cell in range(cells + 1)]
    return list(itertools.pairwise(edges))


def list_feature_counts(config: NetworkConfig) -> list[int]:
    """How many features each layer gives, from the first to the last.

    With six layers of 128, 128, 256, 256, 512 and 512 maps, as in the paper's network for ImageNet,
    their sum is 28,672.
    """
    sizes = reversed(config.sizes[:-1])  # of the maps after each block
    pairs = zip(sizes, config.discriminator_widths, strict=True)
    return [min(height, GRID) * min(width, GRID) * maps for (height, width), maps in pairs]
