"""The classifier: depends only on its images, is right on those it has not seen, and is kept."""

import numpy as np
import pytest

from data.sources.idx import open_digits
from evaluate.features import classifier as module
from evaluate.features.classifier import (
    Classifier,
    _compute_classifier_loss,
    _draw_weights,
    _shift_images,
    load_or_train_classifier,
    train_classifier,
)
from evaluate.image_sets import lay_compared_images_on_background


@pytest.fixture(scope="module")
def bright_or_dark():
    """100 gray images of 8x8 and their classes: bright above or below."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 80, (100, 8, 8, 1), dtype=np.uint8)
    classes = rng.integers(0, 2, 100)
    images[classes == 0, :4] += 150
    images[classes == 1, 4:] += 150
    return images, np.eye(2, dtype=np.float32)[classes]


@pytest.fixture
def untrained(monkeypatch):
    """Trains for no step, which is fast; counts how often a classifier would have been trained."""
    counts = []

    def train(images, y, *, one_hot):
        counts.append(len(images))
        return train_classifier(images, y, one_hot=one_hot, steps=0)

    monkeypatch.setattr(module, "train_classifier", train)
    return counts


def test_it_learns_what_it_is_shown(bright_or_dark):
    images, y = bright_or_dark
    found = train_classifier(images, y, one_hot=True, steps=25)
    assert (found.accuracy, found.held_out) == (1, 20)
    features, logits = found.read_chunk(lay_compared_images_on_background(images))
    assert (features.shape, logits.shape) == ((100, 64), (100, 2))
    assert features.min() >= 0
    np.testing.assert_array_equal(logits.argmax(1), y.argmax(1))


def test_the_losses_are_those_of_the_formulas():
    rng = np.random.default_rng(0)
    logits, on = rng.normal(size=(5, 3)), rng.integers(0, 2, (5, 3)).astype(float)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = np.eye(3)[[0, 2, 1, 1, 0]]
    loss = _compute_classifier_loss(logits, y, one_hot=True)
    assert float(loss) == pytest.approx(-np.log(p[y == 1]).mean(), rel=1e-6)
    p = 1 / (1 + np.exp(-logits))
    loss = _compute_classifier_loss(logits, on, one_hot=False)
    assert float(loss) == pytest.approx(-np.log(np.where(on, p, 1 - p)).mean(), rel=1e-6)


def test_it_is_kept_for_the_same_images_and_labels(bright_or_dark, untrained, tmp_path, messages):
    images, y = bright_or_dark
    path = tmp_path / "pack.classifier.npz"
    first = load_or_train_classifier(images, y, one_hot=True, path=path)
    again = load_or_train_classifier(images, y, one_hot=True, path=path)
    assert (again.name, again.accuracy, untrained) == (first.name, first.accuracy, [100])
    right = f"right on {100 * first.accuracy:.2f}% of 20 images it was not trained on."
    assert messages == [f"modes are told apart by a {first.name}, which is {right}"] * 2

    load_or_train_classifier(images, y[:, [0, 0, 1]], one_hot=False, path=path)
    line = f"{path} is for other images or another version: the classifier is trained again."
    assert (messages[2], untrained) == (line, [100, 100])
    assert "% of the attributes of 20 images" in messages[3]


def test_a_damaged_file_is_made_again(bright_or_dark, untrained, tmp_path, messages):
    images, y = bright_or_dark
    path = tmp_path / "pack.classifier.npz"
    first = load_or_train_classifier(images, y, one_hot=True, path=path)
    path.write_bytes(path.read_bytes()[:-99])
    again = load_or_train_classifier(images, y, one_hot=True, path=path)
    assert (untrained, again.name) == ([100, 100], first.name)
    assert messages[1] == f"{path} is damaged: the classifier is trained again."
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert load_or_train_classifier(images, y, one_hot=True, path=path).name == first.name
    assert untrained == [100, 100]


def test_a_folder_that_cannot_be_written_costs_no_score(
    bright_or_dark, untrained, tmp_path, messages
):
    images, y = bright_or_dark
    path = tmp_path / "gone" / "pack.classifier.npz"
    assert load_or_train_classifier(images, y, one_hot=True, path=path).held_out == 20
    assert messages[0] == f"the classifier is not kept in {path.parent}: No such file or directory"


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 20, 3), (40, 33, 4)])
def test_images_of_any_size_and_channels_have_64_features(shape):
    weights = tuple(_draw_weights(shape, 3, np.random.PCG64(0)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    features, logits = Classifier(weights, True, 1, 1).read_chunk(
        lay_compared_images_on_background(pixels)
    )
    assert (features.shape, logits.shape) == ((2, 64), (2, 3))


def test_it_is_the_network_that_the_docstring_describes():
    rng = np.random.default_rng(0)
    weights = _draw_weights((8, 8, 1), 3, np.random.PCG64(5))
    weights = [w if w.ndim > 1 else rng.normal(size=w.shape).astype(np.float32) for w in weights]
    pixels = rng.integers(0, 256, (1, 8, 8, 1), dtype=np.uint8)
    maps = pixels[0] / 127.5 - 1
    for kernel, bias in zip(weights[:6:2], weights[1:6:2], strict=True):
        padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
        side = len(maps)
        maps = np.zeros((side, side, kernel.shape[3]))
        for row in range(side):
            for column in range(side):
                patch = padded[row : row + 3, column : column + 3]
                maps[row, column] = np.maximum(np.tensordot(patch, kernel, 3) + bias, 0)
        maps = maps.reshape(side // 2, 2, side // 2, 2, -1).max((1, 3))

    expected = np.maximum(maps.ravel() @ weights[6] + weights[7], 0)
    features, logits = Classifier(tuple(weights), True, 1, 1).read_chunk(pixels.astype(np.float32))
    np.testing.assert_allclose(features[0], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(logits[0], expected @ weights[8] + weights[9], rtol=1e-3, atol=1e-4)


def test_shifted_images_are_those_cut_from_repeated_edges():
    images = np.random.default_rng(0).normal(size=(40, 5, 6, 1))
    shifted = _shift_images(images, np.random.PCG64(0))
    seen = set()
    for image, moved in zip(images, shifted, strict=True):
        rows, columns = np.arange(5), np.arange(6)
        found = [
            (down, right)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if (image[(rows + down).clip(0, 4)][:, (columns + right).clip(0, 5)] == moved).all()
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) == 9


@pytest.mark.slow
def test_digits_are_told_apart():
    """Fast tests guard each part; this one guards that the published network is good enough."""
    source = open_digits()
    images = np.stack([image for _, image in source.items()])[..., None]
    y = np.eye(10, dtype=np.float32)[source.labels()[1]]
    found = train_classifier(images, y, one_hot=True)
    assert found.held_out == 359
    assert found.accuracy > 0.98


@pytest.mark.slow
def test_the_same_images_give_the_same_network(bright_or_dark):
    images, y = bright_or_dark
    on = y[:, [0, 0, 1]]
    first, again = (train_classifier(images, on, one_hot=False, steps=60) for _ in range(2))
    assert first.accuracy == 1
    assert first.name == again.name
    assert first.name != train_classifier(images, on, one_hot=False, steps=59).name
