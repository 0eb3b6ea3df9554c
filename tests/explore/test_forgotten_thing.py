"""What --forget may be; test_forget.py has whole attributes and files."""

import pytest

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
