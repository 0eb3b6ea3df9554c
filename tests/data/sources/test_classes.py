import numpy as np
import pytest

from data.sources.classes import name_classes, number_classes


@pytest.mark.parametrize(
    ("values", "names", "numbers"),
    [
        ([2, 0, 2], ["0", "1", "2"], [2, 0, 2]),
        (np.array([1, 0], np.uint8), ["0", "1"], [1, 0]),
        (["3", "00", "1"], ["0", "1", "2", "3"], [3, 0, 1]),
        (["dog", "cat", "dog"], ["cat", "dog"], [1, 0, 1]),
        (["dog", "7"], ["7", "dog"], [1, 0]),
        ([True, False], ["False", "True"], [1, 0]),
        ([True, True], ["False", "True"], [1, 1]),
        (np.array([False, False]), ["False", "True"], [0, 0]),
        ([2.0, 0.0], ["0", "1", "2"], [2, 0]),
        (np.array([1, 0], np.float32), ["0", "1"], [1, 0]),
    ],
)
def test_numbers_and_words_become_classes(values, names, numbers):
    found, classes = number_classes(values, "it")
    assert (found, classes.tolist()) == (names, numbers)


@pytest.mark.parametrize("values", [[-1, 3], [0, 22_000], ["0", "9" * 18], np.array([2**63 - 1])])
def test_numbers_that_are_no_classes_are_one_line(values):
    with pytest.raises(ValueError, match=r"The classes of it must be .* to 21,999\. Received: "):
        number_classes(values, "it")


@pytest.mark.parametrize("value", [0.5, np.float32(0.25), float("inf")])
def test_fractions_are_no_classes(value):
    with pytest.raises(ValueError, match=rf"whole numbers or words\. Received: {value:g}\. Use"):
        number_classes([0.0, value], "it")
    with pytest.raises(ValueError, match=r"Received: one without"):
        number_classes([0.0, float("nan")], "it")


def test_names_that_are_known():
    names, classes = name_classes([1, 0], ["cat", "dog"], "it")
    assert (names, classes.tolist()) == (["cat", "dog"], [1, 0])
    assert name_classes(["b", "a"], None, "it")[0] == ["a", "b"]
    assert name_classes([1.0, 0.0], ["cat", "dog"], "it")[1].tolist() == [1, 0]
    for values in ([0, 2], [-1], [None], [float("nan")]):
        with pytest.raises(ValueError, match=r"must have one of its 2 classes"):
            name_classes(values, ["cat", "dog"], "it")


def test_every_image_needs_a_class_of_reasonable_length():
    for values, received in (([1, None], "one without"), (["a", "b" * 1001], "a word of 1,001 ch")):
        with pytest.raises(ValueError, match=rf"a number or a word\. Received: {received}"):
            number_classes(values, "it")
