import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import data.sources.tfds
from data import label_choice as conditions
from data.load import load, probe


@pytest.fixture
def classes(tiny):
    def make(**changes):
        return tiny(**({"labels": "folder", "label_names": ("ant", "Bee", "cat")} | changes))

    return make


@pytest.fixture
def attributes(tiny):
    def make(*names, **changes):
        return tiny(labels=",".join(names), label_names=names, **changes)

    return make


def write_attributes(path, rows):
    """CelebA's format: a count, the names, then a line an image."""
    lines = [
        str(len(rows)),
        "Hat Smiling Young",
        *(f"{name} {' '.join(values)}" for name, values in rows.items()),
    ]
    path.write_text("\n".join(lines) + "\n")


def test_classes_take_turns(classes):
    np.testing.assert_array_equal(conditions.rows(classes()), np.eye(3))
    np.testing.assert_array_equal(conditions.in_turn(classes(), 5), np.eye(3)[[0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(conditions.chosen(classes(), None, 4), np.eye(3)[[0, 1, 2, 0]])
    np.testing.assert_array_equal(conditions.chosen(classes(), "bee", 2), np.eye(3)[[1, 1]])
    np.testing.assert_array_equal(conditions.chosen(classes(), "cat, ant", 3), np.eye(3)[[2, 0, 2]])


def test_attributes_are_on_together(attributes):
    config = attributes("Hat", "Smiling")
    np.testing.assert_array_equal(conditions.rows(config), [[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(conditions.chosen(config, "smiling", 2), [[0, 1], [0, 1]])
    np.testing.assert_array_equal(conditions.chosen(config, "Smiling,Hat", 1), [[1, 1]])
    np.testing.assert_array_equal(conditions.chosen(config, "none", 1), [[0, 0]])
    many = attributes(*"abcde")
    np.testing.assert_array_equal(
        conditions.rows(many), np.concatenate([np.zeros((1, 5)), np.eye(5)])
    )


def test_a_label_that_is_not_there_names_those_that_are(classes, attributes, tiny):
    with pytest.raises(ValueError, match=r"among ant, Bee, cat\. Received: dog\."):
        conditions.chosen(classes(), "dog", 1)
    with pytest.raises(ValueError, match=r"among Hat, Smiling, or none alone\. Received: Old\."):
        conditions.chosen(attributes("Hat", "Smiling"), "Hat,Old", 1)
    with pytest.raises(ValueError, match=r"needs a run with labels\."):
        conditions.chosen(tiny(), "3", 1)
    assert conditions.chosen(tiny(), None, 3) is None


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
    pack = load(tiny(dataset="pets", labels="folder"))
    assert pack.labels.names == ("ant", "cat")
    shade = pack.images.mean((1, 2, 3))
    np.testing.assert_array_equal(
        pack.labels.y, np.where((shade < 100)[:, None], [[0, 1]], [[1, 0]])
    )
    assert probe(tiny(dataset="pets", labels="folder"))[2] == ("ant", "cat")


def test_a_class_a_folder_in_a_zip_with_a_folder_around(tiny, tmp_path, photos):
    class_folders(tmp_path / "loose" / "around", photos, {"x": 1, "y": 2})
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "pets.zip", "w") as archive:
        for path in sorted((tmp_path / "loose").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "loose"))
    pack = load(tiny(dataset="pets", labels="folder"))
    assert pack.labels.names == ("x", "y")
    np.testing.assert_array_equal(pack.labels.y, [[1, 0], [0, 1], [0, 1]])


def test_folders_that_are_no_classes(tiny, image_folder, tmp_path, photos):
    image_folder(2, "flat")
    with pytest.raises(
        ValueError, match=r"in one of two or more class folders\. Received: 0000\.png in none\."
    ):
        load(tiny(dataset="flat", labels="folder"))
    class_folders(tmp_path / "data" / "one", photos, {"cat": 2})
    with pytest.raises(ValueError, match=r"Received: one class, 'cat'\."):
        load(tiny(dataset="one", labels="folder"))


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
    pack = load(tiny(dataset="celebA", labels="smiling,Hat"))
    assert pack.labels.names == ("Smiling", "Hat")
    np.testing.assert_array_equal(pack.labels.y, [[1, 0], [0, 1], [1, 1]])


def test_attributes_that_are_not_there(tiny, image_folder, tmp_path):
    image_folder(2, "celebA")
    with pytest.raises(
        ValueError, match=r"needs list_attr_celeba\.txt beside the images\. .*download\.py celebA"
    ):
        load(tiny(dataset="celebA", labels="Smiling"))
    write_attributes(tmp_path / "data" / "list_attr_celeba.txt", {"0000.png": ("1", "1", "1")})
    with pytest.raises(
        ValueError, match=r"among Hat, Smiling, Young .*Received: Smilng\. Did you mean Smiling\?"
    ):
        load(tiny(dataset="celebA", labels="Smilng"))
    with pytest.raises(ValueError, match=r"Received: none for 0001\.png and 0 more\."):
        load(tiny(dataset="celebA", labels="Smiling"))


def test_labels_of_a_dataset_that_has_none(tiny, image_folder):
    image_folder(2)
    with pytest.raises(ValueError, match=r"--labels=own needs a dataset that comes with labels\."):
        load(tiny(dataset="faces", labels="own"))


def test_the_digits_labels_are_scikit_learns(tiny):
    import sklearn.datasets

    pack = load(tiny(dataset="digits", labels="digits", train_size=50))
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
    pack = load(tiny(dataset="mnist", labels="mnist"))
    np.testing.assert_array_equal(pack.labels.y.argmax(1), [7, 2, 9, 1, 0])
    write_idx(folder / "t10k-labels-idx1-ubyte", np.array([1]))
    with pytest.raises(
        ValueError, match=r"a label for every image\. Received: 4 labels for 5 images\."
    ):
        load(tiny(dataset="mnist", labels="mnist"))
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="needs a dataset that comes with labels"):
        load(tiny(dataset="mnist", labels="mnist"))


def test_label_names_are_kept_in_config_json(classes):
    from config.settings import from_dict

    config = classes(g_widths="64,32")
    assert from_dict(json.loads(config.to_json()), "test") == config


def test_tfds_classes_and_attributes(tiny, photos, monkeypatch):
    import tensorflow_datasets as tfds

    class LabelledPhotos(tfds.core.GeneratorBasedBuilder):
        """Four photos with a class and two attributes."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            truth = {"Hat": np.bool_, "Smiling": np.bool_}
            features = {
                "kind": tfds.features.ClassLabel(names=["cat", "dog"]),
                "photo": tfds.features.Image(shape=(16, 16, 3)),
                "attributes": truth,
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for k in range(4):
                truth = {"Hat": k < 2, "Smiling": k % 2 == 1}
                yield (
                    k,
                    {
                        "kind": k % 2,
                        "photo": np.full((16, 16, 3), 50 * k, np.uint8),
                        "attributes": truth,
                    },
                )

    monkeypatch.setattr(data.sources.tfds, "_network", lambda: True)
    pack = load(tiny(dataset="tfds:labelled_photos", labels="tfds"))
    order = np.round(pack.images.mean((1, 2, 3)) / 50).astype(int)
    assert pack.labels.names == ("cat", "dog")
    np.testing.assert_array_equal(pack.labels.y, np.eye(2)[order % 2])
    pack = load(tiny(dataset="tfds:labelled_photos", labels="Smiling,Hat"))
    np.testing.assert_array_equal(pack.labels.y, np.stack([order % 2, order < 2], 1))
    with pytest.raises(
        ValueError, match=r"among Hat, Smiling \(tfds:labelled_photos\)\. Received: Old\."
    ):
        load(tiny(dataset="tfds:labelled_photos", labels="Old"))


def test_a_class_with_a_comma_can_be_drawn(classes):
    config = classes(label_names=("a, b", "c"))
    np.testing.assert_array_equal(conditions.chosen(config, "a, b", 2), np.eye(2)[[0, 0]])


def test_attributes_are_the_same_however_they_are_spaced(tiny):
    assert tiny(labels=" Hat ,Smiling,").labels == "Hat,Smiling"
    assert tiny(labels="Folder").labels == "folder"
    assert tiny(labels="MNIST").labels == "own"


def test_a_vector_has_its_labels_names(classes, attributes):
    assert conditions.name(classes(), np.eye(3)[1]) == "Bee"
    assert conditions.name(attributes("Hat", "Smiling"), np.ones(2)) == "Hat,Smiling"
    assert conditions.name(attributes("Hat", "Smiling"), np.zeros(2)) == "none"
    assert conditions.canonical(classes(), "bee, CAT") == "Bee,cat"


def test_digits_lie_in_no_folders(tiny):
    with pytest.raises(ValueError, match=r"needs images in folders\. .* Try --labels=own"):
        load(tiny(dataset="digits", labels="folder"))
