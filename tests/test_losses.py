import numpy as np
import pytest
import tensorflow as tf

from gan import DCGAN
from losses import LOSSES, Loss, discriminator_bce, generator_bce

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


def test_another_loss_needs_nothing_but_its_functions(tiny):
    """A relativistic one (Jolicoeur-Martineau 2018), by hand: each network's loss is of the
    differences.
    """

    def discriminator_rp(real_logits, fake_logits):
        return tf.reduce_mean(tf.nn.softplus(fake_logits - real_logits)), tf.constant(0.0)

    def generator_rp(real_logits, fake_logits):
        return tf.reduce_mean(tf.nn.softplus(real_logits - fake_logits))

    config = tiny(g_updates=1)
    dcgan = DCGAN(config, loss=Loss(discriminator_rp, generator_rp, compares=True))
    real = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    z = tf.random.stateless_uniform((8, 8), (0, 0), -1, 1)
    before = dcgan.generator.stem.dense.kernel.numpy()
    results = dcgan.train_step(tf.constant(real), z)

    difference = results["fake_logits"].numpy() - results["real_logits"].numpy()
    assert float(results["d_loss"]) == pytest.approx(np.log1p(np.exp(difference)).mean(), rel=1e-4)
    assert np.isfinite(float(results["g_loss"]))
    assert not np.array_equal(before, dcgan.generator.stem.dense.kernel.numpy())


def test_the_default_is_bce(tiny):
    assert DCGAN(tiny()).loss is LOSSES["bce"]
