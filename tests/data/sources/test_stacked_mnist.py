"""StackedMNIST is a function of MNIST, a seed and a number; checked against slow code."""

import numpy as np
import pytest

from data.find import find_dataset_source
from data.load import load_dataset, probe_dataset
from data.sources.stacked_mnist import IMAGES, SEED, choose_stacked_digits


def test_an_image_is_three_digits_by_the_seed_and_its_number(tiny, mnist_digits):
    pack = load_dataset(
        tiny(dataset="stacked_mnist", output_height=28, train_size=40, c_dim="auto")
    )
    assert pack.images.shape == (40, 28, 28, 3)
    for number in (0, 1, 39):
        bits = np.random.PCG64(SEED).advance(3 * number)
        chosen = [int(bits.random_raw()) % 20 for _ in range(3)]
        for channel, digit in enumerate(chosen):
            np.testing.assert_array_equal(pack.images[number, ..., channel], mnist_digits[digit])


def test_its_classes_are_the_three_digits(tiny, mnist_digits):
    source = find_dataset_source(tiny(dataset="stacked_mnist", train_size=50))
    names, classes = source.labels()
    assert (len(names), names[7], names[-1]) == (1000, "007", "999")
    spelled = ["".join(str(k % 10) for k in row) for row in choose_stacked_digits(50, 20)]
    assert [names[k] for k in classes] == spelled
    assert len(set(spelled)) > 30


def test_there_are_as_many_as_in_the_literature(tiny, mnist_digits):
    source = find_dataset_source(tiny(dataset="stacked_mnist"))
    assert source.count == len(source.labels()[1]) == IMAGES == 128_000
    counts = np.bincount(choose_stacked_digits(IMAGES, 20).ravel(), minlength=20)
    assert abs(counts / (IMAGES * 3 / 20) - 1).max() < 0.03
    assert probe_dataset(tiny(dataset="stacked_mnist", c_dim="auto"))[:3] == (IMAGES, 3, None)


def test_faults_are_those_of_mnist(tiny, mnist_digits, tmp_path):
    (tmp_path / "data" / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    assert find_dataset_source(tiny(dataset="stacked_mnist")).labels is None

    (tmp_path / "data" / "mnist" / "t10k-images-idx3-ubyte").write_bytes(b"")
    for name in ("mnist", "stacked_mnist"):
        with pytest.raises(ValueError, match=r"images-idx3-ubyte must be .*download\.py mnist "):
            find_dataset_source(tiny(dataset=name))


def test_images_of_other_files_are_refused(tiny, image_folder):
    image_folder(3, "mnist")
    line = (
        r"^--dataset=stacked_mnist is made from MNIST's IDX files\. Received: other images, .*mnist"
    )
    with pytest.raises(ValueError, match=line):
        load_dataset(tiny(dataset="stacked_mnist"))
