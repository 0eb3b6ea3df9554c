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
    ],
)
def test_numbers_and_words_become_classes(values, names, numbers):
    found, classes = number_classes(values, "it")
    assert (found, classes.tolist()) == (names, numbers)


@pytest.mark.parametrize("values", [[-1, 3], [0, 22_000], ["0", "9" * 18], np.array([2**63 - 1])])
def test_numbers_that_are_no_classes_are_one_line(values):
    with pytest.raises(ValueError, match=r"The classes of it must be .* to 21,999\. Received: "):
        number_classes(values, "it")


def test_names_that_are_known():
    names, classes = name_classes([1, 0], ["cat", "dog"], "it")
    assert (names, classes.tolist()) == (["cat", "dog"], [1, 0])
    assert name_classes(["b", "a"], None, "it")[0] == ["a", "b"]
    for values in ([0, 2], [-1], [None]):
        with pytest.raises(ValueError, match=r"must have one of its 2 classes"):
            name_classes(values, ["cat", "dog"], "it")


def test_every_image_needs_a_class_of_reasonable_length():
    for values, received in (([1, None], "one without"), (["a", "b" * 1001], "a word of 1,001 ch")):
        with pytest.raises(ValueError, match=rf"a number or a word\. Received: {received}"):
            number_classes(values, "it")
