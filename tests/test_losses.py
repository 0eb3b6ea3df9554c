import numpy as np
import pytest
import tensorflow as tf
from inputs import batch

from config.settings import SETTINGS
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


# Each as its paper writes it, of one real and one fake batch: (D on reals, D on fakes, G).
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
