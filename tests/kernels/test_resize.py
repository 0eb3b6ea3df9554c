"""The merged kernel, against TensorFlow's resize and its stride-1 convolution."""

import numpy as np
import pytest
import tensorflow as tf

from kernels.resize import apply_conv_to_resized_maps


def resize_then_convolve(x, kernel, size):
    height, width = size
    resized = tf.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]), "nearest")
    maps = tf.nn.conv2d(resized, tf.transpose(kernel, (0, 1, 3, 2)), 1, "SAME")
    return maps[:, :height, :width]


@pytest.mark.parametrize("size", [(8, 10), (7, 9), (7, 10)])
@pytest.mark.parametrize("outputs", [3, 6])  # up to 4 go through sub-pixels
def test_one_convolution_is_a_resize_and_a_convolution_with_all_gradients(outputs, size):
    rng = np.random.default_rng(0)
    x, kernel = (
        tf.constant(rng.normal(size=(2, 4, 5, 4))),
        tf.constant(rng.normal(size=(3, 3, outputs, 4))),
    )
    upstream = rng.normal(size=(2, *size, outputs))
    found = []
    for function in (resize_then_convolve, apply_conv_to_resized_maps):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            maps = function(x, kernel, size)
            total = tf.reduce_sum(maps * upstream)
        found.append((maps, *tape.gradient(total, [x, kernel])))
    for plain, merged in zip(*found, strict=True):
        np.testing.assert_allclose(merged, plain, atol=1e-12)
