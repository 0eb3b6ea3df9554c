"""--exclude: the images that a file names are left out, whatever holds them."""

import io
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from program import run_here

from config.stored import read_config
from data.exclude import list_image_names, write_name_to_exclude
from data.find import find_dataset_source
from data.load import load_dataset, probe_dataset


def name_in_file(tmp_path, *lines):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def encode_photos(images):
    """PNG bytes of each image."""
    for pixels in images:
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        yield content.getvalue()


def make_folder(place, images):
    (place / "b").mkdir(parents=True)
    names = ["a.png", "b/c.png", "b/#d.png", "b/ä 1.png"]
    for name, content in zip(names, encode_photos(images), strict=True):
        (place / name).write_bytes(content)


def make_zip(place, images):
    with zipfile.ZipFile(f"{place}.zip", "w") as archive:
        for number, content in enumerate(encode_photos(images)):
            archive.writestr(f"all/{number}.png", content)


def make_tar(place, images, *, classes=False):
    with tarfile.open(f"{place}.tar", "w") as archive:
        for number, content in enumerate(encode_photos(images)):
            add_to_tar(archive, f"{number}.png", content)
            if classes:
                add_to_tar(archive, f"{number}.cls", b"%d" % number)


def add_to_tar(archive, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def make_tar_with_classes(place, images):
    make_tar(place, images, classes=True)


def make_npy(place, images):
    np.save(f"{place}.npy", images)


def make_npz(place, images):
    np.savez(f"{place}.npz", images=images, labels=np.arange(len(images)))


def make_parquet(place, images):
    import pyarrow
    import pyarrow.parquet

    columns = {"image": [*encode_photos(images)], "label": [*range(len(images))]}
    pyarrow.parquet.write_table(pyarrow.table(columns), f"{place}.parquet")


def make_lmdb(place, images):
    import lmdb

    place.mkdir()
    with lmdb.open(str(place)) as environment, environment.begin(write=True) as transaction:
        for number, content in enumerate(encode_photos(images)):
            transaction.put(b"key %d" % number, content)


def make_idx(place, images):
    place.mkdir()
    gray = np.ascontiguousarray(images[..., 0])
    header = bytes([0, 0, 8, 3]) + np.array(gray.shape, ">u4").tobytes()
    (place / "train-images-idx3-ubyte").write_bytes(header + gray.tobytes())


KINDS = {
    "folder": make_folder,
    "zip": make_zip,
    "tar": make_tar,
    "tar with classes": make_tar_with_classes,
    "npy": make_npy,
    "npz": make_npz,
    "parquet": make_parquet,
    "lmdb": make_lmdb,
    "idx": make_idx,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_dataset_leaves_out_what_is_named(tiny, tmp_path, photos, messages, kind):
    (tmp_path / "data").mkdir()
    KINDS[kind](tmp_path / "data" / "set", photos(4))
    config = tiny(dataset="set")
    source = find_dataset_source(config)
    names = [*list_image_names(source)]
    assert names == [name for name, _ in source.items()]
    everything = load_dataset(config)
    assert everything.manifest["files"] == names

    file = name_in_file(tmp_path, "# two of them", "", f"  {names[2]} ", names[0], names[0])
    fewer = tiny(dataset="set", exclude=file)
    assert probe_dataset(fewer).images == 2
    left = load_dataset(fewer)
    assert left.manifest["files"] == [names[1], names[3]]
    np.testing.assert_array_equal(left.images, everything.images[[1, 3]])
    assert left.images.filename != everything.images.filename
    assert probe_dataset(fewer)[0] == 2
    assert f"{file}: images left out: 2." in messages


def test_stacked_digits_are_left_out_by_their_numbers(tiny, tmp_path, mnist_digits):
    config = tiny(dataset="stacked_mnist", output_height=28, train_size=6)
    everything = load_dataset(config)
    file = name_in_file(tmp_path, "0", "4")
    left = load_dataset(tiny(dataset="stacked_mnist", output_height=28, train_size=6, exclude=file))
    np.testing.assert_array_equal(left.images, everything.images[[1, 2, 3, 5]])


def test_labels_stay_with_their_images(tiny, tmp_path, photos, mnist_digits):
    file = name_in_file(tmp_path, "0", "2")
    numbered = tiny(dataset="mnist", labels="own", exclude=file)
    assert load_dataset(numbered).labels.y.argmax(1).tolist() == [1, *range(3, 10), *range(10)]

    for number, pixels in enumerate(photos(4)):
        folder = tmp_path / "data" / "pets" / ("cat" if number < 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    lines = ["4", "Old Young", "0.png 1 -1", "1.png -1 1", "2.png -1 1", "3.png 1 1"]
    (tmp_path / "data" / "list_attr_celeba.txt").write_text("\n".join(lines))
    file = name_in_file(tmp_path, "cat/0.png")
    folders = load_dataset(tiny(dataset="pets", labels="folder", exclude=file))
    assert folders.labels.y.tolist() == [[1, 0], [0, 1], [0, 1]]
    attributes = load_dataset(tiny(dataset="pets", labels="Young,Old", exclude=file))
    assert attributes.labels.y.tolist() == [[1, 0], [1, 0], [1, 1]]


def test_other_names_make_another_pack_and_comments_of_the_same_order_do_not(
    tiny, tmp_path, image_folder
):
    image_folder(4)

    def pack(*lines):
        return load_dataset(tiny(dataset="faces", exclude=name_in_file(tmp_path, *lines)))

    first = pack("0000.png", "0001.png")
    assert pack("0001.png", "", "0000.png").images.filename == first.images.filename
    other = pack("0000.png", "0002.png")
    assert other.manifest["files"] == ["0001.png", "0003.png"]
    assert other.images.filename != first.images.filename
    assert pack().manifest["count"] == pack("# nothing").manifest["count"] == 4
    assert pack().images.filename == load_dataset(tiny(dataset="faces")).images.filename


def test_a_named_image_may_begin_like_a_comment_or_hold_a_line_end(tiny, tmp_path, photos):
    folder = tmp_path / "data" / "odd"
    folder.mkdir(parents=True)
    names = ["#1.png", "plain.png", "two\nlines.png"]
    for name, pixels in zip(names, photos(3), strict=True):
        Image.fromarray(pixels).save(folder / name)
    lines = ["# a comment", *(write_name_to_exclude(name) for name in names if name != "plain.png")]
    config = tiny(dataset="odd", exclude=name_in_file(tmp_path, *lines))
    assert load_dataset(config).manifest["files"] == ["plain.png"]


def test_names_of_no_image_are_told_once(tiny, tmp_path, image_folder, messages):
    image_folder(3)
    file = name_in_file(tmp_path, "# faces", "0001.png", *(f"x{number}.png" for number in range(5)))
    load_dataset(tiny(dataset="faces", exclude=file))
    told = [message for message in messages if "no image here matches" in message]
    assert told == [
        f"{file}: no image here matches 5 of its names: x0.png, x1.png, x2.png and 2 more."
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["x.png", "y.png"], "such as 0000.png. Received: {}, with x.png, y.png."),
        (["0000.png", "0001.png", "0002.png"], "Received: {}, which names all 3 of folder "),
    ],
)
def test_a_file_for_another_dataset_is_refused(tiny, tmp_path, image_folder, lines, reason):
    image_folder(3)
    file = name_in_file(tmp_path, *lines)
    for load in (load_dataset, probe_dataset):
        with pytest.raises(ValueError, match=re.escape(reason.format(file))):
            load(tiny(dataset="faces", exclude=file))
    assert not list(Path(tmp_path).rglob("*.npy"))


def test_a_run_goes_on_after_what_it_leaves_out_was_removed(tiny, tmp_path, image_folder, messages):
    image_folder(3)
    names = name_in_file(tmp_path, "gone.png")
    config = tiny(dataset="faces", exclude=names, dataset_fingerprint="of its images")
    assert len(load_dataset(config).images) == 3
    assert f"{names}: no image here matches 1 of its names: gone.png." in messages


def test_a_file_that_is_none_is_refused(tiny, tmp_path, monkeypatch):
    for place, reason in (("gone.txt", "No such file"), (".", "not a file")):
        with pytest.raises(ValueError, match=f"^--exclude must be a text file .*{reason}"):
            load_dataset(tiny(dataset="digits", exclude=str(tmp_path / place)))

    monkeypatch.setattr("data.limits.MAX_NAMES_BYTES", 3)
    with pytest.raises(ValueError, match=r"^--exclude must be a file of at most 3 bytes"):
        load_dataset(tiny(dataset="digits", exclude=name_in_file(tmp_path, "12345")))


@pytest.mark.slow
def test_a_run_resumes_with_its_list_and_says_when_it_has_changed(tmp_path, image_folder, messages):
    image_folder(12)
    file = name_in_file(tmp_path, "0001.png", "0002.png")
    places = [f"--out_dir={tmp_path / 'out'}", f"--data_dir={tmp_path / 'data'}", "--blocks=1"]
    command = ["--dataset=faces", f"--exclude={file}", "--train", "--g_updates=1", *places]
    assert run_here(*command, "--steps=1") == 0
    config = read_config(tmp_path / "out" / "faces-16x16" / "config.json")
    assert config.exclude == file

    assert run_here("--train", "--steps=2", "--out_name=faces-16x16", *places) == 0
    assert any("resuming at step 1" in message for message in messages)
    assert not any("images in" in message and "changed" in message for message in messages)
    name_in_file(tmp_path, "0001.png")
    assert run_here(*command, "--steps=3") == 0
    assert any("images in" in message and "have changed" in message for message in messages)
