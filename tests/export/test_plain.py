import dataclasses

import numpy as np
import pytest
from generators import LABELS, SHAPES, list_shapes, make_generator, make_latents
from plain_numpy import draw_with_numpy

from config.presets import PRESETS
from config.settings import Config
from export.plain import check_plain_generator_fits, make_plain_generator
from model import Generator


@pytest.mark.parametrize("name", list_shapes("reference", "odd paper", "smooth", "labels resize"))
def test_plain_arrays_draw_what_the_generator_draws(name):
    generator, config = make_generator(**SHAPES[name])
    z, y = make_latents(config)
    images = np.asarray(generator(z, y))
    assert 0.1 < np.abs(images).mean() < 0.9  # neither gray nor saturated
    plain = make_plain_generator(generator, config.label_names)
    np.testing.assert_allclose(draw_with_numpy(plain, z, y), images, atol=2e-5)


def test_it_says_what_it_takes_and_makes():
    generator, config = make_generator(**LABELS, preset="tutorial")
    plain = make_plain_generator(generator, config.label_names)
    assert (plain.z_dim, plain.z_dist, plain.y_dim) == (8, "normal01", 3)
    assert (plain.label_names, plain.image_shape) == (("a", "b", "c"), (16, 16, 3))
    assert [layer.output for layer in plain.layers] == [
        *((1, 1, 16), (4, 4, 32), (8, 8, 16), (16, 16, 3))
    ]
    assert plain.layers[0].kernel.shape == (8 + 3, 16)
    assert plain.layers[2].kernel.shape == (4, 4, 16, 32 + 3)
    assert all(layer.joins_labels for layer in plain.layers)
    arrays = [array for layer in plain.layers for array in (layer.kernel, layer.bias)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert plain.count_weights() == sum(array.size for array in arrays)


def test_without_labels_nothing_is_joined():
    generator, _ = make_generator()
    plain = make_plain_generator(generator)
    assert (plain.y_dim, plain.label_names) == (0, ())
    assert not any(layer.joins_labels for layer in plain.layers)


def test_statistics_of_the_batch_are_refused():
    network = Config(c_dim=3, stem_width=32, bn_statistics="batch").network_config()
    with pytest.raises(ValueError, match=r"must be moving .* Received: batch\. Add"):
        make_plain_generator(Generator(network))


def test_a_generator_larger_than_a_file_can_hold_is_refused():
    """As large as --stem_width 8192 for 64x64; the array takes no memory."""
    plain = make_plain_generator(make_generator()[0])
    kernel = np.broadcast_to(np.float32(0), (5, 5, 4096, 8192))
    huge = dataclasses.replace(plain.layers[1], kernel=kernel)
    plain = dataclasses.replace(plain, layers=(plain.layers[0], huge))
    with pytest.raises(ValueError, match=r"--export onnx holds .* 2\.1 GB\. Received: one of 3\.4"):
        check_plain_generator_fits(plain, "onnx")
    check_plain_generator_fits(plain, "onnx", item_bytes=2)


def test_every_preset_is_among_them():
    assert {*PRESETS} <= {*SHAPES}
