"""The matrix products against TensorFlow's own convolutions, in value and in all derivatives."""

import numpy as np
import pytest
import tensorflow as tf

from kernels import convolution
from kernels.products import (
    correlate_maps_by_product,
    enlarge_maps_by_product,
    shrink_maps_by_product,
)

SIDES = [(8, 8), (7, 12), (16, 13), (9, 4)]
ALWAYS = dict.fromkeys(("shrink", "enlarge", "correlate"), (1, 0))


def random(*shape, dtype=tf.float64):
    return tf.cast(np.random.default_rng(sum(shape)).normal(size=shape), dtype)


def list_pads(sides, kernel_size, padding):
    return tuple(convolution.choose_conv_padding(padding, side, kernel_size) for side in sides)


def compute_plainly(large, small, kernel, padding):
    """What the three products give, by TensorFlow's convolution and its gradients."""
    pads = list_pads(large.shape[1:3], kernel.shape[0], padding)
    with tf.GradientTape() as tape:
        tape.watch([large, kernel])
        shrunk = tf.nn.conv2d(tf.pad(large, [(0, 0), *pads, (0, 0)]), kernel, 2, "VALID")
    enlarged, correlated = tape.gradient(shrunk, [large, kernel], small)
    return shrunk, enlarged, correlated


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float64, 1e-12), (tf.bfloat16, 1e-2)])
def test_they_are_the_convolution_and_its_gradients(sides, kernel_size, padding, dtype, tolerance):
    large = random(3, *sides, 6, dtype=dtype)
    small = random(3, *(-(-side // 2) for side in sides), 10, dtype=dtype)
    kernel = random(kernel_size, kernel_size, 6, 10, dtype=dtype)
    pads = list_pads(sides, kernel_size, padding)
    ours = (
        shrink_maps_by_product(large, kernel, pads),
        enlarge_maps_by_product(small, kernel, sides, pads),
        correlate_maps_by_product(large, small, kernel_size, pads),
    )
    exact = [tf.cast(values, tf.float64) for values in (large, small, kernel)]
    for one, other in zip(ours, compute_plainly(*exact, padding), strict=True):
        assert one.dtype == dtype
        error = np.abs(tf.cast(one, tf.float64) - other).max()
        assert error < tolerance * np.abs(other).max()


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("sides", SIDES)
def test_derivatives_of_any_order_are_those_of_the_plain_forms(
    sides, kernel_size, padding, monkeypatch
):
    """Of a convolution and of the transposed one after it: values, first and second derivatives."""
    monkeypatch.setattr(convolution, "PRODUCTS", ALWAYS)
    x, kernel = random(2, *sides, 5), random(kernel_size, kernel_size, 5, 7)

    def differentiate(forms):
        with convolution.use_kernel_forms(forms), tf.GradientTape() as outer:
            outer.watch([x, kernel])
            with tf.GradientTape() as inner:
                inner.watch([x, kernel])
                small = convolution.apply_strided_conv(x, kernel, padding)
                large = convolution.apply_strided_conv_transpose(small, kernel, sides, padding)
                loss = tf.reduce_sum(large**3)
            first = inner.gradient(loss, [x, kernel])
            slope = sum(tf.reduce_sum(each * random(*each.shape)) for each in first)
            return [large, *first, *outer.gradient(slope, [x, kernel])]

    plain, products = differentiate("plain"), differentiate("products")
    for one, other in zip(products, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(other).max())
    assert any(np.any(a.numpy() != b.numpy()) for a, b in zip(products, plain, strict=True))
