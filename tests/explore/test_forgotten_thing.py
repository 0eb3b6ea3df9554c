"""What --forget may be; test_forget.py has whole attributes and files."""

import numpy as np
import pytest

from explore import forgotten_thing
from explore.attribute_classifier import AttributeClassifier
from explore.boxes import Box
from explore.choices import Choices
from explore.forgotten_thing import find_thing, make_thing_of_boxes
from explore.subject import Subject


@pytest.mark.parametrize("text", ["gone.txt", "a/b"])
def test_a_path_that_is_no_file_is_refused(trained, text):
    with pytest.raises(ValueError, match=r"^--forget must be a file of boxes, or an attribute"):
        find_thing(Subject(trained(), Choices(forget=text)))


def test_samples_between_boxes_do_not_show_the_thing():
    thing = make_thing_of_boxes([Box(4, 0, 0, 1, 1), Box(1, 0, 0, 1, 1), Box(4, 2, 2, 3, 3)])
    assert (thing.numbers, thing.without, thing.searched) == ([1, 4], [0, 2, 3], 5)


def test_an_attribute_that_no_sample_shows_is_told_as_what_happened(trained, monkeypatch):
    """The classifier says no to all; it is right about 73% of the images held back."""
    pixels, has_it = np.zeros((8, 16, 16, 3), np.uint8), np.zeros(8, bool)
    loaded = pixels, None, has_it, "Eyeglasses"
    monkeypatch.setattr(forgotten_thing, "SEARCHED", 16)
    monkeypatch.setattr(forgotten_thing, "load_attribute", lambda *_: loaded)
    nothing = AttributeClassifier(np.float32(0), np.float32(0), -1.0, 0.73)
    monkeypatch.setattr(forgotten_thing, "learn_attribute", lambda *_: nothing)
    with pytest.raises(ValueError, match="A classifier") as refusal:
        find_thing(Subject(trained(), Choices(forget="eyeglasses")))
    assert str(refusal.value) == (
        "A classifier, right about 73% of held-back images, sees Eyeglasses in none of 16 samples, "
        "so there is nothing to forget. Train longer, choose an attribute that the samples have, "
        "or give --forget a file of boxes."
    )
