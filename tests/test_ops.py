import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

import ops


def numpy_conv(image, kernel, bias, padding="same"):
    """Stride 2, by the definition: image (H, W, I), kernel (k, k, I, O)."""
    height, width, _ = image.shape
    k = kernel.shape[0]
    out_height, out_width = -(-height // 2), -(-width // 2)
    pads = [max((o - 1) * 2 + k - i, 0) for o, i in ((out_height, height), (out_width, width))]
    before = [p // 2 if padding == "same" else (k - 1) // 2 for p in pads]
    padded = np.pad(image, [(b, p - b) for p, b in zip(pads, before, strict=True)] + [(0, 0)])
    out = np.empty((out_height, out_width, kernel.shape[-1]))
    for y in range(out_height):
        for x in range(out_width):
            patch = padded[2 * y : 2 * y + k, 2 * x : 2 * x + k]
            out[y, x] = np.tensordot(patch, kernel, 3) + bias
    return out


@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 6)])
@pytest.mark.parametrize("padding", ["same", "symmetric"])
def test_conv_is_the_definition(kernel_size, size, padding):
    rng = np.random.default_rng(0)
    layer = ops.Conv(2, 3, kernel_size=kernel_size, padding=padding, name="conv", seed=0)
    layer.bias.assign(rng.normal(size=3))
    image = rng.normal(size=(*size, 2)).astype(np.float32)
    expected = numpy_conv(image, layer.kernel.numpy(), layer.bias.numpy(), padding)
    np.testing.assert_allclose(layer(image[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (7, 8)])
@pytest.mark.parametrize("padding", ["same", "symmetric"])
def test_conv_transpose_is_the_adjoint_of_conv(kernel_size, size, padding):
    """<conv(x), y> = <x, conv_transpose(y)> for the same kernel (Dumoulin & Visin 2016, section
    4.1).
    """
    rng = np.random.default_rng(0)
    down = ops.Conv(2, 3, kernel_size=kernel_size, padding=padding, name="down", seed=0)
    up = ops.ConvTranspose(
        3, 2, size=size, kernel_size=kernel_size, padding=padding, name="up", seed=0
    )
    up.kernel.assign(down.kernel)
    x = rng.normal(size=(1, *size, 2)).astype(np.float32)
    y = rng.normal(size=(1, -(-size[0] // 2), -(-size[1] // 2), 3)).astype(np.float32)
    np.testing.assert_allclose(np.sum(down(x) * y), np.sum(x * up(y)), rtol=1e-4)


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
def test_resize_conv_is_the_definition(size):
    """By NumPy: pixels repeated, zeros around them, nine products per pixel; an odd side is cut."""
    rng = np.random.default_rng(0)
    layer = ops.ResizeConv(3, 2, size=size, name="up", seed=0)
    layer.bias.assign(rng.normal(size=2))
    x = rng.normal(size=(4, 3, 3)).astype(np.float32)
    padded = np.pad(x.repeat(2, 0).repeat(2, 1), [(1, 1), (1, 1), (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
    expected = np.einsum("hwcij,ijoc->hwo", patches, layer.kernel) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x[None])[0], expected[: size[0], : size[1]], atol=1e-6)


@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("outputs", [3, 8])
def test_a_smoothed_layer_is_the_layer_and_then_a_mean(kernel_size, padding, outputs):
    """Away from the border, where the layer draws on beyond the image."""
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 5)).astype(np.float32)
    options = {"size": (12, 13), "kernel_size": kernel_size, "padding": padding, "seed": 0}
    plain = ops.ConvTranspose(5, outputs, name="plain", **options)
    smooth = ops.ConvTranspose(5, outputs, name="smooth", smooths=True, **options)
    smooth.kernel.assign(plain.kernel)
    plain.bias.assign(tf.range(float(outputs)))
    smooth.bias.assign(plain.bias)

    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = ndimage.correlate(plain(x).numpy(), weights[None, :, :, None], mode="nearest")
    np.testing.assert_allclose(smooth(x)[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-6)


def test_a_smoothed_layer_draws_no_checkerboard():
    """Whatever its kernel is, for an input that is the same everywhere."""
    layer = ops.ConvTranspose(2, 1, size=(16, 16), kernel_size=4, smooths=True, name="a", seed=0)
    image = layer(np.ones((1, 8, 8, 2), np.float32)).numpy()[0, 2:-2, 2:-2, 0]
    np.testing.assert_allclose(image, image[0, 0], rtol=1e-5)


def test_batch_norm_matches_numpy_and_keeps_moving_statistics():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=(4, 5, 6, 7)).astype(np.float32)
    layer = ops.BatchNorm(7, name="norm")
    layer.gamma.assign(rng.normal(1, 0.1, 7))
    layer.beta.assign(rng.normal(0, 0.1, 7))
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-4)

    count = x.size / 7
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(
        layer.moving_variance, 0.9 + 0.1 * variance * count / (count - 1), rtol=1e-5
    )
    moving_mean, moving_variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    expected = gamma * (x - moving_mean) / np.sqrt(moving_variance + 1e-5) + beta
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-4)
    np.testing.assert_array_equal(layer.moving_mean, moving_mean)


@pytest.mark.parametrize("shape", [(6, 5), (6, 3, 4, 5)])
def test_batch_norm_by_the_batch_is_numpys_and_moves_nothing(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=shape).astype(np.float32)
    layer = ops.BatchNorm(5, epsilon=1e-8, statistics="batch", name="norm")
    axes = tuple(range(len(shape) - 1))
    expected = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-8)
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(5))


@pytest.mark.parametrize("shape", [(6, 5), (6, 3, 4, 5)])
def test_batch_norm_over_replicas_is_the_fused_op_where_there_is_one(shape):
    """Its result, its statistics and its gradients; tests/replicas_against_one.py has several."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(1, 2, shape), tf.float32)
    layer = ops.BatchNorm(5, name="norm")
    layer.gamma.assign(rng.normal(1, 0.1, 5))
    weights = [layer.gamma.value, layer.beta.value]

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        fused = layer(x, training=True)
        maps, mean, variance = ops.normalize_over_replicas(x, *weights, layer.epsilon)
        losses = [tf.reduce_sum(tf.sin(y)) for y in (fused, maps)]
    np.testing.assert_allclose(maps, fused, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5)
    pairs = zip(*(tape.gradient(loss, [x, *weights]) for loss in losses), strict=True)
    for expected, gradient in pairs:
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def spectral_layers():
    seed = keras.random.SeedGenerator(5)
    conv = ops.Conv(8, 6, kernel_size=4, name="conv", seed=seed)
    for layer in (conv, ops.Dense(9, 7, name="dense", seed=seed)):
        layer.add_spectral_norm(seed)
        for _ in range(300):
            layer.iterate_spectral_norm()
        yield layer


@pytest.mark.parametrize("layer", spectral_layers(), ids=lambda layer: layer.name)
def test_spectral_norm_leaves_a_largest_singular_value_of_one(layer):
    """Against NumPy's decomposition of the kernel as a matrix (inputs, outputs)."""
    matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
    sigma = np.linalg.svd(matrix, compute_uv=False)[0]
    normalized = layer.read_kernel("float32").numpy().reshape(matrix.shape)
    np.testing.assert_allclose(normalized, matrix / sigma, rtol=1e-4, atol=1e-6)
    # No two outputs are further apart than their inputs (Miyato et al. 2018, equation 6).
    x = np.random.default_rng(0).normal(size=(50, len(matrix))).astype(np.float32)
    assert (np.linalg.norm(x @ normalized, axis=1) <= 1.0001 * np.linalg.norm(x, axis=1)).all()
    assert layer.read_kernel("bfloat16").dtype == tf.bfloat16


def test_the_gradient_goes_through_the_spectral_norm():
    """Against finite differences of W / (its largest singular value), by NumPy, in float64."""
    rng = np.random.default_rng(0)
    matrix, weights = rng.normal(size=(2, 5, 3))  # (inputs, outputs)
    u = np.linalg.svd(matrix)[2][0]

    def loss(matrix):
        return np.sum(weights * matrix / np.linalg.svd(matrix, compute_uv=False)[0])

    with tf.GradientTape() as tape:
        kernel = tf.constant(matrix)
        tape.watch(kernel)
        value = tf.reduce_sum(weights * ops.divide_by_spectral_norm(kernel, tf.constant(u)))
    steps = 1e-6 * np.eye(matrix.size).reshape(-1, *matrix.shape)
    slopes = [(loss(matrix + step) - loss(matrix - step)) / 2e-6 for step in steps]
    assert float(value) == pytest.approx(loss(matrix))
    np.testing.assert_allclose(tape.gradient(value, kernel).numpy().ravel(), slopes, rtol=1e-6)


@pytest.mark.parametrize("by", [lambda function: function, tf.function], ids=["eager", "graph"])
def test_the_second_derivative_goes_through_the_spectral_norm(by):
    """Against W / |W^T u|, which TensorFlow differentiates twice."""
    rng = np.random.default_rng(0)
    kernel, first, second = (tf.constant(rng.normal(size=(2, 2, 5, 3))) for _ in range(3))
    u = tf.constant([0.6, 0.0, 0.8], tf.float64)

    def divide_plainly(kernel, u):
        return kernel / tf.norm(tf.linalg.matvec(tf.reshape(kernel, (-1, 3)), u))

    def differentiate_twice(divide):
        with tf.GradientTape() as outer:
            outer.watch([kernel, first])
            with tf.GradientTape() as inner:
                inner.watch(kernel)
                normalized = divide(kernel, u)
            value = tf.reduce_sum(inner.gradient(normalized, kernel, first) * second)
        return outer.gradient(value, [kernel, first])

    ours = by(lambda: differentiate_twice(ops.divide_by_spectral_norm))()
    for one, other in zip(ours, differentiate_twice(divide_plainly), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_kernel_of_zeros_stays_finite_under_spectral_norm():
    kernel, u = tf.zeros((3, 4)), tf.ones((4,)) / 2
    assert np.array_equal(ops.divide_by_spectral_norm(kernel, u), kernel)
    assert np.isfinite(ops.iterate_power(kernel, u)).all()


def test_join_puts_labels_beside_units_and_maps():
    y = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    x = tf.reshape(tf.range(24.0), (2, 2, 2, 3))
    joined = ops.join_labels(x, y).numpy()
    np.testing.assert_array_equal(joined[..., :3], x)
    assert (joined[0, ..., 3:] == [1, 0]).all()
    assert (joined[1, ..., 3:] == [0, 1]).all()
    np.testing.assert_array_equal(ops.join_labels(tf.zeros((2, 1)), y), [[0, 1, 0], [0, 0, 1]])
    assert ops.join_labels(x, None) is x


def test_layers_compute_in_the_dtype_of_their_input():
    dense = ops.Dense(4, 2, name="dense", seed=0)
    conv = ops.Conv(2, 2, kernel_size=5, name="conv", seed=0)
    for dtype in (tf.float32, tf.bfloat16, tf.float16):
        assert dense(tf.zeros((1, 4), dtype)).dtype == dtype
        assert conv(tf.zeros((1, 4, 4, 2), dtype)).dtype == dtype
    assert dense.kernel.dtype == "float32"


def test_initialisers_are_the_originals():
    dense = ops.Dense(200, 200, name="dense", seed=0).kernel.numpy()
    conv = ops.Conv(64, 64, kernel_size=5, name="conv", seed=0).kernel.numpy()
    assert dense.std() == pytest.approx(0.02, rel=0.02)
    assert abs(dense).max() > 0.06
    assert abs(conv).max() <= 0.04 + 1e-6  # redrawn beyond two standard deviations
    plain = ops.Conv(
        64, 64, kernel_size=5, initializer=ops.normal_initializer, bias=False, name="conv", seed=0
    )
    assert abs(plain.kernel.numpy()).max() > 0.06
    assert plain.bias is None
    layer = ops.BatchNorm(4096, name="norm")
    layer.draw_initial_gain(0.02, seed=0)
    gain = layer.gamma.numpy()
    assert (gain.mean(), gain.std()) == (pytest.approx(1, abs=0.001), pytest.approx(0.02, rel=0.05))


@pytest.mark.parametrize(
    ("z_dist", "low", "high", "mean", "deviation"),
    [
        ("uniform_signed", -1, 1, 0, 3**-0.5),
        ("uniform_unsigned", 0, 1, 0.5, 12**-0.5),
        ("normal01", -np.inf, np.inf, 0, 1),
    ],
)
def test_latents_are_seeded_draws(z_dist, low, high, mean, deviation):
    def draw(seed, count, stream=0):
        return ops.latents(seed, count, z_dim=100, z_dist=z_dist, stream=stream).numpy()

    z = draw(0, 1000)
    assert z.min() >= low
    assert z.max() <= high
    assert z.mean() == pytest.approx(mean, abs=0.02)
    assert z.std() == pytest.approx(deviation, rel=0.02)
    np.testing.assert_array_equal(draw(0, 10), z[:10])
    assert not np.array_equal(draw(1, 10), z[:10])
    assert not np.array_equal(draw(0, 10, stream=1), z[:10])


def test_pixels_survive_the_way_to_floats_and_back():
    levels = tf.range(256)
    floats = ops.to_float(tf.cast(levels, tf.uint8))
    assert (float(floats[0]), float(floats[-1])) == (-1.0, 1.0)
    np.testing.assert_array_equal(ops.to_uint8(floats), levels)
    np.testing.assert_array_equal(ops.to_uint8(tf.constant([-2.0, 2.0])), [0, 255])


# Images of each group: 8 are two of the paper's; 7 and 3 are one; 10 are two of five.
GROUPS = {
    8: [[0, 2, 4, 6], [1, 3, 5, 7]],
    10: [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]],
    7: [[0, 1, 2, 3, 4, 5, 6]],
    3: [[0, 1, 2]],
    1: [[0]],
}


@pytest.mark.parametrize("count", GROUPS)
def test_a_map_says_how_much_the_images_of_a_group_differ(count):
    maps = np.random.default_rng(0).normal(2, 3, (count, 2, 3, 5)).astype(np.float32)
    joined = ops.join_batch_deviation(tf.constant(maps)).numpy()
    np.testing.assert_array_equal(joined[..., :5], maps)
    for group in GROUPS[count]:
        expected = np.sqrt(maps[group].var(0) + 1e-8).mean()
        np.testing.assert_allclose(joined[group, ..., 5], expected, rtol=1e-5)


def test_the_deviation_has_numpys_slope_and_none_among_equal_images():
    """Against finite differences, in float64; of images that are all the same, 0, not NaN."""
    x = np.random.default_rng(0).normal(size=(5, 3))

    def deviate(x):
        return np.sqrt(x.var(0) + 1e-8).mean()

    slopes = []
    for images in (x, np.ones_like(x)):
        with tf.GradientTape() as tape:
            tape.watch(images := tf.constant(images, tf.float32))
            first = ops.measure_batch_deviation(images)[0, 0]
        slopes.append(tape.gradient(first, images).numpy())
    steps = 1e-6 * np.eye(x.size).reshape(-1, *x.shape)
    expected = [(deviate(x + step) - deviate(x - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(slopes[0].ravel(), expected, atol=1e-5)
    np.testing.assert_allclose(slopes[1], 0, atol=1e-4)


def test_dropout_takes_its_share_and_scales_the_rest():
    x = tf.random.stateless_uniform((64, 500), (0, 0), 1, 2)
    key = tf.constant([3, 7], tf.int64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = ops.drop_units(x, 0.4, key)
    is_kept = found.numpy() != 0
    np.testing.assert_allclose(found, np.where(is_kept, x / 0.6, 0), rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(found, x), is_kept / 0.6, rtol=1e-6)
    # Five standard deviations of a share of 32,000 coins; of the share of one image's and number's
    assert abs(is_kept.mean() - 0.6) < 5 * (0.24 / is_kept.size) ** 0.5
    assert (abs(is_kept.mean(0) - 0.6) < 5 * (0.24 / 64) ** 0.5).all()
    assert (abs(is_kept.mean(1) - 0.6) < 5 * (0.24 / 500) ** 0.5).all()


def test_dropout_is_a_function_of_its_key_alone_also_in_xla():
    x, key = tf.ones((8, 50)), tf.constant([3, 7], tf.int64)
    found = ops.drop_units(x, 0.4, key).numpy()
    jitted = tf.function(ops.drop_units, jit_compile=True, autograph=False)
    np.testing.assert_array_equal(ops.drop_units(x, 0.4, key), found)
    np.testing.assert_allclose(jitted(x, 0.4, key), found, rtol=1e-6)
    for other in ([4, 7], [3, 8]):
        agree = np.mean(ops.drop_units(x, 0.4, tf.constant(other, tf.int64)) == found)
        assert (
            abs(agree - 0.52) < 5 * (0.25 / 400) ** 0.5
        )  # 0.6^2 + 0.4^2, as for independent draws
