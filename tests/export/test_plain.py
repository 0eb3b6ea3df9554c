import numpy as np
import pytest
from plain_numpy import draw_with_numpy

from config.presets import PRESETS, apply_preset
from config.settings import Config
from export.plain import make_plain_generator
from model import Generator

LABELS = {"labels": "folder", "label_names": ("a", "b", "c"), "fc_width": 16}
# The smallest stems, odd sides, both paddings, gray and alpha, every way to enlarge, with labels.
SETTINGS = {
    "reference": {},
    "paper": {"preset": "paper"},
    "tutorial": {"preset": "tutorial"},
    "modern": {"preset": "modern"},
    "odd": {"output_height": 33, "output_width": 47},
    "odd paper": {"output_height": 30, "output_width": 50, "preset": "paper"},
    "odd tutorial": {"output_height": 27, "output_width": 21, "preset": "tutorial"},
    "tiny stem": {"output_height": 8, "output_width": 15, "blocks": 2},
    "gray": {"c_dim": 1},
    "alpha": {"c_dim": 4, "output_width": 24},
    "resize": {"upsample": "resize", "output_width": 21},
    "smooth": {"upsample": "smooth", "output_width": 21},
    "smooth tutorial": {"upsample": "smooth", "output_width": 21, "preset": "tutorial"},
    "labels": LABELS,
    "labels paper": LABELS | {"preset": "paper", "output_width": 21},
    "labels resize": LABELS | {"upsample": "resize", "preset": "modern", "c_dim": 1},
}


def make_generator(**changes) -> tuple[Generator, Config]:
    """A narrow generator whose every weight and statistic is random, far from its start."""
    settings = {"output_height": 16, "c_dim": 3, "z_dim": 8, "stem_width": 32} | changes
    config = Config(**apply_preset(settings) | {"bn_statistics": "moving", "stem_width": 32})
    generator, rng = Generator(config.network_config()), np.random.default_rng(0)
    for variable in generator.variables:
        shape, name = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 2, shape))
        elif variable.dtype == "float32":
            variable.assign(rng.normal(0, 0.15, shape))
    return generator, config


def make_latents(config: Config, count: int = 3) -> tuple:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(count, config.z_dim)).astype(np.float32)
    y_dim = config.network_config().y_dim
    y = np.eye(y_dim, dtype=np.float32)[np.arange(count) % y_dim] if y_dim else None
    return z, y


@pytest.mark.parametrize("name", SETTINGS)
def test_plain_arrays_draw_what_the_generator_draws(name):
    generator, config = make_generator(**SETTINGS[name])
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


def test_every_preset_is_among_them():
    assert {*PRESETS} <= {*SETTINGS}
