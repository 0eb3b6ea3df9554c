"""Which labels distinguish modes: those of the run, or the first ones that its dataset has."""

import numpy as np
import pytest

from data.find import find_dataset_source
from data.labels import Labels
from data.mode_labels import is_one_class_each, read_dataset_labels_for_modes


def read(config):
    source = find_dataset_source(config)
    return read_dataset_labels_for_modes(config, source, [name for name, _ in source.items()])


def write_attributes(folder, names, rows):
    lines = [str(len(rows)), " ".join(names)]
    lines += [f"{k:04d}.png {' '.join(map(str, row))}" for k, row in enumerate(rows)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines))


def test_a_dataset_of_its_own_labels_has_those(tiny):
    labels = read(tiny(dataset="digits"))
    assert labels.names == tuple("0123456789")
    assert is_one_class_each(labels)


def test_the_five_most_even_attributes_are_taken_in_their_order(tiny, image_folder):
    folder = image_folder(8)
    on = np.arange(8)[:, None] < [1, 4, 8, 5, 3, 2, 6]  # 1, 4, 8 ... of 8 images are on
    write_attributes(folder, "abcdefg", np.where(on, 1, -1))
    labels = read(tiny(dataset="faces"))
    assert labels.names == ("b", "d", "e", "f", "g")
    np.testing.assert_array_equal(labels.y, on[:, [1, 3, 4, 5, 6]])
    assert not is_one_class_each(labels)
    assert read(tiny(dataset="faces", labels="c,a")).names == ("c", "a")


def test_folders_are_classes_where_there_is_nothing_else(tiny, image_folder):
    image_folder(2, "pets/cats")
    folder = image_folder(3, "pets/dogs")
    labels = read(tiny(dataset="pets"))
    assert labels.names == ("cats", "dogs")
    assert labels.y.sum(0).tolist() == [2, 3]
    write_attributes(folder.parents[1], "ab", [(1, -1)])  # in data_dir, and of other images
    assert read(tiny(dataset="pets")).names == ("cats", "dogs")


def test_images_without_any_labels_are_refused(tiny, image_folder):
    image_folder(3)
    with pytest.raises(
        ValueError, match=r"^The dataset must have labels: for example mnist, .*Received: .*faces"
    ):
        read(tiny(dataset="faces"))


def test_one_attribute_is_no_class():
    y = np.ones((4, 1), np.float32)
    assert not is_one_class_each(Labels(("Smiling",), y))
    assert is_one_class_each(Labels(("a", "b"), np.eye(2, dtype=np.float32)))
    assert not is_one_class_each(Labels(("a", "b"), np.ones((2, 2), np.float32)))
