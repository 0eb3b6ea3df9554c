import itertools

import numpy as np
import pytest
import tensorflow as tf
from inputs import LABELLED, batch

import ops
from config.settings import SETTINGS
from gan import DCGAN
from losses import (
    LOSSES,
    PENALTIES,
    Loss,
    choose_loss,
    decay_penalty,
    discriminator_bce,
    generator_bce,
    judge_with_slopes,
)
from model import Discriminator

REAL, FAKE = np.array([[-3.0], [0.5]], np.float32), np.array([[2.0], [-0.1]], np.float32)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def test_bce_is_the_closed_form():
    """-E log D(x), -E log(1 - D(G(z))), and for the generator -E log D(G(z))."""
    of_real, of_fake = discriminator_bce(tf.constant(REAL), tf.constant(FAKE))
    assert float(of_real) == pytest.approx(-np.log(sigmoid(REAL)).mean(), rel=1e-5)
    assert float(of_fake) == pytest.approx(-np.log(1 - sigmoid(FAKE)).mean(), rel=1e-5)
    assert float(generator_bce(None, tf.constant(FAKE))) == pytest.approx(
        -np.log(sigmoid(FAKE)).mean(), rel=1e-5
    )


def test_bce_of_a_discriminator_that_cannot_tell_is_log_2():
    zeros = tf.zeros((3, 1))
    values = [*discriminator_bce(zeros, zeros), generator_bce(None, zeros)]
    assert np.allclose(values, np.log(2))


def test_smoothed_labels_are_a_cross_entropy_with_targets_below_1():
    """-a log D(x) - (1 - a) log(1 - D(x)) of reals, a = 0.8; fakes and the generator as before."""
    real, fake, plain = tf.constant(REAL), tf.constant(FAKE), LOSSES["bce"]
    loss = choose_loss("bce", 0.2)
    of_real, of_fake = loss.discriminator(real, fake)
    expected = -(0.8 * np.log(sigmoid(REAL)) + 0.2 * np.log(1 - sigmoid(REAL))).mean()
    assert float(of_real) == pytest.approx(expected, rel=1e-5)
    assert float(of_fake) == float(plain.discriminator(real, fake)[1])
    assert loss.generator is plain.generator


# Each as in its paper, for one real and one fake batch: (D on reals, D on fakes, G).
FORMULAS = {
    "hinge": lambda x, g: (-np.minimum(0, x - 1).mean(), -np.minimum(0, -1 - g).mean(), -g.mean()),
    "lsgan": lambda x, g: (((x - 1) ** 2).mean() / 2, (g**2).mean() / 2, ((g - 1) ** 2).mean() / 2),
    "wgan": lambda x, g: (-x.mean(), g.mean(), -g.mean()),
    "relativistic": lambda x, g: (
        -np.log(sigmoid(x - g)).mean(),
        0,
        -np.log(sigmoid(g - x)).mean(),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_each_loss_is_its_formula(name):
    loss, real, fake = LOSSES[name], tf.constant(REAL), tf.constant(FAKE)
    values = [*loss.discriminator(real, fake), loss.generator(real, fake)]
    np.testing.assert_allclose(values, FORMULAS[name](REAL, FAKE), rtol=1e-5)
    assert [value.dtype for value in values] == [tf.float32] * 3
    if not loss.compares:
        assert float(loss.generator(None, fake)) == float(values[2])


def test_every_choice_of_the_flag_is_a_loss():
    assert SETTINGS["loss"].choices == tuple(LOSSES)


def test_a_relativistic_step_trains_the_generator_by_the_differences(tiny):
    dcgan = DCGAN(tiny(g_updates=1, loss="relativistic"))
    before = dcgan.generator.stem.dense.kernel.numpy()
    results = dcgan.train_step.python_function(*batch(dcgan.config))

    difference = results["fake_logits"].numpy() - results["real_logits"].numpy()
    assert float(results["d_loss"]) == pytest.approx(np.log1p(np.exp(difference)).mean(), rel=1e-4)
    assert np.isfinite(float(results["g_loss"]))
    assert not np.array_equal(before, dcgan.generator.stem.dense.kernel.numpy())


def test_another_loss_needs_nothing_but_its_functions(tiny):
    loss = Loss(discriminator_bce, lambda _, fake_logits: 2 * generator_bce(None, fake_logits))
    plain, doubled = DCGAN(tiny(g_updates=1)), DCGAN(tiny(g_updates=1), loss=loss)
    inputs = batch(plain.config)
    values = [dcgan.train_step.python_function(*inputs)["g_loss"] for dcgan in (plain, doubled)]
    assert float(values[1]) == pytest.approx(2 * float(values[0]))


def test_the_default_is_bce(tiny):
    assert DCGAN(tiny()).loss is LOSSES["bce"]


def judge_by_squares(images, y):
    """C(x) = |x|^2 / 2 + y_0, whose gradient is x."""
    shift = 0 if y is None else y[:, :1]
    return tf.reduce_sum(images**2, (1, 2, 3))[:, None] / 2 + shift


@pytest.mark.parametrize("y", [None, np.arange(8, dtype=np.float32).reshape(4, 2)])
@pytest.mark.parametrize(
    "counts", [{"r1": 4, "r2": 4}, {"r1": 1, "r2": 1}, {"r1": 4}, {"r2": 4}, {"r2": 3}]
)
def test_slopes_are_of_the_first_images_and_logits_of_all(counts, y):
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(size=(4, 2, 3, 1)).astype(np.float32) for _ in range(2))
    *logits, slopes = judge_with_slopes(
        judge_by_squares,
        *map(tf.constant, (real, fake)),
        None if y is None else tf.constant(y),
        counts,
    )
    for found, images in zip(logits, (real, fake), strict=True):
        np.testing.assert_allclose(found, judge_by_squares(images, y), rtol=1e-5)
    images = {"r1": real, "r2": fake}
    expected = {name: (images[name][:n] ** 2).sum() / n for name, n in counts.items()}
    assert {name: float(slope) for name, slope in slopes.items()} == pytest.approx(expected)


def test_a_penalty_is_half_of_gamma_times_the_squared_slope():
    assert [PENALTIES[name](3.0, tf.constant(5.0)).numpy() for name in ("r1", "r2")] == [7.5, 7.5]


def test_gamma_falls_between_a_tenth_and_a_half_of_the_run():
    """At 0.3 it is halfway, at 0.2 by a quarter of the half cosine: (1 + cos(pi / 4)) / 2."""
    shares = tf.constant([0, 0.1, 0.2, 0.3, 0.5, 1])
    quarter = 0.1 + 0.9 * (1 + np.sqrt(0.5)) / 2
    expected = [1, 1, quarter, 0.55, 0.1, 0.1]
    np.testing.assert_allclose(decay_penalty(shares, 0.1), expected, rtol=1e-6)
    np.testing.assert_allclose(decay_penalty(shares, 1.0), 1)


PROJECTED = LABELLED | {"d_labels": "projection"}
# Every value of each setting of D; all combinations are slow.
NETWORKS = [
    ("none", {}, 4, "same", 16),
    ("none", LABELLED, 5, "symmetric", 19),
    ("spectral", {}, 5, "symmetric", 16),
    ("spectral", PROJECTED, 4, "same", 19),
]
ALL_NETWORKS = itertools.product(
    ("none", "spectral"), ({}, LABELLED, PROJECTED), (4, 5), ("same", "symmetric"), (16, 19)
)


def read_kernel_in_float64(layer, _):
    """Replaces `Linear.read_kernel`: differences of penalties need the digits."""
    kernel = tf.cast(layer.kernel.value, tf.float64)
    if layer.spectral_u is None:
        return kernel
    return ops.divide_by_spectral_norm(kernel, tf.cast(layer.spectral_u.value, tf.float64))


def compare_penalty_with_finite_differences(tiny, monkeypatch, network):
    """The penalty's gradient by every kernel of D, along a random direction.

    The step is so small that no leaky ReLU changes sides.
    """
    d_norm, labels, kernel_size, padding, side = network
    config = tiny(
        d_norm=d_norm,
        kernel_size=kernel_size,
        padding=padding,
        output_height=side,
        blocks=2,
        fc_width=8,
        **labels,
    )
    monkeypatch.setattr(ops.Linear, "read_kernel", read_kernel_in_float64)
    discriminator = Discriminator(config.network_config(), "float64")
    monkeypatch.setattr(tf, "float32", tf.float64)  # of the logits
    rng = np.random.default_rng(side)
    real, fake = (tf.constant(rng.normal(size=(2, side, side, 3))) for _ in range(2))
    y = tf.constant([[0.0, 1, 0], [1, 0, 0]], tf.float64) if labels else None

    def measure_penalty():
        counts = {"r1": 2, "r2": 1}
        *_, slopes = judge_with_slopes(
            lambda images, y: discriminator(images, y, training=True), real, fake, y, counts
        )
        return slopes["r1"] + slopes["r2"]

    kernels = [weight for weight in discriminator.trainable_variables if len(weight.shape) > 1]
    with tf.GradientTape() as tape:
        penalty = measure_penalty()
    for kernel, gradient in zip(kernels, tape.gradient(penalty, kernels), strict=True):
        value, ends = kernel.numpy(), []
        direction = 1e-7 * rng.normal(size=value.shape).astype(np.float32)
        for end in (value + direction, value - direction):
            kernel.assign(end)
            ends.append((end.astype(np.float64), measure_penalty().numpy()))
        kernel.assign(value)
        (w, above), (v, below) = ends
        assert above - below == pytest.approx(np.sum((w - v) * gradient), rel=1e-3, abs=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_no_layer_drops_the_gradient_of_a_penalty(network, tiny, monkeypatch):
    compare_penalty_with_finite_differences(tiny, monkeypatch, network)


@pytest.mark.slow
@pytest.mark.parametrize("network", ALL_NETWORKS)
def test_no_layer_of_any_network_drops_the_gradient_of_a_penalty(network, tiny, monkeypatch):
    compare_penalty_with_finite_differences(tiny, monkeypatch, network)
