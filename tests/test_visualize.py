import imageio.v3 as iio
import numpy as np
import pytest

import ops
from config.stored import change_settings
from gan import DCGAN
from runs.checkpoints import Checkpoints
from sample import Sampler
from utils import arrange_image_grid
from visualize import COLUMNS, FRAMES, sweep_latents, visualize


@pytest.fixture
def trained(tiny):
    """A factory of runs with weights so large that every z draws another image."""

    def make(**changes):
        config = tiny(**({"z_dim": 5} | changes)).resolve()
        dcgan = DCGAN(config)
        blocks = dcgan.generator.blocks
        for layer in (dcgan.generator.stem.dense, *(block.conv for block in blocks)):
            layer.kernel.assign(layer.kernel * 10)
        Checkpoints(dcgan, config).save(5)
        return config

    return make


def test_0_is_a_grid_from_the_distribution_of_training(trained):
    config = trained(z_dist="normal01", seed=3)
    folder = visualize(config, "0")
    assert folder.name == "visualize_0_seed_3"
    draw = Sampler(config).draw
    expected = arrange_image_grid(draw(ops.latents(3, 64, z_dim=5, z_dist="normal01")))
    np.testing.assert_array_equal(iio.imread(folder / "grid.png"), expected)


@pytest.mark.parametrize(
    ("z_dist", "low", "high"),
    [("uniform_signed", -1, 1), ("uniform_unsigned", 0, 1), ("normal01", -2.5, 2.5)],
)
def test_1_is_a_row_an_axis_from_end_to_end(z_dist, low, high, trained):
    config = trained(z_dist=z_dist, z_dim=35)
    folder = visualize(config, "1")
    assert sorted(path.name for path in folder.glob("*.png")) == ["axes_000.png", "axes_032.png"]
    z = ops.latents(0, 1, z_dim=35, z_dist=z_dist).numpy().repeat(COLUMNS, 0)
    z[:, 33] = np.linspace(low, high, COLUMNS)
    np.testing.assert_array_equal(sweep_latents(config, 33, COLUMNS), z)
    picture = iio.imread(folder / "axes_032.png")
    assert picture.shape == (3 * 16, COLUMNS * 16, 3)
    row = Sampler(config).draw(z)
    np.testing.assert_array_equal(picture[16:32], arrange_image_grid(row, COLUMNS))


# Writing a GIF in colour takes ten times as long as in gray, so colour gets few axes.
@pytest.mark.parametrize(
    ("option", "c_dim", "z_dim"),
    [("2", 1, 18), ("3", 3, 2), pytest.param("4", 4, 18, marks=pytest.mark.slow)],
)
def test_gifs_go_there_and_back(option, c_dim, z_dim, trained):
    folder = visualize(trained(c_dim=c_dim, z_dim=z_dim), option)
    names = sorted(path.name for path in folder.glob("*.gif"))
    every = [f"axis_{axis:03d}.gif" for axis in range(z_dim)]
    if option == "2":
        assert len(names) == 16
        assert set(names) < set(every)
    else:
        assert names == (every if option == "3" else ["merged.gif"])
    film = iio.imread(folder / names[0])
    assert film.shape[:3] == (2 * FRAMES - 2, *((128, 160) if option == "4" else (128, 128)))
    np.testing.assert_array_equal(film[1], film[-1])


def test_with_labels_a_sweep_keeps_its_label(trained):
    config = trained(labels="folder", label_names=("a", "b"), fc_width=16)
    kept = visualize(config, "1", "B")
    assert kept.name == "visualize_1_seed_0_b"
    draw = Sampler(config).draw
    y = np.repeat([[0.0, 1.0]], COLUMNS, 0).astype(np.float32)
    picture = iio.imread(kept / "axes_000.png")
    np.testing.assert_array_equal(
        picture[32:48], arrange_image_grid(draw(sweep_latents(config, 2, COLUMNS), y), COLUMNS)
    )
    with pytest.raises(ValueError, match="--label must be one or more of a, b"):
        visualize(config, "1", "c")


def test_a_sweep_is_not_normalised_by_its_own_statistics(trained):
    """Else images that differ in one axis would be stretched to noise."""
    config = trained(bn_statistics="batch")
    folder = visualize(config, "1")
    draw = Sampler(change_settings(config, {"bn_statistics": "moving"})).draw
    expected = arrange_image_grid(draw(sweep_latents(config, 0, COLUMNS)), COLUMNS)
    np.testing.assert_array_equal(iio.imread(folder / "axes_000.png")[:16], expected)


def test_drawing_again_keeps_what_the_user_added_or_changed(trained, messages):
    config = trained()
    folder = visualize(config, "0")
    (folder / "notes.txt").write_text("mine")
    visualize(config, "0")
    assert (folder / "notes.txt").read_text() == "mine"
    assert not [text for text in messages if "replaced" in text or "aside" in text]

    (folder / "grid.png").write_bytes(b"cropped by hand")
    visualize(config, "0")
    aside = folder.with_name("visualize_0_seed_0.1")
    assert (aside / "grid.png").read_bytes() == b"cropped by hand"
    assert (aside / "notes.txt").read_text() == "mine"
    reason = "grid.png was changed after this program wrote it; yours moved with it: notes.txt"
    text = f"{folder} was moved aside to {aside.name}: {reason}."
    assert text in messages
