"""Maps of a generator, and copies without some of them."""

import numpy as np
import pytest
import tensorflow as tf

import ops
from explore.generator_maps import choose_block, copy_without_maps, read_maps
from model import Generator
from sample import Sampler


@pytest.mark.parametrize("labels", [{}, {"labels": "own", "label_names": ("a", "b")}])
def test_the_rest_of_the_network_makes_the_images_of_the_maps(tiny, labels):
    config = tiny(blocks=2, **labels)
    generator = Generator(config.network_config())
    z, y = Sampler(config, generator).choose_latents_and_labels(0, 5)
    maps = read_maps(generator, z[:5], None if y is None else y[:5], block=1)
    labels = None if y is None else tf.constant(y[:5])
    images = tf.tanh(generator.blocks[1](maps, labels, training=False))
    drawn = Sampler(config, generator).draw(z[:5], labels)
    assert np.abs(ops.to_uint8(images).numpy().astype(int) - drawn).max() <= 1


def test_a_copy_does_not_read_what_is_dropped(tiny):
    config = tiny(blocks=2)
    generator = Generator(config.network_config())
    before = [variable.numpy() for variable in generator.variables]
    dropped = np.arange(generator.config.generator_widths[1]) % 2 == 0
    copy = copy_without_maps(generator, 1, dropped)
    maps = np.random.default_rng(0).normal(size=(2, 8, 8, len(dropped))).astype(np.float32)
    expected = generator.blocks[1].conv(tf.constant(maps * ~dropped))
    np.testing.assert_allclose(copy.blocks[1].conv(tf.constant(maps)), expected, atol=1e-5)
    assert all((a == b.numpy()).all() for a, b in zip(before, generator.variables, strict=True))


def test_blocks_are_counted_from_the_end(tiny):
    generator = Generator(tiny(blocks=2).network_config())
    assert [choose_block(generator, from_end=k) for k in (1, 2, 3)] == [1, 0, 0]
