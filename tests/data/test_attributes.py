"""One attribute, from whichever kind of labels the dataset has."""

import numpy as np
import pytest

from data.attributes import read_dataset_attribute
from data.find import find_dataset_source
from data.load import load_dataset_and_attribute


def read(config, name):
    source = find_dataset_source(config)
    return read_dataset_attribute(config, source, [name for name, _ in source.items()], name)


def write_attributes(folder, names, rows):
    lines = [str(len(rows)), " ".join(names)]
    lines += [f"{k:04d}.png {' '.join(map(str, row))}" for k, row in enumerate(rows)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines))


def test_an_attribute_of_the_file_in_any_case(tiny, image_folder):
    write_attributes(image_folder(3), ["Smiling", "Young"], [(1, -1), (-1, -1), (-1, 1)])
    for labels in ("none", "Smiling"):  # whatever the run was trained with
        found = read(tiny(dataset="faces", labels=labels), "young")
        assert found.names == ("Young",)
        assert found.y.tolist() == [[0], [0], [1]]


def test_a_class_of_the_dataset_and_a_folder(tiny, mnist_digits, image_folder):
    pack = load_dataset_and_attribute(tiny(dataset="mnist", output_height=28, c_dim=1), "3")
    assert np.flatnonzero(pack.labels.y).tolist() == [3, 13]
    assert len(pack.images) == 20
    image_folder(2, "pets/cats")
    image_folder(3, "pets/red-haired dogs")
    assert read(tiny(dataset="pets"), "Cats").y.sum() == 2
    assert read(tiny(dataset="pets"), "red-haired dogs").y.sum() == 3


def test_a_folder_beside_a_file_of_other_images(tiny, image_folder):
    image_folder(2, "pets/cats")
    folder = image_folder(3, "pets/dogs")
    write_attributes(folder.parents[1], ["Smiling"], [(1,)])
    assert read(tiny(dataset="pets"), "dogs").y.sum() == 3
    with pytest.raises(ValueError, match=r"must have a line for every image"):
        read(tiny(dataset="pets"), "Smiling")


@pytest.mark.parametrize(
    ("name", "advice"), [("Smilng", 'Did you mean "Smiling"[?]'), ("xy", "Pick one of these[.]")]
)
def test_an_unknown_attribute_is_refused_with_the_known_ones(tiny, image_folder, name, advice):
    write_attributes(image_folder(2), ["Smiling", "Young"], [(1, -1), (-1, -1)])
    reason = rf"^An attribute must be one of Smiling, Young \(.*\). Received: {name}. {advice}$"
    with pytest.raises(ValueError, match=reason):
        read(tiny(dataset="faces"), name)


def test_a_dataset_without_labels_is_refused(tiny, image_folder):
    image_folder(2)
    reason = r"^An attribute needs a dataset with labels.*list_attr_celeba.*Received: Smiling, and"
    with pytest.raises(ValueError, match=reason):
        read(tiny(dataset="faces"), "Smiling")
