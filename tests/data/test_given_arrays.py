"""Arrays given to `train` from Python."""

import numpy as np
import pytest
import tensorflow as tf

from data.given_arrays import check_training_images, take_training_labels
from data.labels import Labels

GOOD = np.zeros((3, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (list(GOOD), "Received: list. Try np.asarray(images)."),
        (tf.constant(GOOD), "Received: EagerTensor. Try np.asarray(images)."),
        (GOOD[..., 0], "Received: shape (3, 16, 16). Try images[..., None]."),
        (GOOD[0], "Received: shape (16, 16, 3). Try images[None]."),
        (GOOD[0, 0, 0], "Received: shape (3,). Try np.stack(list_of_images)."),
        (GOOD / 255, "Received: dtype float64. Try (images * 255).astype(np.uint8)."),
        (GOOD - 0.5, "Received: dtype float64. Try ((images + 1) * 127.5).astype(np.uint8)."),
        (GOOD + 9.0, "Received: dtype float64. Try images.clip(0, 255).astype(np.uint8)."),
        (GOOD > 0, "Received: dtype bool. Try images.astype(np.uint8) * 255."),
        (GOOD.astype(int), "Received: dtype int64. Try images.clip(0, 255).astype(np.uint8)."),
        (GOOD.astype(np.uint16) + 65535, "Try (images // 257).astype(np.uint8) if they go up to"),
        (GOOD.astype(object), "Received: dtype object. Try images.clip(0, 255).astype(np.uint8)."),
        (GOOD[:0], "Received: none. Give at least one."),
        (GOOD[:, :9], "9x16. Resize them, or use Config(output_height=9, output_width=16)."),
        (GOOD[..., :2], "Received: 2 channels. Give 1 (gray), 3 or 4."),
        (GOOD[..., :1], "channels. Received: 1. Convert them, or use Config(c_dim=1)."),
    ],
)
def test_other_images_are_one_line_that_says_what_to_do(images, line, tiny):
    with pytest.raises(ValueError) as error:
        check_training_images(tiny(), images)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_images_as_they_should_be(tiny, tmp_path):
    np.save(tmp_path / "x.npy", GOOD)
    for images in (GOOD, np.load(tmp_path / "x.npy", mmap_mode="r"), GOOD[::2], GOOD[:1]):
        check_training_images(tiny(), images)
        check_training_images(tiny(c_dim="auto"), images)


def test_the_remedies_give_what_is_wanted(tiny):
    """Exactly as the messages give them, on noise of each kind."""
    noise = np.random.default_rng(0).integers(0, 256, GOOD.shape, dtype=np.uint8)
    kinds = (noise / 255, noise / 127.5 - 1, noise.astype(np.float32), noise.astype(np.int64))
    for images in kinds:
        with pytest.raises(ValueError) as error:
            check_training_images(tiny(), images)
        remedy = str(error.value).split(" Try ")[1].removesuffix(".")
        mended = eval(remedy, {"np": np, "images": images})
        check_training_images(tiny(), mended)
        assert np.abs(mended.astype(int) - noise).max() <= 1


def test_whole_numbers_become_labels(tiny):
    own = tiny(labels="own")
    for classes in (np.array([0, 2, 1]), [0, 2, 1], np.array([0, 2, 1], np.uint8)):
        labels = take_training_labels(own, classes, 3)
        assert labels.names == ("0", "1", "2")
        np.testing.assert_array_equal(labels.y, np.eye(3)[[0, 2, 1]])
        assert labels.y.dtype == np.float32
    named = tiny(labels="folder", label_names=("cat", "dog", "owl", "yak"))
    assert take_training_labels(named, [0, 2, 1], 3).names == named.label_names
    known = "cat", "dog"  # of the run
    assert take_training_labels(named, [0, 2, 1], 3, known).names == named.label_names
    assert take_training_labels(own, [0, 0, 0], 3, known).names == known
    assert take_training_labels(own, [0, 3, 1], 3, known).names == ("cat", "dog", "2", "3")
    given = Labels(("a", "b"), np.eye(2, dtype=np.float32))
    assert take_training_labels(own, given, 2) is given
    assert take_training_labels(tiny(), None, 3) is None
    many = Labels(("Smiling", "Male"), np.array([[1, 1], [0, 0]], np.float32))
    assert take_training_labels(tiny(labels="Smiling,Male"), many, 2) is many


@pytest.mark.parametrize(
    ("settings", "labels", "line"),
    [
        ({}, [0, 1, 0], 'received labels, but Config.labels is "none": set Config(labels="own")'),
        (
            {"labels": "own"},
            None,
            'received no labels, but Config.labels is "own": give labels, or set Config',
        ),
        ({"labels": "own"}, [0, 1], "Each of the 3 images must have a label. Received: 2 labels."),
        ({"labels": "own"}, [0.0, 1, 2], "float64 of shape (3,). Try labels.astype(int)."),
        ({"labels": "own"}, ["a", "b", "a"], "Try np.unique(labels, return_inverse=True)[1]."),
        ({"labels": "own"}, np.eye(3, dtype=int), "of shape (3, 3). Try labels.argmax(1), if"),
        ({"labels": "own"}, [-1, 0, 1], "classes from 0. Received: -1 as the smallest."),
        ({"labels": "own"}, [0, 0, 0], "needs two or more labels. Received: 0."),
        ({"labels": "own"}, [0, 1, 10**9], "must be below 22,000, the most classes"),
        (
            {"labels": "own", "label_names": ("a", "b")},
            [0, 1, 2],
            "2, the number of label_names. Received: 2 as the largest. Name every class, or none.",
        ),
        (
            {"labels": "own", "label_names": ("a", "b", "c")},
            [1, 2, 3],
            "Received: 3 as the largest. If they count from 1, give labels - 1.",
        ),
        (
            {"labels": "own", "label_names": ("a", "a", "c")},
            [0, 1, 2],
            "label_names must name each class differently. Received: a more than once.",
        ),
        ({"labels": "Smiling"}, [0, 1, 0], "names attributes: labels must be data."),
        (
            {"labels": "Smiling"},
            Labels(("a", "b"), np.zeros((3, 2), np.float32)),
            "Config(labels='Smiling') needs 1 labels. Received: a, b.",
        ),
        (
            {"labels": "own"},
            Labels(("a", "b"), np.ones((3, 2), np.float32)),
            "with a single 1 for classes. Received: other values.",
        ),
        (
            {"labels": "own"},
            Labels(("a", "b"), np.full((3, 2), 0.5)),
            "labels must be vectors of 0 and 1",
        ),
    ],
)
def test_other_labels_are_one_line_that_says_what_to_do(settings, labels, line, tiny):
    with pytest.raises(ValueError) as error:
        take_training_labels(tiny(**settings), labels, 3)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_with_labels_needs_them_or_another_name(tiny):
    with pytest.raises(ValueError, match=r"own\": give labels, or name another run$"):
        take_training_labels(tiny(labels="own"), None, 3, ("a", "b"))


def test_labels_from_1_on_are_told(tiny, messages):
    config = tiny(labels="own")
    assert take_training_labels(config, [1, 2, 3], 3).names == ("0", "1", "2", "3")
    told = (
        "no image has the label 0: that class stays empty. If they count from 1, give labels - 1."
    )
    assert messages == [told]
    take_training_labels(config, [0, 1, 2], 3)
    take_training_labels(config, [1, 1, 2], 3, ("0", "1", "2"))  # the run knows class 0
    take_training_labels(tiny(labels="own", label_names=("a", "b", "c")), [1, 1, 2], 3)
    assert messages == [told]
