import dataclasses
import errno
import os
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from program import tree

import ops
from config.stored import change_settings, write_config
from gan import DCGAN
from runs.checkpoints import Checkpoints
from sample import DRAW_BATCH, Sampler, iterate_draw_batches, sample
from system import console
from system.locks import lock_folder
from utils import arrange_image_grid, encode_png


@pytest.mark.parametrize("count", [1, 7, 130])
def test_exactly_n_images_a_grid_and_their_latents(count, trained):
    folder = sample(trained(), count)
    numbered = sorted(path.name for path in folder.glob("0*.png"))
    assert numbered == [f"{k:06d}.png" for k in range(count)]
    assert len(list(folder.iterdir())) == count + 3  # grid.png, z.npy and the record of all
    assert np.load(folder / "z.npy").shape == (count, 8)
    images = np.stack([iio.imread(folder / name) for name in numbered])
    np.testing.assert_array_equal(iio.imread(folder / "grid.png"), arrange_image_grid(images))


@pytest.mark.parametrize("c_dim", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4))])
def test_same_seed_same_bytes_and_the_first_do_not_depend_on_n(c_dim, trained):
    config = trained(c_dim=c_dim)
    few, again = tree(sample(config, 3)), tree(sample(config, 3))
    assert few == again
    many = sample(config, 70)
    assert all((many / name).read_bytes() == few[name] for name in few if name.startswith("0"))
    other = sample(change_settings(config, {"seed": 1}), 3)
    assert other.name == "seed_1"
    assert (other / "000000.png").read_bytes() != few["000000.png"]


def test_the_files_are_those_of_drawing_and_writing_one_after_the_other(trained):
    config = trained()
    folder = sample(config, 150)
    z = ops.latents(0, 150, z_dim=8, z_dist=config.z_dist)
    images = Sampler(config).draw(z)
    np.testing.assert_array_equal(images, Sampler(config).images(seed=0, count=150))
    assert Sampler(config).draw(z[:0]).shape == (0, 16, 16, 3)
    for number, image in enumerate(images):
        path = folder / f"{number:06d}.png"
        np.testing.assert_array_equal(iio.imread(path), image)
        assert path.read_bytes() == encode_png(image)


@pytest.mark.parametrize("failing", ["000017.png", "grid.png"])
def test_a_full_disk_leaves_no_folder_and_is_one_line(failing, trained, monkeypatch, capsys):
    config, write = trained(), Path.write_bytes

    def full(path, content):
        if path.name == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError) as raised:
        sample(config, 200)
    assert list(config.sample_path.iterdir()) == []
    assert console.print_error_line(raised.value) == 1
    line = "cannot be used: No space left on device. Make room there, then repeat the command."
    assert capsys.readouterr().err == f"error: {config.sample_path / 'seed_0'} {line}\n"


def test_with_the_statistics_of_the_batch_the_first_still_do_not_depend_on_n(trained):
    config = trained(bn_statistics="batch")
    few = [path.read_bytes() for path in sorted(sample(config, 3).glob("0*.png"))]
    many = [path.read_bytes() for path in sorted(sample(config, 70).glob("0*.png"))]
    assert many[:3] == few


def test_without_a_label_they_take_turns(trained):
    config = trained(labels="folder", label_names=("a", "b"), fc_width=16)
    in_turn = sample(config, 4)
    np.testing.assert_array_equal(np.load(in_turn / "y.npy"), np.eye(2)[[0, 1, 0, 1]])
    assert (in_turn / "labels.txt").read_text().splitlines()[1:3] == [
        "000001.png b",
        "000002.png a",
    ]
    only = sample(config, 2, "b")
    assert (in_turn / "000001.png").read_bytes() == (only / "000001.png").read_bytes()
    assert (in_turn / "000000.png").read_bytes() != (only / "000000.png").read_bytes()


def test_batches_hold_everything_once_and_in_order():
    images, y = np.arange(150), np.arange(300).reshape(150, 2)
    parts, labels = zip(*iterate_draw_batches(images, y), strict=True)
    assert [len(part) for part in parts] == [DRAW_BATCH, DRAW_BATCH, 150 - 2 * DRAW_BATCH]
    assert (np.concatenate(parts) == images).all() and (np.concatenate(labels) == y).all()
    assert [y for _, y in iterate_draw_batches(images, desc="read")] == [None] * 3


def test_drawing_again_keeps_a_users_file_and_the_larger_set(trained, capsys, messages):
    """There were 50 images and a user's own file; `--sample 5` used to leave 5 images."""
    config = trained()
    folder = sample(config, 50)
    (folder / "best.txt").write_text("000017")
    before = tree(folder)
    assert sample(config, 5) == folder
    assert tree(folder) == before
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{folder} already holds these 5, among 50 images of step 5"
    )

    assert sample(config, 60) == folder
    assert {name: before[name] for name in before if name.startswith("0")}.items() <= tree(
        folder
    ).items()
    assert (folder / "best.txt").read_text() == "000017"
    assert messages[-1] == f"replaced 50 images of step 5 in {folder}"


def test_a_set_of_another_step_is_put_aside(trained, messages):
    """Its checkpoint may be gone, so that nobody could draw it again."""
    config = trained()
    folder = sample(config, 5)
    before = tree(folder)
    Checkpoints(DCGAN(config), config).save(6)
    assert sample(config, 9) == folder
    assert len(list(folder.glob("0*.png"))) == 9
    assert tree(folder.with_name("seed_0.1")) == before
    assert f"{folder} was moved aside to seed_0.1: it holds 5 images of step 5." in messages


def test_pictures_of_another_label_or_with_other_statistics_are_put_aside(trained, messages):
    """Both labels are spelled alike in the folder's name."""
    config = trained(labels="own", label_names=("a b", "a-b"))
    folders = [sample(config, 3, label) for label in ("a b", "a-b")]
    assert folders[0] == folders[1]
    aside = folders[0].with_name(f"{folders[0].name}.1")
    assert (aside / "labels.txt").read_text().splitlines()[0] == "000000.png a b"
    assert messages[-1].endswith(
        "asked for now: with the label a-b and batch norm by moving statistics."
    )
    sample(dataclasses.replace(config, bn_statistics="batch"), 3, "a-b")
    assert aside.with_name(f"{folders[0].name}.2").is_dir()


def test_a_larger_set_that_lacks_an_image_is_put_aside(trained, messages):
    config = trained()
    folder = sample(config, 9)
    (folder / "000003.png").unlink()
    before = tree(folder)
    sample(config, 5)
    assert (folder / "000003.png").is_file()
    assert tree(folder.with_name("seed_0.1")) == before
    reason = "it held 9 images of step 5 (now without 000003.png), more than the new 5"
    assert f"{folder} was moved aside to seed_0.1: {reason} images of step 5." in messages


def test_what_is_no_whole_number_is_told(trained):
    sampler = Sampler(trained())
    with pytest.raises(ValueError, match=r"^count must be a whole number\. Received: 2\.5\."):
        sampler.images(seed=0, count=2.5)
    with pytest.raises(ValueError, match=r"^seed must be a whole number\. Received: 'x'\."):
        sampler.images(seed="x", count=4)
    with pytest.raises(ValueError, match=r"^count must be at least 0 and .*Received: -3\."):
        sampler.images(seed=0, count=-3)
    for seed in (-1, 2**70):
        with pytest.raises(
            ValueError, match=rf"^seed must be .*at most 2147483647.*{seed}\. Try seed=0"
        ):
            sampler.images(seed=seed, count=4)
    assert len(sampler.images(np.int64(7), np.int32(2))) == 2


def test_more_images_than_memory_or_the_disk_holds_are_one_line(trained, monkeypatch):
    config = trained()
    monkeypatch.setattr("sample.measure_available_memory", lambda: 2**33)
    fits = r"^At most [\d,]+ images fit in the memory that is free\. Received: 1,000,000,000\. Draw"
    with pytest.raises(ValueError, match=fits):
        Sampler(config).images(seed=1, count=10**9)
    with pytest.raises(ValueError, match=fits):
        sample(config, 10**9)

    free = shutil.disk_usage(config.run_dir)._replace(free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    needed = r"[01]\.\d\d GB are needed for 2,000,000 images, only 0\.00 GB are free"
    with pytest.raises(OSError, match=needed):
        sample(config, 2_000_000)
    assert not config.sample_path.exists()
    sample(config, 5)


def test_the_settings_given_to_train_lead_to_the_run(trained, tmp_path):
    """Only its config.json knows the channels."""
    run = trained()
    given = dataclasses.replace(run, c_dim="auto")
    assert (Sampler(given).images(0, 2) == Sampler(run).images(0, 2)).all()
    missing = dataclasses.replace(given, out_name="nope")
    with pytest.raises(ValueError, match=r"There is no run .*nope\. Train it first"):
        Sampler(missing)
    begun = dataclasses.replace(run, out_name="begun")
    begun.run_dir.mkdir()
    write_config(begun)
    with lock_folder(begun.run_dir), pytest.raises(ValueError) as error:
        Sampler(begun)
    assert f"begun has no checkpoint yet: process {os.getpid()} on " in str(error.value)
    with pytest.raises(ValueError, match=r"^Sampler takes .*, a Config\. Received: 'out/x'\."):
        Sampler("out/x")
