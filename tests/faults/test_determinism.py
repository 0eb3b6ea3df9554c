"""The same seed gives the same bits, however many threads and processes read the images."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from program import run, state

import data.batches
from data.batches import prefetch_batches
from data.packing import pack as packing
from data.packing.decode import Geometry
from data.packing.pack import load_or_make_pack
from data.sources.folder import open_image_folder


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("cores", [1, 2, 5])
def test_a_pack_is_the_same_whatever_the_number_of_cores(
    cores, processes, image_folder, tmp_path, monkeypatch
):
    source = open_image_folder(image_folder(70))
    settings = {"label": "faces", "geometry": Geometry(16, 16), "c_dim": "auto", "settings": {}}
    plain = load_or_make_pack(source, [tmp_path / "plain"], **settings)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(packing, "WORKERS_FROM", 0 if processes else 5000)
    other = load_or_make_pack(source, [tmp_path / "other"], **settings)
    assert other.images.tobytes() == plain.images.tobytes()
    assert json.dumps(other.manifest) == json.dumps(plain.manifest)


@pytest.mark.parametrize("ahead", [0, 1, 7])
def test_batches_are_the_same_from_memory_and_disk_and_however_far_ahead(
    ahead, photos, tmp_path, monkeypatch
):
    images = photos(30)
    np.save(tmp_path / "pack.npy", images)
    calls = [range(k, k + 2) for k in range(0, 20, 2)]
    expected = [batch[0] for batch in prefetch_batches(images, batch_size=7, seed=3, calls=calls)]
    monkeypatch.setattr(data.batches, "PREFETCH", ahead)
    for source in (images, np.load(tmp_path / "pack.npy", mmap_mode="r")):
        found = [batch[0] for batch in prefetch_batches(source, batch_size=7, seed=3, calls=calls)]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_real_processes_with_and_without_the_flag(tmp_path):
    """On a CPU, --deterministic changes nothing; on GPUs it sets TensorFlow's option (not tried
    there).
    """
    flags = (
        "--dataset=digits",
        "--train",
        "--steps=25",
        f"--data_dir={tmp_path}",
        f"--out_dir={tmp_path}",
    )
    others = {
        "plain": (),
        "again": (),
        "flag": ("--deterministic",),
        "calls": ("--steps_per_call=7",),
    }
    others["table"] = ("--data_on_device=on",)
    for name, more in others.items():
        assert run(*flags, f"--out_name={name}", *more)[0] == 0
    states = [state(tmp_path / name) for name in others]
    assert all(one == states[0] for one in states)


def test_the_flag_reaches_tensorflow(tiny, photos, monkeypatch):
    import train as training

    asked = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append(1))
    training.train(tiny(steps=1, blocks=1, g_updates=1, deterministic=True), photos(20, 16, 16))
    assert asked == [1]
