"""The averaged generator against a recursion in NumPy, and against its half-life."""

import numpy as np
import pytest
import tensorflow as tf
from inputs import LABELLED, batch

from averaging import AveragedGenerator
from gan import DCGAN
from model import Generator


def values_of(generator):
    return [variable.numpy().astype(np.float64) for variable in generator.variables]


def lerp(live, average, weight):
    return [w + weight * (a - w) for w, a in zip(live, average, strict=True)]


@pytest.mark.parametrize("details", [{}, LABELLED | {"alternate": True, "fc_width": 8}])
def test_five_steps_are_the_recursion(details, tiny):
    """w_ema <- lerp(w, w_ema, 0.5^(n / min(H, 0.05 * shown))), with statistics (StyleGAN2-ADA)."""
    dcgan = DCGAN(tiny(ema_half_life=1.5, g_updates=1, blocks=1, **details))
    count, average = dcgan.config.images_per_step, values_of(dcgan.generator)
    for step in range(5):
        real, z = batch(dcgan.config, step)
        y = tf.one_hot(tf.range(len(z)) % 3, 3) if details else None
        dcgan.train_step.python_function(real, z, y)
        half_life = min(1.5, 0.05 * step * count)
        weight = 0.5 ** (count / half_life) if half_life else 0
        average = lerp(values_of(dcgan.generator), average, weight)
    assert half_life == 1.5
    assert int(dcgan.average.images) == 5 * count
    for variable, expected in zip(dcgan.average.generator.variables, average, strict=True):
        np.testing.assert_allclose(variable, expected, atol=1e-7, err_msg=variable.path)


def test_after_a_half_life_half_of_the_distance_is_left(tiny):
    live = Generator(tiny().network_config())
    average = AveragedGenerator(live, tiny(ema_half_life=80))
    average.images.assign(10**9)  # long after the ramp
    before = values_of(live)
    for variable in live.variables:
        variable.assign(variable + 1)
    for _ in range(10):  # steps of 8 images
        average.follow()
    for variable, start in zip(average.generator.variables, before, strict=True):
        np.testing.assert_allclose(variable, start + 0.5, atol=1e-5)


def test_a_long_half_life_is_not_rounded_away(tiny):
    """0.5^(8 / 1e9) is 1 in float32, so the average would never change."""
    live = Generator(tiny().network_config())
    average = AveragedGenerator(live, tiny(ema_half_life=1e9))
    average.images.assign(10**12)
    bias = live.blocks[0].conv.bias
    bias.assign(tf.ones_like(bias))
    average.follow()
    expected = -np.expm1(np.log(0.5) * 8e-9)
    np.testing.assert_allclose(average.generator.blocks[0].conv.bias, expected, rtol=1e-5)


def test_pictures_show_the_average_unless_live_weights_are_wanted(tiny):
    with_average = DCGAN(tiny(ema_half_life=80))
    assert with_average.drawn_generator is with_average.average.generator
    live = DCGAN(tiny(ema_half_life=80, weights="live"))
    assert live.drawn_generator is live.generator
    plain = DCGAN(tiny())
    assert plain.average is None
    assert plain.drawn_generator is plain.generator
    with pytest.raises(ValueError, match=r"^--weights=ema needs an average .* Try --weights=auto,"):
        DCGAN(tiny(weights="ema"))


def test_an_average_changes_nothing_of_what_is_trained(tiny):
    with_average, plain = (DCGAN(tiny(ema_half_life=h, g_updates=1, blocks=1)) for h in (80, 0))
    for dcgan in (with_average, plain):
        dcgan.train_step.python_function(*batch(dcgan.config))
    for one, other in zip(*(values_of(d.generator) for d in (with_average, plain)), strict=True):
        np.testing.assert_array_equal(one, other)
