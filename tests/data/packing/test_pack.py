import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data.packing.pack
import data.packing.workers
import data.sources.tfds
from data import limits
from data.load import load_dataset
from data.packing.decode import Geometry, decode_image
from data.packing.pack import load_or_make_pack
from data.sources.folder import open_image_folder
from data.sources.idx import open_digits
from data.sources.source import Source
from system.files import create_temporary_path

GEOMETRY = Geometry(16, 16, (20, 18))


def pack(source, folder):
    return load_or_make_pack(
        source, [folder], label="test", geometry=GEOMETRY, c_dim=3, settings={}
    )


@pytest.mark.parametrize(
    ("cores", "workers_from"), [(1, 1000), (3, 1000), (100, 1000), (1, 0), (3, 0)]
)
def test_a_pack_holds_what_decoding_one_by_one_gives(
    jpegs, tmp_path, monkeypatch, cores, workers_from
):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(data.packing.pack, "WORKERS_FROM", workers_from)
    expected, names, skipped = [], [], []
    for path in sorted(jpegs.iterdir()):
        try:
            expected.append(decode_image(path, GEOMETRY, 3).pixels)
            names.append(path.name)
        except Exception:
            skipped.append(path.name)

    made = pack(open_image_folder(jpegs), tmp_path / "packs")
    np.testing.assert_array_equal(made.images, expected)
    assert made.manifest["files"] == names
    assert (
        list(made.manifest["skipped"])
        == skipped
        == [f"{k:04d}.jpg" for k in (0, 5, 63, 64, 100, 149)]
    )


@pytest.mark.parametrize("cores", [1, 3, 16, 100])
def test_no_more_images_are_read_ahead_than_may_be_in_flight(tmp_path, monkeypatch, photos, cores):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    photo, given, ahead, update = photos(1)[0], [], [], []

    class Bar(data.packing.pack.tqdm):
        def update(self, n=1):
            ahead.append(len(given) - sum(update))
            update.append(n)

    def items():
        for number in range(5 * limits.MAX_IMAGES_IN_FLIGHT):
            given.append(number)
            yield str(number), photo

    monkeypatch.setattr(data.packing.pack, "tqdm", Bar)
    pack(Source("test", "", 5 * limits.MAX_IMAGES_IN_FLIGHT, items), tmp_path)
    assert sum(update) == 5 * limits.MAX_IMAGES_IN_FLIGHT
    assert max(ahead) <= limits.MAX_IMAGES_IN_FLIGHT


def test_an_interruption_leaves_what_waits_in_line(tmp_path, monkeypatch, photos):
    decoded = []

    def interrupted(image, *_):
        decoded.append(image)
        raise KeyboardInterrupt

    def items():
        return ((str(k), photos(1)[0]) for k in range(500))

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(data.packing.workers, "decode_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack(Source("test", "", 500, items), tmp_path)

    assert len(decoded) < limits.MAX_IMAGES_IN_FLIGHT
    assert not list(tmp_path.iterdir())


def test_a_pack_is_made_once_and_again_when_files_change(tiny, image_folder, messages):
    config = tiny(dataset="faces")
    folder = image_folder(6)
    first = load_dataset(config)
    assert isinstance(first.images, np.memmap)
    again = load_dataset(config)
    np.testing.assert_array_equal(first.images, again.images)
    assert sum("Packing" in message for message in messages) == 1

    (folder / "0000.png").unlink()
    assert len(load_dataset(config).images) == 5
    # The old pack and its manifest were replaced.
    assert len(list((folder.parent / ".packs").iterdir())) == 2


@pytest.mark.parametrize("first", ["auto", 3, 1])
@pytest.mark.parametrize("colour", [True, False])
def test_channels_that_are_found_or_given_share_a_pack_of_the_same_pixels(
    tiny, image_folder, messages, first, colour
):
    folder = image_folder(3)
    if not colour:
        for path in folder.iterdir():
            gray = Image.open(path).convert("L")
            gray.putalpha(100)
            gray.save(path)
    found = 3 if colour else 1
    load_dataset(tiny(dataset="faces", c_dim=first))
    second = found if first == "auto" else "auto"
    images = load_dataset(tiny(dataset="faces", c_dim=second)).images
    packings = sum("Packing" in message for message in messages)
    assert packings == (1 if first in ("auto", found) else 2)
    shutil.rmtree(folder.parent / ".packs")
    expected = load_dataset(tiny(dataset="faces", c_dim="auto")).images
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("harm", ["cut", "no manifest", "manifest cut"])
def test_a_damaged_pack_is_made_again(tiny, image_folder, harm):
    config = tiny(dataset="faces")
    folder = image_folder(6)
    good = np.array(load_dataset(config).images)
    pack = next((folder.parent / ".packs").glob("*.npy"))
    if harm == "cut":
        pack.write_bytes(pack.read_bytes()[:-1])
    elif harm == "no manifest":
        pack.with_suffix(".json").unlink()
    else:
        pack.with_suffix(".json").write_text("{")

    np.testing.assert_array_equal(load_dataset(config).images, good)


@pytest.mark.parametrize(
    ("good", "bad", "trains"), [(1, 3, True), (96, 4, True), (20, 4, False), (0, 1, False)]
)
def test_a_tenth_may_be_unreadable(good, bad, trains, tiny, image_folder):
    config = tiny(dataset="faces")
    folder = image_folder(good)
    for number in range(bad):
        (folder / f"bad{number}.png").touch()
    if trains:
        assert len(load_dataset(config).images) == good
        return

    with pytest.raises(ValueError, match=rf"Received: {bad} of {good + bad} in folder .*bad0.png"):
        load_dataset(config)

    assert not list((folder.parent / ".packs").iterdir())  # nothing half-written is left


def test_a_pack_goes_to_out_dir_where_data_dir_cannot_be_written(tiny, image_folder, monkeypatch):
    config = tiny(dataset="faces")
    image_folder(2)
    with monkeypatch.context() as patch:  # root may write anywhere
        patch.setattr(os, "access", lambda path, mode: path == Path(config.out_dir) / ".packs")
        load_dataset(config)

    packs = list((Path(config.out_dir) / ".packs").glob("faces-*.npy"))
    assert len(packs) == 1
    assert load_dataset(config).images.filename == packs[0]  # found there from now on
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(ValueError, match="must be writable"):
            load_dataset(tiny(dataset="faces", crop=False))


def test_what_killed_processes_left_is_removed(tiny, image_folder):
    folder = image_folder(2).parent / ".packs"
    folder.mkdir()
    (folder / "faces-1.12-abcdef.tmp").touch()
    with create_temporary_path(folder / "others") as others:
        load_dataset(tiny(dataset="faces"))
        assert list(folder.glob("*.tmp")) == [others]


def test_the_manifest_tells_everything(tiny, image_folder):
    folder = image_folder(2)
    load_dataset(tiny(dataset="faces"))
    manifest = json.loads(next((folder.parent / ".packs").glob("*.json")).read_text())
    assert manifest["files"] == ["0000.png", "0001.png"]
    assert manifest["sizes"] == [[24, 20, 2]]
    assert manifest["skipped"] == {}


def test_a_pack_is_made_of_any_source(tmp_path):
    pack = load_or_make_pack(
        open_digits(limit=4),
        [tmp_path],
        label="digits",
        geometry=Geometry(8, 8),
        c_dim="auto",
        settings={},
    )
    np.testing.assert_array_equal(
        pack.images[..., 0], [image for _, image in open_digits(limit=4).items()]
    )


@pytest.mark.parametrize(("transparent", "made_again"), [(0, False), (2, True)])
def test_manifests_that_counted_alpha_channels_are_made_again(
    tiny, image_folder, transparent, made_again
):
    """Older ones have no format. If one counted none, its count is right."""
    folder = image_folder(3)
    load_dataset(tiny(dataset="faces"))
    path = next((folder.parent / ".packs").glob("*.json"))
    good = json.loads(path.read_text())
    older = {name: value for name, value in good.items() if name != "format"}
    path.write_text(json.dumps(older | {"transparent": transparent}))

    made = path.with_suffix(".npy").stat().st_ino
    assert load_dataset(tiny(dataset="faces")).manifest["transparent"] == 0
    assert (path.with_suffix(".npy").stat().st_ino != made) == made_again
