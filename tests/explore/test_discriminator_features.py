"""Features of the discriminator, against pooling by hand."""

import numpy as np
import pytest
import tensorflow as tf

import ops
from explore.discriminator_features import compute_discriminator_features, pool_maximum_to_cells
from model import Discriminator


def test_multiples_of_four_are_pooled_as_max_pooling_does():
    maps = tf.constant(np.random.default_rng(0).normal(size=(2, 8, 16, 3)), tf.float32)
    pooled = tf.nn.max_pool2d(maps, (2, 4), (2, 4), "VALID")
    np.testing.assert_array_equal(pool_maximum_to_cells(maps), pooled)


def test_other_sizes_share_rows_and_small_maps_stay():
    column = tf.reshape(tf.range(7.0), (1, 7, 1, 1))
    # Rows 0-1, 1-3, 3-5 and 5-6.
    np.testing.assert_array_equal(pool_maximum_to_cells(column)[0, :, 0, 0], [1, 3, 5, 6])
    np.testing.assert_array_equal(pool_maximum_to_cells(column[:, :3]), column[:, :3])


@pytest.mark.parametrize("changes", [{}, {"labels": "own", "label_names": ("a", "b")}])
@pytest.mark.parametrize("size", [{}, {"output_width": 24, "c_dim": 1}])
def test_features_are_those_of_every_block_batch_by_batch(tiny, changes, size):
    config = tiny(**changes, **size).resolve()
    discriminator = Discriminator(config.network_config())
    shape = (70, *discriminator.config.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    features = compute_discriminator_features(discriminator, images)

    y = np.zeros((1, config.y_dim), np.float32) if config.y_dim else None
    x, parts = ops.to_float(images[-1:]), []
    for block in discriminator.blocks:
        x = block(x, y, training=False)
        parts.append(pool_maximum_to_cells(x).numpy().ravel())
    assert features.shape == (70, len(np.concatenate(parts)))
    np.testing.assert_allclose(features[-1], np.concatenate(parts), rtol=1e-4, atol=1e-5)
