import imageio.v3 as iio
import numpy as np
import pytest

import ops
from checkpoint import Checkpoints
from model import DCGAN
from sample import drawer, load_generator
from utils import image_grid
from visualize import STEPS, sweep, visualize


@pytest.fixture
def trained(tiny):
    """A factory of runs with weights so large that every z draws another image."""

    def make(**changes):
        config = tiny(z_dim=5, **changes).settled()
        dcgan = DCGAN(config)
        for layer in (dcgan.generator.stem, *dcgan.generator.convs):
            layer.kernel.assign(layer.kernel * 10)
        Checkpoints(dcgan, config).save(5)
        return config

    return make


def test_0_is_a_grid_from_the_distribution_of_training(trained):
    config = trained(z_dist="normal01")
    folder = visualize(config, "0")
    draw = drawer(load_generator(config)[0])
    expected = image_grid(draw(ops.latents(0, 64, z_dim=5, z_dist="normal01")))
    np.testing.assert_array_equal(iio.imread(folder / "grid.png"), expected)


@pytest.mark.parametrize(
    ("z_dist", "low", "centre", "high"),
    [("uniform_signed", -1, 0, 1), ("uniform_unsigned", 0, 0.5, 1), ("normal01", -2.5, 0, 2.5)],
)
def test_1_sweeps_every_axis_from_end_to_end(z_dist, low, centre, high, trained):
    config = trained(z_dist=z_dist)
    folder = visualize(config, "1")
    assert sorted(path.name for path in folder.iterdir()) == [f"axis_{axis:03d}.png" for axis in range(5)]
    z = np.full((STEPS, 5), centre, np.float32)
    z[:, 3] = np.linspace(low, high, STEPS)
    np.testing.assert_array_equal(sweep(config, 3, np.full(5, centre)), z)
    draw = drawer(load_generator(config)[0])
    np.testing.assert_array_equal(iio.imread(folder / "axis_003.png"), image_grid(draw(z)))


@pytest.mark.parametrize(("option", "c_dim"), [("2", 3), ("3", 1), ("4", 4)])
def test_gifs_go_there_and_back(option, c_dim, trained):
    folder = visualize(trained(c_dim=c_dim), option)
    names = sorted(path.name for path in folder.iterdir())
    every = [f"axis_{axis:03d}.gif" for axis in range(5)]
    assert names == ["merged.gif"] if option == "4" else set(names) <= set(every)
    assert option != "3" or names == every
    film = iio.imread(folder / names[0])
    assert len(film) == 2 * STEPS - 2
    side = 16 * 3 if option == "4" else 16
    assert film.shape[1:3] == ((32, side) if option == "4" else (side, side))
    np.testing.assert_array_equal(film[1], film[-1])


def test_with_labels_a_sweep_keeps_its_label(trained):
    config = trained(labels="folder", label_names=("a", "b"), fc_width=16)
    kept = visualize(config, "1", "b")
    draw = drawer(load_generator(config)[0])
    y = np.repeat([[0.0, 1.0]], STEPS, 0).astype(np.float32)
    expected = image_grid(draw(sweep(config, 2, np.zeros(5)), y))
    np.testing.assert_array_equal(iio.imread(kept / "axis_002.png"), expected)
    with pytest.raises(ValueError, match="--label must be among a, b"):
        visualize(config, "1", "c")


def test_a_sweep_is_not_normalised_by_its_own_statistics(trained):
    """64 images that differ in one axis would be stretched to noise."""
    config = trained(bn_statistics="batch")
    folder = visualize(config, "1")
    draw = drawer(load_generator(config.continued({"bn_statistics": "moving"}))[0])
    np.testing.assert_array_equal(iio.imread(folder / "axis_000.png"), image_grid(draw(sweep(config, 0, np.zeros(5)))))
