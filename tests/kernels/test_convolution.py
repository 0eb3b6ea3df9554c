"""The rearranged convolutions against TensorFlow's own ops and gradients."""

import numpy as np
import pytest
import tensorflow as tf

from kernels import convolution

SIDES = [(8, 8), (7, 12), (16, 13), (21, 22)]  # maps on both sides of SMALL_MAP
CHANNELS = [(3, 8), (1, 5), (6, 4), (4, 3)]


def plain_conv(x, kernel, padding):
    if padding == "same":
        return tf.nn.conv2d(x, kernel, 2, "SAME")
    zeros = [
        (0, 0),
        *(convolution.choose_conv_padding(padding, side, kernel.shape[0]) for side in x.shape[1:3]),
        (0, 0),
    ]
    return tf.nn.conv2d(x, kernel, 2, zeros)


def random(*shape, dtype=tf.float64):
    return tf.cast(np.random.default_rng(sum(shape)).normal(size=shape), dtype)


def gradients_of(function, x, kernel):
    """(output, its gradient by x, and by the kernel) for an upstream gradient that varies
    everywhere.
    """
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = function(x, kernel)
        loss = tf.reduce_sum(y * random(*y.shape, dtype=y.dtype))
    return (y, *tape.gradient(loss, [x, kernel]))


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("sides", SIDES)
def test_convolution_is_tensorflows(sides, channels, kernel_size, padding):
    x, kernel = random(3, *sides, channels[0]), random(kernel_size, kernel_size, *channels)
    ours = gradients_of(lambda x, k: convolution.apply_strided_conv(x, k, padding), x, kernel)
    plain = gradients_of(lambda x, k: plain_conv(x, k, padding), x, kernel)
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("sides", SIDES)
def test_transpose_is_the_gradient_of_the_convolution(sides, channels, kernel_size, padding):
    kernel = random(kernel_size, kernel_size, *channels)
    small = random(3, *(-(-side // 2) for side in sides), channels[1])

    def plain(y, kernel):
        with tf.GradientTape() as tape:
            x = tf.zeros((3, *sides, channels[0]), tf.float64)
            tape.watch(x)
            shrunk = plain_conv(x, kernel, padding)
        return tape.gradient(shrunk, x, y)

    ours = gradients_of(
        lambda y, k: convolution.apply_strided_conv_transpose(y, k, sides, padding), small, kernel
    )
    for one, other in zip(ours, gradients_of(plain, small, kernel), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
def test_every_form_agrees_in_every_dtype(dtype, monkeypatch):
    """The CPU forms against the GPU forms: to float32's rounding, and to two or three bits of the
    low precisions.
    """
    tolerance = {tf.float32: 1e-5, tf.bfloat16: 2e-2, tf.float16: 5e-3}[dtype]
    x, kernel = random(5, 8, 8, 3, dtype=dtype), random(5, 5, 3, 16, dtype=dtype)
    ours = gradients_of(lambda x, k: convolution.apply_strided_conv(x, k, "same"), x, kernel)
    monkeypatch.setattr(convolution, "convolves_on_cpu", lambda: False)
    plain = gradients_of(lambda x, k: convolution.apply_strided_conv(x, k, "same"), x, kernel)
    for one, other in zip(ours, plain, strict=True):
        assert one.dtype == dtype
        one, other = tf.cast(one, tf.float64).numpy(), tf.cast(other, tf.float64).numpy()
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def second_derivatives_of(function, x, kernel):
    """The second derivatives that an upstream gradient combines: of a sum over both first ones, by
    x, by the kernel and by that upstream gradient.
    """
    upstream = random(*function(x, kernel).shape)
    sources = [x, kernel, upstream]
    with tf.GradientTape() as outer:
        outer.watch(sources)
        with tf.GradientTape() as inner:
            inner.watch([x, kernel])
            y = function(x, kernel)
        first = inner.gradient(y, [x, kernel], upstream)
        loss = sum(tf.reduce_sum(d * random(*d.shape)) for d in first)
    return outer.gradient(loss, sources)


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize(("sides", "channels"), zip(SIDES, CHANNELS, strict=True))
def test_second_derivatives_are_tensorflows(sides, channels, kernel_size, padding):
    """As a penalty on gradients takes them, for the convolution and for its transpose."""
    kernel = random(kernel_size, kernel_size, *channels)
    large = random(2, *sides, channels[0])
    small = random(2, *(-(-side // 2) for side in sides), channels[1])

    def plain_transpose(y, kernel):
        with tf.GradientTape() as tape:
            tape.watch(large)
            shrunk = plain_conv(large, kernel, padding)
        return tape.gradient(shrunk, large, y)

    def transpose(y, kernel):
        return convolution.apply_strided_conv_transpose(y, kernel, sides, padding)

    pairs = [
        (lambda x, k: convolution.apply_strided_conv(x, k, padding), large),
        (lambda x, k: plain_conv(x, k, padding), large),
        (transpose, small),
        (plain_transpose, small),
    ]
    ours, plain, ours_transposed, plain_transposed = (
        second_derivatives_of(function, x, kernel) for function, x in pairs
    )
    for one, other in zip([*ours, *ours_transposed], [*plain, *plain_transposed], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_second_derivatives_take_the_fast_forms_too():
    """A penalty's graph has no ops at which oneDNN is slow: small maps' kernel gradient, and
    enlarging to an image.
    """

    @tf.function(autograph=False)
    def differentiate_penalty(x, kernels):
        with tf.GradientTape() as outer:
            outer.watch(kernels)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = x
                for kernel in kernels:
                    y = convolution.apply_strided_conv(y, kernel, "same")
            penalty = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(penalty, kernels)

    x, kernels = random(2, 16, 16, 3), [random(4, 4, 3, 8), random(4, 4, 8, 8)]
    operations = differentiate_penalty.get_concrete_function(x, kernels).graph.get_operations()
    kinds = [operation.type for operation in operations]
    assert "Conv2DBackpropFilter" not in kinds
    # The remaining one enlarges the second layer's maps to the 8 maps of the first.
    assert kinds.count("Conv2DBackpropInput") == 1
