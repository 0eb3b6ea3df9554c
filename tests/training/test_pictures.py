"""The pictures that training leaves."""

import imageio.v3 as iio
import numpy as np
import pytest
from disks import limit
from program import tree

from model import Generator
from training.pictures import Pictures


class NoLogs:
    """Takes pictures as TensorBoard would."""

    def __init__(self):
        self.images = []

    def __getattr__(self, _):
        return lambda step, name, picture: self.images.append((step, name, picture))


@pytest.fixture
def make(tiny):
    """A factory of Pictures of a run whose folders are there."""

    def pictures(**changes):
        config = tiny(blocks=1, **changes).resolve()
        config.sample_path.mkdir(parents=True, exist_ok=True)
        return Pictures(config, Generator(config.network_config()))

    return pictures


def tiles(grid, side, columns):
    """(rows * columns, side, side, C) of a picture."""
    rows, channels = grid.shape[0] // side, grid.shape[-1]
    parts = grid.reshape(rows, side, columns, side, channels).swapaxes(1, 2)
    return parts.reshape(-1, side, side, channels)


def test_the_reals_are_what_the_discriminator_sees(make, photos):
    images, logs = photos(100, 16, 16), NoLogs()
    pictures = make()
    pictures.write_grid_of_reals(logs, images, None)
    grid = iio.imread(pictures.config.sample_path / "reals.png")
    shown = {image.tobytes() for image in tiles(grid, 16, 8)}
    assert len(shown) == 64
    assert shown <= {image.tobytes() for image in images}
    [(step, name, picture)] = logs.images
    assert (step, name) == (0, "reals")
    np.testing.assert_array_equal(picture, grid)


def test_large_images_are_fewer(make):
    assert (make().columns, make().count) == (8, 64)
    large = make(output_height=136)
    assert (large.columns, large.count) == (4, 16)


def test_a_row_of_reals_has_its_label_and_repeats_what_is_rare(make, photos):
    """Of ten images one has the label b; none has the label c, for which any may stand."""
    images, y = photos(10, 16, 16), np.eye(3, dtype=np.float32)[[0] * 9 + [1]]
    pictures = make(labels="folder", label_names=("a", "b", "c"))
    pictures.write_grid_of_reals(NoLogs(), images, y)
    grid = tiles(iio.imread(pictures.config.sample_path / "reals.png"), 16, 8)
    of_a, of_b, of_c = grid.reshape(3, 8, 16, 16, 3)
    np.testing.assert_array_equal(of_a, images[:8])
    np.testing.assert_array_equal(of_b, images[[9] * 8])
    np.testing.assert_array_equal(of_c, images[:8])


def test_the_fixed_latents_are_a_column_each(make):
    z, y = make(labels="folder", label_names=("a", "b")).inputs
    assert (z.shape, y.shape) == ((16, 8), (16, 2))
    np.testing.assert_array_equal(z[:8], z[8:])
    np.testing.assert_array_equal(y, np.eye(2).repeat(8, 0))


def test_grids_of_later_steps_stay_and_are_not_in_the_film(make):
    pictures = make()
    folder = pictures.config.sample_path
    for step in (10, 20, 30):
        iio.imwrite(folder / f"train_{step:08d}.png", np.full((8, 8, 3), step, np.uint8))
    (folder / "train_me.png").write_text("mine")
    before = tree(folder)
    pictures.write_film_of_training(20)
    after = tree(folder)
    assert len(iio.imread(after.pop("training.gif"))) == 2
    assert after == before


def test_a_full_disk_is_said_once(make, photos, messages):
    pictures = make()
    with limit(100):
        for _ in range(2):
            pictures.write_grid_of_reals(NoLogs(), photos(64, 16, 16), None)
    path = pictures.config.sample_path / "reals.png"
    assert messages == [f"{path} cannot be written: File too large. Training continues."]
    assert list(path.parent.iterdir()) == []
