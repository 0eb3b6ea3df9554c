"""Features of a discriminator: their number by the rule, the pooling by hand, and no labels."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import ops
from explore.discriminator_features import (
    GRID,
    compute_discriminator_features,
    divide_side,
    list_feature_counts,
    pool_to_grid,
)
from model import Discriminator


def images_of(network, count=3):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *network.image_shape), dtype=np.uint8)


def test_the_papers_network_has_28_672_features(tiny):
    widths = (128, 128, 256, 256, 512, 512)
    config = tiny(output_height=256, blocks=6, d_widths=widths, stem_width=512)
    network = config.network_config()
    assert list_feature_counts(network) == [16 * width for width in widths]
    features = compute_discriminator_features(Discriminator(network), images_of(network, 1))
    assert features.shape == (1, 28_672)
    assert features.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        # The maps of MNIST's network are 14x14 and 7x7, so that every cell exists.
        ({"output_height": 28, "blocks": 2, "c_dim": 1, "d_widths": (4, 6)}, [64, 96]),
        # 10x22 -> 5x11 -> 3x6 -> 2x3: the last two have rows of fewer than four.
        (
            {"output_height": 10, "output_width": 22, "blocks": 3, "d_widths": (4, 4, 4)},
            [64, 48, 24],
        ),
        ({"c_dim": 4, "d_norm": "spectral", "d_widths": (4, 8)}, [64, 128]),
        ({"labels": "own", "label_names": ("a", "b"), "d_widths": (4, 8)}, [64, 128]),
    ],
)
def test_lengths_of_other_networks(tiny, changes, counts):
    network = tiny(**changes).network_config()
    assert list_feature_counts(network) == counts
    features = compute_discriminator_features(Discriminator(network), images_of(network))
    assert features.shape == (3, sum(counts))


def test_pooling_by_hand():
    # Rows 0..6 of a 7x2 map: cells (0), (1, 2), (3, 4), (5, 6); the two columns stay apart.
    column = [[9, -1], [1, 0], [2, -5], [7, 3], [6, 4], [0, 0], [-1, 8]]
    pooled = pool_to_grid(tf.constant(column, tf.float32)[None, :, :, None])
    assert pooled[0, ..., 0].numpy().tolist() == [[9, -1], [2, 0], [7, 4], [0, 8]]


def test_pooling_equals_max_pool_where_the_grid_divides_the_map():
    maps = tf.random.stateless_normal((2, 8, 16, 3), (1, 2))
    assert (pool_to_grid(maps) == tf.nn.max_pool2d(maps, (2, 4), (2, 4), "VALID")).numpy().all()


@pytest.mark.parametrize("pixels", range(1, 40))
def test_a_side_is_divided_evenly_and_whole(pixels):
    cells = divide_side(pixels)
    assert [pixel for start, stop in cells for pixel in range(start, stop)] == [*range(pixels)]
    sides = {stop - start for start, stop in cells}
    assert max(sides) - min(sides) <= 1
    assert len(cells) == min(pixels, GRID)


def test_the_last_features_are_what_the_head_sees(tiny):
    """At 4x4, pooling changes nothing: the logits follow from the features alone."""
    network = tiny().network_config()
    discriminator, images = Discriminator(network), images_of(network)
    last = compute_discriminator_features(discriminator, images)[:, -network.features :]
    logits = discriminator(ops.to_float(images))
    assert discriminator.head(tf.constant(last)).numpy() == pytest.approx(logits.numpy(), abs=1e-6)


def test_labels_are_zeros_unless_given(tiny):
    network = tiny(labels="own", label_names=("a", "b")).network_config()
    discriminator, images = Discriminator(network), images_of(network)
    zeros = np.zeros((3, 2), np.float32)
    without = compute_discriminator_features(discriminator, images)
    assert (without == compute_discriminator_features(discriminator, images, zeros)).all()
    assert (without != compute_discriminator_features(discriminator, images, 1 - zeros)).any()
    projected = Discriminator(dataclasses.replace(network, d_labels="projection"))
    one, other = (compute_discriminator_features(projected, images, y) for y in (zeros, 1 - zeros))
    assert (one == other).all()  # there, labels come after the convolutions


def test_rows_are_taken_in_their_order_and_batches_do_not_matter(tiny):
    network = tiny(labels="own", label_names=("a", "b")).network_config()
    discriminator, images = Discriminator(network), images_of(network, 70)
    y = np.eye(2, dtype=np.float32)[np.arange(70) % 2]
    every = compute_discriminator_features(discriminator, images, y)
    some = compute_discriminator_features(discriminator, images, y, rows=np.array([69, 3, 3]))
    assert some == pytest.approx(every[[69, 3, 3]], abs=1e-5)
