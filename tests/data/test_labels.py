import dataclasses
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from data.labels import Labels, take_labels_of_run
from data.load import load_dataset, probe_dataset


def write_attributes(path, rows):
    """CelebA's format: a count, the names, then a line for each image."""
    lines = [
        str(len(rows)),
        "Hat Smiling Young",
        *(f"{name} {' '.join(values)}" for name, values in rows.items()),
    ]
    path.write_text("\n".join(lines) + "\n")


def class_folders(folder, photos, counts):
    for (name, count), shade in zip(counts.items(), (40, 120, 200), strict=False):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(photos(1)[0] // 8 + np.uint8(shade)).save(
                folder / name / f"{number}.png"
            )


def test_a_class_a_folder(tiny, tmp_path, photos):
    class_folders(tmp_path / "data" / "pets", photos, {"cat": 2, "ant": 3})
    (tmp_path / "data" / "pets" / "cat" / "bad.png").write_bytes(b"no image")
    pack = load_dataset(tiny(dataset="pets", labels="folder"))
    assert pack.labels.names == ("ant", "cat")
    shade = pack.images.mean((1, 2, 3))
    np.testing.assert_array_equal(
        pack.labels.y, np.where((shade < 100)[:, None], [[0, 1]], [[1, 0]])
    )
    assert probe_dataset(tiny(dataset="pets", labels="folder"))[2] == ("ant", "cat")


def test_a_class_a_folder_in_a_zip_with_a_folder_around(tiny, tmp_path, photos):
    class_folders(tmp_path / "loose" / "around", photos, {"x": 1, "y": 2})
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "pets.zip", "w") as archive:
        for path in sorted((tmp_path / "loose").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "loose"))
    pack = load_dataset(tiny(dataset="pets", labels="folder"))
    assert pack.labels.names == ("x", "y")
    np.testing.assert_array_equal(pack.labels.y, [[1, 0], [0, 1], [0, 1]])


def test_folders_that_are_no_classes(tiny, image_folder, tmp_path, photos):
    image_folder(2, "flat")
    with pytest.raises(
        ValueError,
        match=r"in one of two or more class folders\. Received: 0000\.png, which is in none\.",
    ):
        load_dataset(tiny(dataset="flat", labels="folder"))
    class_folders(tmp_path / "data" / "one", photos, {"cat": 2})
    with pytest.raises(ValueError, match=r"Received: one class, 'cat'\."):
        load_dataset(tiny(dataset="one", labels="folder"))


@pytest.mark.parametrize("place", ["data/celebA", "data"])
def test_attributes_beside_the_images(tiny, image_folder, tmp_path, place):
    image_folder(3, "celebA")
    rows = {
        "0000.png": ("-1", "1", "1"),
        "0001.png": (" 1", "-1", "1"),
        "0002.png": ("1", "1", "-1"),
        "9.png": ("1",) * 3,
    }
    write_attributes(tmp_path / place / "list_attr_celeba.txt", rows)
    pack = load_dataset(tiny(dataset="celebA", labels="smiling,Hat"))
    assert pack.labels.names == ("Smiling", "Hat")
    np.testing.assert_array_equal(pack.labels.y, [[1, 0], [0, 1], [1, 1]])


def test_attributes_that_are_not_there(tiny, image_folder, tmp_path):
    image_folder(2, "celebA")
    with pytest.raises(
        ValueError, match=r"needs list_attr_celeba\.txt beside the images\. .*download\.py celebA"
    ):
        load_dataset(tiny(dataset="celebA", labels="Smiling"))

    write_attributes(tmp_path / "data" / "list_attr_celeba.txt", {"0000.png": ("1", "1", "1")})
    with pytest.raises(
        ValueError,
        match=r"attributes Hat, Smiling, Young .*Received: Smilng\. Did you mean Smiling\?",
    ):
        load_dataset(tiny(dataset="celebA", labels="Smilng"))


def test_images_without_attributes_get_their_remedy(tiny, image_folder, tmp_path):
    """--exclude takes the names as the error spells them."""
    folder, file = image_folder(12, "celebA"), tmp_path / "data" / "list_attr_celeba.txt"
    (folder / "new").mkdir()
    for number in range(8, 12):
        (folder / f"{number:04d}.png").rename(folder / "new" / f"{number}.png")
    write_attributes(file, {f"{number:04d}.png": ("1", "1", "1") for number in range(8)})
    config = tiny(dataset="celebA", labels="Smiling")
    told = (
        f"{file} must have a line for every image. Received: none for new/10.png, "
        "new/11.png, new/8.png, new/9.png. Add the missing lines, or leave these images out: "
        "--exclude takes a text file with a name on each line."
    )
    with pytest.raises(ValueError) as error:
        load_dataset(config)
    assert str(error.value) == told
    names = tmp_path / "names.txt"
    names.write_text("new/10.png\nnew/11.png\nnew/8.png\nnew/9.png\n")
    assert len(load_dataset(dataclasses.replace(config, exclude=str(names))).labels.y) == 8

    write_attributes(file, {"0003.png": ("1", "1", "1")})
    told = r"Received: none for 0000\.png, .* and 8 more\. Does it belong"
    with pytest.raises(ValueError, match=told):
        load_dataset(config)


def test_labels_of_a_dataset_that_has_none(tiny, image_folder):
    image_folder(2)
    with pytest.raises(ValueError, match=r"--labels=own needs a dataset that comes with labels\."):
        load_dataset(tiny(dataset="faces", labels="own"))


def test_an_npy_file_has_no_labels_and_an_npz_may(tiny, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 16, 16), np.uint8))
    remedy = "Try an .npz with images and labels, as np.savez writes it, or --labels=none."
    with pytest.raises(ValueError, match=re.escape(remedy)):
        load_dataset(tiny(dataset=str(tmp_path / "a.npy"), labels="own"))


def test_labels_come_in_the_order_of_the_run_that_named_them(tiny, tmp_path):
    """From Python, a run's classes have the order that its user gave; a file's are sorted."""
    names, classes = ("up", "down", "across"), np.arange(12) % 3
    images = np.zeros((12, 16, 16), np.uint8)
    np.savez(tmp_path / "numbers.npz", images=images, labels=classes)
    np.savez(tmp_path / "names.npz", images=images, labels=np.array(names)[classes])
    of_run = {"labels": "own", "label_names": names}
    for file in ("numbers", "names"):
        config = tiny(dataset=str(tmp_path / f"{file}.npz"), **of_run)
        labels = load_dataset(config).labels
        assert (labels.names, labels.y.argmax(1).tolist()) == (names, classes.tolist())
        assert probe_dataset(config).label_names == names
    others = dataclasses.replace(config, label_names=("up", "down", "left"))
    assert load_dataset(others).labels.names == ("across", "down", "up")


@pytest.mark.parametrize(
    ("labels", "found", "numbers"),
    [
        ("folder", ("bee", "cat"), [1, 2]),  # the dataset has no ants now
        ("folder", ("cat", "ant", "bee"), [2, 0, 1]),
        ("own", ("0", "2"), [0, 2]),  # the run's names were given from Python
    ],
)
def test_a_runs_labels_are_found_by_name(tiny, labels, found, numbers):
    config = tiny(labels=labels, label_names=("ant", "bee", "cat"))
    taken = take_labels_of_run(config, Labels(found, np.eye(len(found), dtype=np.float32)))
    assert taken.names == config.label_names
    assert taken.y.argmax(1).tolist() == numbers and (taken.y.sum(1) == 1).all()
    assert take_labels_of_run(config, None) is None


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        (("ant", "bee", "cat", "dog"), "Take dog out of the dataset."),
        (("bee", "cat", "zant"), "Give them their old names."),
        (("0", "1"), "Give them their old names."),
    ],
)
def test_labels_that_a_run_does_not_know_are_refused(tiny, found, remedy):
    config = tiny(labels="folder", label_names=("ant", "bee", "cat"))
    labels = Labels(found, np.eye(len(found), dtype=np.float32))
    told = (
        f"The labels are fixed once a run has started: {config.run_dir} has ant, bee, cat. "
        f"Received: {', '.join(found)}. {remedy}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        take_labels_of_run(config, labels)


def test_the_digits_labels_are_scikit_learns(tiny):
    import sklearn.datasets

    pack = load_dataset(tiny(dataset="digits", labels="digits", train_size=50))
    assert pack.labels.names == tuple("0123456789")
    np.testing.assert_array_equal(
        pack.labels.y.argmax(1), sklearn.datasets.load_digits().target[:50]
    )


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def test_mnists_labels_follow_train_and_test_images(tiny, tmp_path, photos):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for part, digits in (("train", [7, 2, 9]), ("t10k", [1, 0])):
        write_idx(folder / f"{part}-images-idx3-ubyte", photos(len(digits), 28, 28)[..., 0])
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.array(digits))

    pack = load_dataset(tiny(dataset="mnist", labels="mnist"))
    np.testing.assert_array_equal(pack.labels.y.argmax(1), [7, 2, 9, 1, 0])
    write_idx(folder / "t10k-labels-idx1-ubyte", np.array([1]))
    with pytest.raises(
        ValueError, match=r"a label for every image\. Received: 4 labels for 5 images\."
    ):
        load_dataset(tiny(dataset="mnist", labels="mnist"))

    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="needs a dataset that comes with labels"):
        load_dataset(tiny(dataset="mnist", labels="mnist"))


def test_attributes_are_the_same_however_they_are_spaced(tiny):
    assert tiny(labels=" Hat ,Smiling,").labels == "Hat,Smiling"
    assert tiny(labels="Folder").labels == "folder"
    assert tiny(labels="MNIST").labels == "own"


def test_digits_lie_in_no_folders(tiny):
    with pytest.raises(ValueError, match=r"needs images in folders\. .* Try --labels=own"):
        load_dataset(tiny(dataset="digits", labels="folder"))
