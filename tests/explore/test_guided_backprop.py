"""Guided backpropagation against a network that is small enough for pen and paper."""

import numpy as np
import pytest
import tensorflow as tf

import ops
from explore.guided_backprop import (
    apply_guided_leaky_relu,
    compute_guided_gradients,
    compute_last_responses,
)
from model import Discriminator

LABELS = {"labels": "own", "label_names": ("a", "b", "c")}


def test_the_rule_at_each_sign():
    x = tf.constant([2.0, 2.0, -2.0, -2.0, 0.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = apply_guided_leaky_relu(x)
    upstream = tf.constant([3.0, -3.0, 3.0, -3.0, 3.0])
    assert tape.gradient(y, x, upstream).numpy().tolist() == [3, 0, 0, 0, 0]
    assert y.numpy() == pytest.approx([2, 2, -0.4, -0.4, 0])


@pytest.fixture
def by_hand(tiny):
    """Two layers whose kernels read one pixel: from x, maps a = 2x and b = -x, then
    3 leaky(a) - 5 leaky(b), and with the signs the other way round.
    """
    config = tiny(c_dim=1, blocks=2, kernel_size=5, d_norm="none").resolve()
    discriminator = Discriminator(config.network_config())
    first, second = (block.conv for block in discriminator.blocks)
    for layer in (first, second):
        layer.kernel.assign(tf.zeros_like(layer.kernel))
    first.kernel[1, 1, 0, 0].assign(2.0)  # with stride 2 and "same", tap 1 reads pixel 2i
    first.kernel[1, 1, 0, 1].assign(-1.0)
    second.kernel[1, 1, 0, 0].assign(3.0)
    second.kernel[1, 1, 1, 0].assign(-5.0)
    second.kernel[1, 1, 0, 1].assign(-3.0)
    second.kernel[1, 1, 1, 1].assign(5.0)
    return discriminator


def test_gradients_by_hand(by_hand):
    images = np.zeros((2, 16, 16, 1), np.float32)
    images[0, 4, 8] = 0.5  # position 1, 2 of the last maps
    images[1, 12, 0] = -0.5  # position 3, 0
    images = tf.constant(images)

    # Image 0: a = 1, b = -0.5. Feature 0: 3 * 1 - 5 * (0.2 * -0.5) = 3.5.
    # Image 1: a = -1, b = 0.5. Feature 1: -3 * (0.2 * -1) + 5 * 0.5 = 3.1.
    maps = compute_last_responses(by_hand, images).numpy()
    assert maps[0, 1, 2, 0] == pytest.approx(3.5)
    assert maps[1, 3, 0, 1] == pytest.approx(3.1)

    # Feature 0 of image 0: through a, 3 * 2; b is off. (The plain gradient would be 6 + 5 * 0.2.)
    # Image 1: everywhere else is 0, as strong as it gets, where neither unit is on.
    expected = np.zeros((2, 16, 16, 1))
    expected[0, 4, 8] = 6
    found = compute_guided_gradients(by_hand, images, feature=0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)

    # Feature 1 of image 1: through b, 5 * -1; a is off. The image itself has no ReLU.
    expected = np.zeros((2, 16, 16, 1))
    expected[1, 12, 0] = -5
    found = compute_guided_gradients(by_hand, images, feature=1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
@pytest.mark.parametrize("labels", [{}, LABELS, LABELS | {"d_labels": "projection"}])
def test_responses_are_those_of_the_network(tiny, norm, labels):
    """With the leaky ReLU, they are the input of the network's last block's activation."""
    config = tiny(d_norm=norm, **labels).resolve()
    discriminator = Discriminator(config.network_config())
    rng = np.random.default_rng(0)
    for variable in discriminator.variables:
        if "moving_mean" in variable.path:
            variable.assign(rng.normal(size=variable.shape) / 10)
    images = tf.constant(rng.uniform(-1, 1, (3, 16, 16, 3)), tf.float32)
    y = tf.eye(3) if labels else None

    joined_y = y if config.network_config().joined_y_dim else None
    expected = images
    for block in discriminator.blocks:
        expected = block(expected, joined_y, training=False)
    responses = compute_last_responses(discriminator, images, y)
    np.testing.assert_allclose(ops.leaky_relu(responses), expected, rtol=1e-6)

    gradients = compute_guided_gradients(discriminator, images, y, feature=1).numpy()
    assert gradients.shape == images.shape
    alone = compute_guided_gradients(
        discriminator, images[1:2], None if y is None else y[1:2], feature=1
    )
    np.testing.assert_allclose(gradients[1:2], alone, rtol=1e-4, atol=1e-7)
    assert np.abs(gradients).max() > 0
