import gzip
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
from absl import logging
from PIL import Image

import data.sources.tfds
from config.settings import Config
from data.batches import PREFETCH, Order, batches
from data.load import geometry_of, load, probe
from data.packing.decode import Geometry, decode
from data.packing.pack import load_pack
from data.sources.folder import folder_source, zip_source
from data.sources.idx import digits_source, find_idx, idx_source
from system.files import create_temporary


@pytest.fixture
def messages(monkeypatch):
    """Everything logged, as text."""
    said = []
    for level in ("info", "warning"):
        monkeypatch.setattr(logging, level, lambda text, *values: said.append(text % values))
    return said


def odd_folder(folder):
    """One image of each kind that users bring, and three files that only look like images."""
    (folder / "nested" / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(colour[..., 0]).save(folder / "gray.png")
    Image.fromarray(np.dstack([colour, np.full((30, 20), 128, np.uint8)])).save(folder / "rgba.png")
    Image.fromarray(colour).quantize(16).save(folder / "palette.gif")
    Image.fromarray(colour[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    Image.fromarray(colour).convert("CMYK").save(folder / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    Image.fromarray(colour).save(folder / "rotated.jpg", exif=exif)
    Image.fromarray(colour).save(folder / "UPPER.JPEG")
    Image.fromarray(colour).save(folder / "größe 猫.webp", lossless=True)
    Image.fromarray(colour).save(folder / "nested" / "deep" / "image.bmp")
    Image.fromarray(colour).save(folder / "scan.tiff")
    (folder / "linked.png").symlink_to(folder / "gray.png")
    (folder / "truncated.jpg").write_bytes((folder / "UPPER.JPEG").read_bytes()[:300])
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("not an image")
    (folder / "notes.txt").write_text("not even called one")
    (folder / ".hidden.png").write_bytes((folder / "gray.png").read_bytes())
    return {"truncated.jpg", "empty.png", "text.jpg"}


def test_every_kind_of_image_is_packed_and_the_bad_ones_are_named(tiny, messages):
    config = tiny(dataset="odd", c_dim="auto")
    bad = odd_folder(Path(config.data_dir) / "odd")
    pack = load(config)
    assert set(pack.manifest["skipped"]) == bad
    assert pack.images.shape == (11, 16, 16, 3)
    skipped = next(
        message for message in messages if message.startswith("skipped 3 unreadable of 14")
    )
    assert all(name in skipped for name in bad)
    assert skipped.count("(not an image)") == 2
    assert any("11 images" in message for message in messages)
    assert any("transparent images: 1, put on white" in message for message in messages)
    assert any("memorise" in message for message in messages)


def test_one_line_says_what_was_found(tiny, messages, photos):
    config = tiny(dataset="celebA", output_height=64, c_dim="auto")
    folder = Path(config.data_dir) / "CelebA" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number, pixels in enumerate(photos(3, 218, 178)):
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg")
    pack = load(config)
    assert "found 3 images, 178x218 -> centre crop 108 -> 64x64" in messages
    assert pack.images.shape == (3, 64, 64, 3)


@pytest.mark.parametrize(
    ("geometry", "size", "box"),
    [
        (
            Geometry(64, 64, (108, 108)),
            (218, 178),
            (35, 55, 143, 163),
        ),  # the original's offsets for CelebA
        (Geometry(64, 64), (218, 178), (0, 20, 178, 198)),
        (Geometry(64, 32), (100, 100), (25, 0, 75, 100)),
        (Geometry(64, 64, squash=True), (218, 178), (0, 0, 178, 218)),
        (
            Geometry(64, 64, (108, 108)),
            (50, 200),
            (75, 0, 125, 50),
        ),  # smaller than the crop: less is cut out
        (Geometry(8, 512), (10, 10), (0, 4, 10, 5)),
    ],
)
def test_crop_boxes(geometry, size, box):
    assert geometry.box(*size) == box


def test_crop_boxes_never_leave_the_image():
    rng = np.random.default_rng(0)
    for height, width, crop_height, crop_width in rng.integers(1, 300, (500, 4)).tolist():
        left, top, right, bottom = Geometry(16, 16, (crop_height, crop_width)).box(height, width)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_decoding_keeps_the_pixels_that_need_no_change(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    same = Geometry(16, 16)
    path = tmp_path / "image.png"
    Image.fromarray(colour).save(path)
    np.testing.assert_array_equal(decode(path, same, 3).pixels, colour)
    np.testing.assert_array_equal(decode(path.read_bytes(), same, 3).pixels, colour)
    np.testing.assert_array_equal(decode(colour, same, 3).pixels, colour)
    luma = np.round(colour @ [0.299, 0.587, 0.114])
    np.testing.assert_allclose(decode(colour, same, 1).pixels[..., 0], luma, atol=1)
    assert decode(colour, same, 4).pixels[..., 3].min() == 255
    sixteen = colour[..., 0].astype(np.uint16) * 257
    for brightness in (1, 257):  # a dark image stays dark
        Image.fromarray(sixteen // 257 * brightness).save(path)
        expected = np.round(colour[..., 0] * (brightness / 257))
        np.testing.assert_array_equal(decode(path, same, 1).pixels[..., 0], expected)
    clear = np.dstack([colour, np.zeros((16, 16), np.uint8)])
    assert (decode(clear, same, 3).pixels == 255).all()
    np.testing.assert_array_equal(decode(clear, same, 4).pixels[..., 3], 0)


def test_exif_rotation_is_applied(tmp_path):
    colour = np.zeros((10, 20, 3), np.uint8)
    colour[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colour).save(tmp_path / "turned.png", exif=exif)
    upright = decode(tmp_path / "turned.png", Geometry(20, 10), 3)
    assert upright.size == (20, 10)
    assert upright.pixels[:10].min() == 255
    assert upright.pixels[10:].max() == 0


def test_a_pack_is_made_once_and_again_when_files_change(tiny, image_folder, messages):
    config = tiny(dataset="faces")
    folder = image_folder(6)
    first = load(config)
    assert isinstance(first.images, np.memmap)
    again = load(config)
    np.testing.assert_array_equal(first.images, again.images)
    assert sum("Packing" in message for message in messages) == 1
    (folder / "0000.png").unlink()
    assert len(load(config).images) == 5
    assert (
        len(list((folder.parent / ".packs").iterdir())) == 2
    )  # the old pack and its manifest were replaced


@pytest.mark.parametrize("harm", ["cut", "no manifest", "manifest cut"])
def test_a_damaged_pack_is_made_again(tiny, image_folder, harm):
    config = tiny(dataset="faces")
    folder = image_folder(6)
    good = np.array(load(config).images)
    pack = next((folder.parent / ".packs").glob("*.npy"))
    if harm == "cut":
        pack.write_bytes(pack.read_bytes()[:-1])
    elif harm == "no manifest":
        pack.with_suffix(".json").unlink()
    else:
        pack.with_suffix(".json").write_text("{")
    np.testing.assert_array_equal(load(config).images, good)


def test_everything_that_changes_pixels_makes_another_pack(tiny, image_folder):
    image_folder(4)
    changes = [
        {},
        {"crop": False},
        {"input_height": 10},
        {"output_height": 8},
        {"c_dim": 1},
        {"train_size": 2},
        {"input_fname_pattern": "000[12]*"},
    ]
    packs = [np.array(load(tiny(dataset="faces", **change)).images) for change in changes]
    assert len({pack.tobytes() for pack in packs}) == len(packs)
    assert [len(pack) for pack in packs] == [4, 4, 4, 4, 4, 2, 2]


def test_channels_are_gray_only_if_every_image_is(tiny, image_folder):
    config = tiny(dataset="faces", c_dim="auto")
    folder = image_folder(3)
    assert load(config).images.shape[-1] == 3
    assert probe(config) == (3, 3, None)
    for path in folder.iterdir():
        Image.open(path).convert("L").save(path)
    gray = load(config).images
    assert gray.shape[-1] == 1
    assert probe(config) == (3, 1, None)
    np.testing.assert_array_equal(gray, load(tiny(dataset="faces", c_dim=1)).images)
    np.testing.assert_array_equal(gray, load(config).images)


@pytest.mark.parametrize(
    ("good", "bad", "trains"), [(1, 3, True), (96, 4, True), (20, 4, False), (0, 1, False)]
)
def test_a_tenth_may_be_unreadable(good, bad, trains, tiny, image_folder):
    config = tiny(dataset="faces")
    folder = image_folder(good)
    for number in range(bad):
        (folder / f"bad{number}.png").touch()
    if trains:
        assert len(load(config).images) == good
        return
    with pytest.raises(ValueError, match=rf"Received: {bad} of {good + bad} in folder .*bad0.png"):
        load(config)
    assert not list((folder.parent / ".packs").iterdir())  # nothing half-written stays


def test_a_pack_goes_to_out_dir_where_data_dir_cannot_be_written(tiny, image_folder, monkeypatch):
    config = tiny(dataset="faces")
    image_folder(2)
    with monkeypatch.context() as patch:  # root may write anywhere
        patch.setattr(os, "access", lambda path, mode: path == Path(config.out_dir) / ".packs")
        load(config)
    packs = list((Path(config.out_dir) / ".packs").glob("faces-*.npy"))
    assert len(packs) == 1
    assert load(config).images.filename == packs[0]  # found there from now on
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(ValueError, match="must be writable"):
            load(tiny(dataset="faces", crop=False))


def test_what_killed_processes_left_is_removed(tiny, image_folder):
    folder = image_folder(2).parent / ".packs"
    folder.mkdir()
    (folder / "faces-1.tmp").touch()
    with create_temporary(folder / "others") as others:
        load(tiny(dataset="faces"))
        assert list(folder.glob("*.tmp")) == [others]


def test_a_zip_gives_the_folders_pixels(tiny, image_folder, tmp_path):
    folder = image_folder(4, "celebA")
    config = tiny(dataset="celebA")
    from_folder = np.array(load(config).images)
    for place in (tmp_path / "data", folder):
        images = list(folder.glob("*.png"))
        with zipfile.ZipFile(place / "img_align_celeba.zip", "w") as archive:
            archive.writestr("__MACOSX/._0001.png", b"resource fork")
            for path in images:
                archive.write(path, f"img_align_celeba/{path.name}")
        for path in images:
            path.rename(tmp_path / path.name)
        np.testing.assert_array_equal(load(config).images, from_folder)
        (place / "img_align_celeba.zip").unlink()
        for path in images:
            (tmp_path / path.name).rename(path)


def test_a_web_page_called_zip_is_named_and_out_of_the_way(tiny, tmp_path, image_folder):
    config = tiny(dataset="celebA")
    (tmp_path / "data").mkdir()
    page = tmp_path / "data" / "img_align_celeba.zip"
    page.write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(ValueError, match=r"quota page.*Put CelebA's images in"):
        load(config)
    image_folder(3, "celebA")
    assert len(load(config).images) == 3


def test_zip_entries_that_cannot_be_read_are_skipped(tmp_path, photos, tiny):
    path = tmp_path / "images.zip"
    Image.fromarray(photos(1)[0]).save(tmp_path / "image.png")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "image.png", "good.png")
        archive.write(tmp_path / "image.png", "spoiled.png")
    content = bytearray(path.read_bytes())
    content[content.rindex(b"IDAT") + 8] ^= 255  # in the second image: its checksum no longer holds
    path.write_bytes(bytes(content))
    pack = load(tiny(dataset=str(path)))
    assert len(pack.images) == 1
    assert len(pack.manifest["skipped"]) == 1
    with pytest.raises(ValueError, match="a zip without any"):
        zip_source(path, pattern="*.jpg")


def test_folder_loops_and_patterns(tmp_path, photos):
    folder = tmp_path / "images"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "loop").symlink_to(folder)
    for name in ("one.png", "a/two.PNG", "a/three.jpg"):
        Image.fromarray(photos(1)[0]).save(folder / name)
    assert folder_source(folder).count == 3
    assert [name for name, _ in folder_source(folder, pattern="*.png").items()] == [
        "a/two.PNG",
        "one.png",
    ]
    assert folder_source(folder, pattern="a/*").count == 2
    assert folder_source(folder, pattern="*.bmp") is None
    assert folder_source(folder, limit=1).count == 1
    (folder / "a" / "run" / "checkpoints").mkdir(parents=True)
    (folder / "a" / "run" / "config.json").touch()
    (folder / "one.png").rename(folder / "a" / "run" / "drawn.png")
    assert folder_source(folder).count == 2


def write_idx(path, images, opener=open):
    with opener(path, "wb") as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">3I", *images.shape) + images.tobytes())


def test_idx_files_plain_and_gzipped(tiny, tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images[3:], gzip.open)
    write_idx(folder / "train-images-idx3-ubyte", images[:3])
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01")
    pack = load(tiny(dataset="mnist", output_height=28, c_dim="auto"))
    np.testing.assert_array_equal(pack.images[..., 0], images)
    assert idx_source(find_idx(folder), limit=4).count == 4
    (folder / "train-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03" + struct.pack(">3I", 3, 28, 28)
    )
    with pytest.raises(ValueError, match="as many bytes as its header says"):
        idx_source(find_idx(folder))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08spoiled")
    with pytest.raises(ValueError, match="cannot be read"):
        idx_source(find_idx(folder)[1:])


def test_digits_are_embedded():
    source = digits_source()
    name, image = next(iter(source.items()))
    assert (source.count, name, image.shape, image.dtype) == (1797, "0", (8, 8), np.uint8)
    assert image.max() > 200


def test_lsun_lmdb(tiny, tmp_path, photos):
    folder = tmp_path / "data" / "lsun" / "bedroom_train_lmdb"
    folder.mkdir(parents=True)
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        for number, pixels in enumerate(photos(3)):
            Image.fromarray(pixels).save(tmp_path / "image.webp", lossless=True)
            transaction.put(f"{number}".encode(), (tmp_path / "image.webp").read_bytes())
    config = tiny(dataset="lsun")
    pack = load(config)
    assert pack.images.shape == (3, 16, 16, 3)
    expected = decode(photos(3)[2], Geometry(16, 16), 3).pixels
    np.testing.assert_array_equal(pack.images[2], expected)
    assert len(load(tiny(dataset=str(folder), train_size=2)).images) == 2
    (folder / "data.mdb").write_bytes(b"spoiled")
    with pytest.raises(ValueError, match="must be an LMDB"):
        load(config)


def test_tfds_prepares_a_dataset_for_real(tiny, photos, monkeypatch):
    import tensorflow_datasets as tfds

    class SmallPhotos(tfds.core.GeneratorBasedBuilder):
        """Five photos that need no download."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "number": tfds.features.Scalar(np.int64),
                "photo": tfds.features.Image(shape=(24, 20, 3)),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from (
                (str(k), {"number": k, "photo": photo}) for k, photo in enumerate(photos(5))
            )

    monkeypatch.setattr(data.sources.tfds, "_network", lambda: True)
    config = tiny(dataset="tfds:small_photos")
    pack = load(config)
    assert (Path(config.data_dir) / "tfds" / "small_photos").is_dir()
    expected = {decode(photo, Geometry(16, 16), 3).pixels.tobytes() for photo in photos(5)}
    assert {image.tobytes() for image in pack.images} == expected
    assert load(tiny(dataset="tfds:small_photos", train_size=2)).manifest["count"] == 2


def test_tfds_is_the_fallback_for_celeba(tiny, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(data.sources.tfds, "_network", lambda: True)
    with tfds.testing.mock_data(num_examples=5):
        assert load(tiny(dataset="celebA", output_height=64)).images.shape == (5, 64, 64, 3)
    with pytest.raises(ValueError, match="tfds:nosuchset must be a TensorFlow dataset"):
        load(tiny(dataset="tfds:nosuchset"))


def test_without_network_celeba_says_where_to_put_it(tiny, monkeypatch):
    def no_network(*_, **__):
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("TFDS_DATA_DIR", "/nonexistent")
    with pytest.raises(ValueError) as error:
        load(tiny(dataset="celebA"))
    text = str(error.value)
    assert "no network" in text
    assert all(
        place in text
        for place in ("celebA/,", "/img_align_celeba.zip", "celebA/img_align_celeba.zip")
    )


def test_a_dead_resolver_does_not_hold_up_the_process(tmp_path):
    script = """
import socket, sys, time
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
import data.sources.tfds
data.sources.tfds.PROBE_SECONDS = 1
print(data.sources.tfds._network())
"""
    root = Path(data.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, timeout=30, check=True
    )
    assert done.stdout == b"False\n"


def test_a_dry_run_fetches_nothing(tiny, monkeypatch):
    monkeypatch.setattr(data.sources.tfds, "_prepare", lambda *_: pytest.fail("fetched"))
    with pytest.raises(ValueError, match="--train fetches it"):
        probe(tiny(dataset="tfds:cifar10"))


def test_unknown_datasets_say_what_is_there(tiny, image_folder):
    image_folder(1, "cats")
    with pytest.raises(ValueError, match=r"Received: dogs. In .*: cats\.$"):
        load(tiny(dataset="dogs"))
    with pytest.raises(ValueError, match="No such file"):
        load(tiny(dataset="dogs", data_dir="/nonexistent"))
    with pytest.raises(ValueError, match=r"bedroom_train_lmdb"):
        load(tiny(dataset="lsun"))


def test_places_without_images_say_what_they_hold(tiny, tmp_path, image_folder):
    folder = image_folder(2)
    for name in ("a.heic", "b.heic", "notes.txt"):
        (tmp_path / name).touch()
        (tmp_path / "data" / "phone").mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / "data" / "phone" / name)
    with pytest.raises(
        ValueError, match=r"data/phone must hold images .* Received: 2 .heic, 1 .txt\.$"
    ):
        load(tiny(dataset="phone"))
    with pytest.raises(ValueError, match=r"must hold files like \*.tga. Received: 2 .png"):
        load(tiny(dataset="faces", input_fname_pattern="*.tga"))
    with pytest.raises(
        ValueError, match=r"Received: one image, .*Give its folder: --dataset=.*/faces\.$"
    ):
        load(tiny(dataset=str(folder / "0000.png")))


def test_a_slash_at_the_end_and_folders_below_data_dir_are_found(tiny, image_folder):
    image_folder(2, "a/b")
    assert len(load(tiny(dataset="a/b/")).images) == 2
    assert len(load(tiny(dataset="a/")).images) == 2


def test_a_missing_side_of_the_crop_follows_the_output(tiny):
    def crop(**changes):
        return geometry_of(tiny(**changes)).crop

    assert crop(dataset="celebA") == (108, 108)
    assert crop(dataset="celebA", output_height=64, output_width=32) == (216, 108)
    assert crop(dataset="celebA", output_height=32, output_width=64) == (108, 216)
    assert crop(dataset="celebA", crop=False) is None
    assert crop(dataset="cats") is None
    assert crop(dataset="cats", input_width=50, output_height=32, output_width=16) == (100, 50)
    assert crop(dataset="celebA", input_height=96, input_width=80) == (96, 80)


def test_order_is_a_permutation_an_epoch_and_a_function_of_seed_and_step():
    order = Order(10, seed=3)
    stream = np.concatenate([order.indices(4 * step, 4 * step + 4) for step in range(5)])
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert list(stream[:10]) != list(stream[10:])
    np.testing.assert_array_equal(Order(10, seed=3).batches(range(3, 4), 4)[0], stream[12:16])
    assert not np.array_equal(Order(10, seed=4).indices(0, 10), stream[:10])
    np.testing.assert_array_equal(np.bincount(Order(3, seed=0).indices(0, 9)), [3, 3, 3])


def test_batches_start_anywhere_and_come_any_number_a_call(photos):
    images = photos(7)
    singly = [range(step, step + 1) for step in range(6)]
    whole = np.concatenate(
        [batch for (batch,) in batches(images, batch_size=3, seed=0, calls=singly)]
    )
    assert whole.shape == (6, 3, 24, 20, 3)
    rest = [
        batch
        for (batch,) in batches(images, batch_size=3, seed=0, calls=[range(1, 2), range(2, 6)])
    ]
    np.testing.assert_array_equal(rest[0], whole[1:2])
    np.testing.assert_array_equal(rest[1], whole[2:])
    ((wrapped,),) = batches(images, batch_size=20, seed=0, calls=[range(1)])
    assert wrapped.shape == (1, 20, 24, 20, 3)


def test_batches_are_gathered_ahead_by_one_thread_that_ends(photos):
    before = threading.active_count()
    calls = iter([range(step, step + 1) for step in range(100)])
    some = batches(photos(7), batch_size=3, seed=0, calls=calls)
    next(some)
    assert threading.active_count() == before + 1
    assert next(calls).start == PREFETCH + 1  # no more than that are in memory
    some.close()
    assert threading.active_count() == before


def test_labels_come_with_their_images(photos):
    images = photos(7)
    y = np.eye(7, dtype=np.float32)
    for batch, batch_y in batches(images, y, batch_size=3, seed=0, calls=[range(2), range(2, 5)]):
        np.testing.assert_array_equal(batch, images[np.argmax(batch_y, -1)])


def test_the_manifest_tells_everything(tiny, image_folder):
    folder = image_folder(2)
    load(tiny(dataset="faces"))
    manifest = json.loads(next((folder.parent / ".packs").glob("*.json")).read_text())
    assert manifest["files"] == ["0000.png", "0001.png"]
    assert manifest["sizes"] == [[24, 20, 2]]
    assert manifest["skipped"] == {}


def test_source_kinds_by_path(tmp_path, image_folder, tiny):
    folder = image_folder(3)
    by_name = load(tiny(dataset="faces"))
    by_path = load(tiny(dataset=str(folder)))
    np.testing.assert_array_equal(by_name.images, by_path.images)
    with pytest.raises(ValueError, match="must be digits, celebA"):
        load(Config(dataset=str(tmp_path / "nowhere")))


def test_load_pack_takes_any_source(tmp_path):
    pack = load_pack(
        digits_source(limit=4),
        [tmp_path],
        label="digits",
        geometry=Geometry(8, 8),
        c_dim="auto",
        settings={},
    )
    np.testing.assert_array_equal(
        pack.images[..., 0], [image for _, image in digits_source(limit=4).items()]
    )
