"""Which classifier a run gets, and what it says about images; and the whole command."""

import numpy as np
import pytest
from program import run_here

from evaluate.features import classifier as classifier_module
from evaluate.features import mode_classifier as module
from evaluate.features.classifier import Classifier, train_classifier
from evaluate.features.mode_classifier import ModeClassifier, load_mode_classifier


class BrightnessAsClass:
    """The class of a gray image is its brightness over 25; attributes are the brightness of its
    halves.
    """

    def __init__(self, *, one_hot):
        self.one_hot = one_hot

    def read_chunk(self, shown):
        values = shown.mean((1, 2, 3))
        if self.one_hot:
            return values[:, None], np.log(0.1 / 9 + 0.89 * np.eye(10)[(values / 25).astype(int)])
        halves = np.stack([shown[:, :4].mean((1, 2, 3)), shown[:, 4:].mean((1, 2, 3))], 1)
        return halves, np.where(halves > 128, 2.0, -1.0)


def test_each_channel_of_a_stacked_image_is_a_digit():
    images = np.zeros((3, 8, 8, 3), np.uint8)
    images[0] += np.uint8([30, 60, 80])  # 1, 2, 3
    images[2] += np.uint8([240, 0, 26])  # 9, 0, 1
    stacked = ModeClassifier(BrightnessAsClass(one_hot=True), np.arange(3), is_stacked=True)
    found = stacked.classify(images)
    assert found.modes.tolist() == [123, 0, 901]
    np.testing.assert_array_equal(found.features, images[:, 0, 0])
    assert found.confidence == pytest.approx((0.1 / 9 + 0.89) / (0.1 / 9 * 10 + 0.89))
    with pytest.raises(ValueError, match=r"^the modes of stacked_mnist need RGB images"):
        stacked.classify(images[..., :1])


def test_classes_are_the_likeliest_and_attributes_those_that_are_on():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    images[1, 4:] = 255
    of_classes = ModeClassifier(BrightnessAsClass(one_hot=True), np.arange(2))
    assert of_classes.classify(images).modes.tolist() == [0, 5]
    of_attributes = ModeClassifier(BrightnessAsClass(one_hot=False), np.arange(2))
    found = of_attributes.classify(images)
    assert found.modes.tolist() == [0, 2]
    off, on = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-2))
    assert found.confidence == pytest.approx((3 * off + on) / 4)


def test_stacked_mnist_has_the_classifier_of_mnist(tiny, mnist_digits, monkeypatch):
    kept = []

    def load(images, y, *, one_hot, path):
        kept.append((images.shape, y.shape, one_hot, path.name.split("-")[0], path.parent.name))
        return Classifier((), one_hot, 1.0, 4)

    monkeypatch.setattr(module, "load_or_train_classifier", load)
    sizes = {"output_height": 28, "train_size": 30}
    found = load_mode_classifier(tiny(dataset="stacked_mnist", **sizes))
    assert kept == [((20, 28, 28, 1), (20, 10), True, "mnist", ".packs")]
    assert (found.is_stacked, len(found.modes)) == (True, 30)
    assert found.modes.max() > 100

    found = load_mode_classifier(tiny(dataset="mnist", output_height=28, c_dim=1))
    assert (found.is_stacked, found.modes.tolist()) == (False, [k % 10 for k in range(20)])


def test_the_command_scores_modes_of_digits_without_labels(trained, monkeypatch, capsys):
    def train(images, y, *, one_hot):
        return train_classifier(images, y, one_hot=one_hot, steps=0)

    monkeypatch.setattr(classifier_module, "train_classifier", train)
    config = trained(c_dim=1, dataset="digits")
    run = (f"--out_dir={config.out_dir}", f"--data_dir={config.data_dir}", "--dataset=digits")
    assert run_here(*run, "--evaluate_samples=70", "--evaluate=modes", tiny=()) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = {words[0]: words[1:] for words in lines if words and words[0].startswith("modes")}
    assert [*rows] == ["modes", "modes_kl", "modes_confidence", "modes_frechet"]
    assert rows["modes"][-1] == rows["modes_confidence"][-1] == "higher"
    assert rows["modes_kl"][-1] == "lower"


def test_a_dataset_without_labels_is_one_line(trained, image_folder, capsys):
    image_folder(6)
    config = trained(dataset="faces")
    run = (f"--out_dir={config.out_dir}", f"--data_dir={config.data_dir}", "--dataset=faces")
    assert run_here(*run, "--evaluate=modes", tiny=()) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert line.startswith("error: modes: The dataset must have labels: for example mnist")
    assert line.endswith("faces. Leave modes out.")
