"""The pictures that training writes."""

import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from disks import limit
from program import tree

from model import Generator
from system.written import RECORD_NAME
from training.pictures import Pictures


class NoLogs:
    """Accepts pictures as TensorBoard would."""

    def __init__(self):
        self.images = []

    def __getattr__(self, _):
        return lambda step, name, picture: self.images.append((step, name, picture))


@pytest.fixture
def make(tiny):
    """A factory of Pictures of a run whose folders exist."""

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


def test_held_out_images_are_not_among_the_reals(make, photos):
    images, y = photos(100, 16, 16), np.eye(2, dtype=np.float32)[np.arange(100) % 2]
    rows = np.arange(10, 30)
    for labels in (None, y):
        names = {} if labels is None else {"labels": "folder", "label_names": ("a", "b")}
        pictures = make(**names)
        pictures.write_grid_of_reals(NoLogs(), images, labels, rows)
        grid = iio.imread(pictures.config.sample_path / "reals.png")
        shown = {image.tobytes() for image in tiles(grid, 16, 8)}
        assert shown <= {image.tobytes() for image in images[rows]}


def test_large_images_are_fewer(make):
    assert (make().columns, make().count) == (8, 64)
    large = make(output_height=136)
    assert (large.columns, large.count) == (4, 16)


def test_a_row_of_reals_has_its_label_and_repeats_what_is_rare(make, photos):
    """One of ten images has the label b; none has the label c, which any image may represent."""
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
    del after[RECORD_NAME]
    assert len(iio.imread(after.pop("training.gif"))) == 2
    assert after == before


def test_a_full_disk_is_said_once(make, photos, messages):
    pictures = make()
    with limit(100):
        for _ in range(2):
            pictures.write_grid_of_reals(NoLogs(), photos(64, 16, 16), None)
    path = pictures.config.sample_path / "reals.png"
    assert messages == [f"{path} cannot be written: File too large. Training continues."]
    assert {path.name for path in path.parent.iterdir()} <= {RECORD_NAME}


def test_a_removed_folder_is_made_again_and_a_removed_run_is_not(make, messages):
    pictures = make()
    folder, run_dir = pictures.config.sample_path, pictures.config.run_dir
    before = draw_all(pictures, 10)
    shutil.rmtree(folder)
    assert draw_all(pictures, 10) == before  # with the record of all of them
    shutil.rmtree(folder)
    pictures.write_grid_of_fakes(NoLogs(), 20, {})
    names = ("reals.png", "train_00000020.png")
    assert {name: before[name] for name in names}.items() <= tree(folder).items()
    assert messages == [f"{folder} was gone and was made again."] * 2

    run_dir.rename(run_dir.with_name("faces"))
    pictures.write_grid_of_fakes(NoLogs(), 30, {})
    assert not run_dir.exists()
    assert messages[2:] == [
        f"{folder / 'train_00000030.png'} cannot be written: No such file or directory. Training "
        "continues."
    ]


def draw_all(pictures, shade):
    """The pictures of 20 steps, with a generator that draws a single shade."""
    pictures.sampler.draw = lambda z, *_: np.full((len(z), 16, 16, 3), shade, np.uint8)
    pictures.write_grid_of_reals(NoLogs(), np.full((64, 16, 16, 3), shade, np.uint8), None)
    for step in (10, 20):
        pictures.write_grid_of_fakes(NoLogs(), step, {})
    pictures.write_film_of_training(20)
    return tree(pictures.config.sample_path)


def test_pictures_of_the_program_are_drawn_over(make, messages):
    first = draw_all(make(), 10)
    assert draw_all(make(), 20).keys() == first.keys()  # by another process
    pictures = make()
    draw_all(pictures, 30)
    assert draw_all(pictures, 40).keys() == first.keys()
    assert messages == []


def test_the_same_pictures_stay_as_they_are(make):
    draw_all(make(), 10)
    times = {path: path.stat().st_mtime_ns for path in make().config.sample_path.iterdir()}
    draw_all(make(), 10)
    del times[next(path for path in times if path.name == RECORD_NAME)]
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize("is_recorded", [True, False])
def test_pictures_that_the_user_made_or_changed_are_put_aside(make, messages, is_recorded):
    folder = make().config.sample_path
    if is_recorded:
        draw_all(make(), 10)
    names = ("reals.png", "train_00000020.png", "training.gif")
    for name in names:
        (folder / name).write_text(f"my {name}")
    after = draw_all(make(), 20)
    asides = [f"{Path(name).stem}.1{Path(name).suffix}" for name in names]
    assert [after[aside].decode() for aside in asides] == [f"my {name}" for name in names]
    reason = "nothing shows that this program wrote it"
    if is_recorded:
        reason = "it was changed after this program wrote it"
    assert messages == [
        f"{folder / name} was moved aside to {aside}: {reason}."
        for name, aside in zip(names, asides, strict=True)
    ]
    assert draw_all(make(), 30).keys() == after.keys()  # once


def test_pictures_from_before_there_was_a_record_are_put_aside_only_if_they_differ(make):
    draw_all(make(), 10)
    folder = make().config.sample_path
    (folder / RECORD_NAME).unlink()
    before = draw_all(make(), 10)
    (folder / RECORD_NAME).unlink()
    assert {*draw_all(make(), 20)} - {*before} == {
        *("reals.1.png", "train_00000010.1.png", "train_00000020.1.png", "training.1.gif")
    }
