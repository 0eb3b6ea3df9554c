"""The fused updates, against Adam written in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan import DCGAN
from kernels.adam import ADAM_EPSILON, LEARNING_RATE_DECAYS, Adam, build_scaled_one_op_adam
from model import Generator


def test_adam_is_tensorflow_1s(tiny):
    """Two updates by hand: lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + 1e-8), b1 = 0.5, b2 =
    0.999.
    """
    dcgan = DCGAN(tiny(learning_rate=0.01))
    network = dcgan.generator
    bias = network.stem.dense.bias
    rng = np.random.default_rng(0)
    m = v = expected = np.zeros(bias.shape)
    for t in (1, 2):
        gradients = [tf.zeros(w.shape) for w in network.trainable_variables]
        place = next(k for k, w in enumerate(network.trainable_variables) if w is bias)
        g = rng.normal(size=bias.shape) * 1e-6
        gradients[place] = tf.constant(g, tf.float32)
        dcgan.g_optimizer.apply(gradients, network.trainable_variables)
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g**2
        rate = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.5**t)
        expected = expected - rate * m / (np.sqrt(v) + 1e-8)
    np.testing.assert_allclose(bias, expected, rtol=1e-3)


def test_kingmas_adam_is_algorithm_1(tiny):
    """Kingma & Ba 2015: p -= lr * m^ / (sqrt(v^) + 1e-8), with gradients for which TensorFlow's
    form differs.
    """
    results = {}
    for form in ("kingma", "tensorflow"):
        dcgan = DCGAN(tiny(learning_rate=0.01, adam_form=form))
        network, bias = dcgan.generator, dcgan.generator.stem.dense.bias
        place = next(k for k, w in enumerate(network.trainable_variables) if w is bias)
        rng = np.random.default_rng(0)
        m = v = expected = np.zeros(bias.shape)
        for t in (1, 2, 3):
            gradients = [tf.zeros(w.shape) for w in network.trainable_variables]
            g = rng.normal(size=bias.shape) * 1e-8
            gradients[place] = tf.constant(g, tf.float32)
            dcgan.g_optimizer.apply(gradients, network.trainable_variables)
            m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g**2
            expected = expected - 0.01 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        results[form] = bias.numpy()
    np.testing.assert_allclose(results["kingma"], expected, rtol=1e-3, atol=1e-7)
    assert not np.allclose(results["tensorflow"], expected, rtol=0.1)


def test_float16_skips_an_overflow_and_halves_only_that_scale(tiny):
    dcgan = DCGAN(tiny(), precision="float16")
    weights = dcgan.discriminator.trainable_variables
    before = [w.numpy() for w in weights]
    scales = {name: float(scale) for name, scale in dcgan.read_loss_scales().items()}
    dcgan.d_optimizer.apply([tf.fill(w.shape, np.inf) for w in weights], weights)
    after = {name: float(scale) for name, scale in dcgan.read_loss_scales().items()}
    assert all(np.array_equal(a, w.numpy()) for a, w in zip(before, weights, strict=True))
    assert after == {
        "g_loss_scale": scales["g_loss_scale"],
        "d_loss_scale": scales["d_loss_scale"] / 2,
    }
    assert DCGAN(tiny()).read_loss_scales() == {}


def test_it_is_keras_adam_to_rounding():
    """The same formula, op by op, for gradients of every size."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=(40, 5)).astype(np.float32)
    weights = [keras.Variable(start) for _ in range(2)]
    fused, plain = (
        form(0.01, beta_1=0.5, epsilon=ADAM_EPSILON) for form in (Adam, keras.optimizers.Adam)
    )
    for _ in range(20):
        gradient = tf.constant(
            rng.normal(size=start.shape) * 10.0 ** rng.integers(-6, 3), tf.float32
        )
        for optimizer, weight in zip((fused, plain), weights, strict=True):
            optimizer.apply([gradient], [weight])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(weights[0], start, atol=0.05)


def test_the_scaler_is_built_and_takes_the_settings_of_the_run(tiny):
    config = tiny(beta1=0.3, beta2=0.9)
    network = Generator(config.network_config())
    scaler = build_scaled_one_op_adam(config, network, 0.01)
    adam = scaler.inner_optimizer
    assert scaler.built
    assert float(adam.learning_rate) == pytest.approx(0.01)
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.3, 0.9, 1e-8)
    assert len(adam._momentums) == len(network.trainable_variables)


def test_the_learning_rate_falls_as_its_formulas_say():
    """Linear, as in the paper's code for MNIST: 100 epochs unchanged, then 100 that each subtract
    lr / 100.
    """
    rate, rates = 1.0, []
    for epoch in range(1, 201):
        rates.append(rate)
        rate -= 0.01 * (epoch > 100)
    shares = tf.range(200, dtype=tf.float32) / 200
    linear = LEARNING_RATE_DECAYS["linear"](shares).numpy()
    np.testing.assert_allclose(linear, rates, atol=0.0101)  # an epoch later there
    np.testing.assert_allclose(linear[::50], [1, 1, 1, 0.5], atol=1e-6)

    cosine = LEARNING_RATE_DECAYS["cosine"](shares).numpy()
    np.testing.assert_allclose(cosine, np.cos(np.pi * np.arange(200) / 400) ** 2, atol=1e-6)
