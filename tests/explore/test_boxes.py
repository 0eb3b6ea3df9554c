"""Boxes: which lines of a file are read, and which positions of maps they hold."""

import re

import numpy as np
import pytest

from explore.boxes import Box, draw_boxes, mark_positions_in_box, read_boxes


@pytest.fixture
def file_of(tmp_path):
    def write(text):
        path = tmp_path / "boxes.txt"
        path.write_text(text)
        return path

    return write


def test_boxes_are_read(file_of):
    path = file_of("# glasses\n17 20 22 44 34\n\n  3 0 0 64 48 \r\n17 1 1 2 2\n")
    boxes = [Box(17, 20, 22, 44, 34), Box(3, 0, 0, 64, 48), Box(17, 1, 1, 2, 2)]
    assert read_boxes(path, 48, 64) == boxes


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("1 2 3 4 5\n1 2 3 4\n", "line 2: 1 2 3 4."),
        ("1 2 3 4 x", "line 1: 1 2 3 4 x."),
        ("-1 2 3 4 5", "line 1: -1 2 3 4 5."),
        ("1 2 3 4.5 5", "line 1"),
        (
            "1048577 2 3 4 5",
            "line 1: 1048577 2 3 4 5. The number of a sample is at most 1,048,576.",
        ),
        ("9999999999999 2 3 4 5", "line 1"),
        ("1 2 3 65 5", "line 1: 1 2 3 65 5. Images are 64 wide and 48 high."),
        ("1 2 3 4 49", "line 1: 1 2 3 4 49. Images are 64 wide and 48 high."),
        ("1 4 3 4 5", "line 1"),
        ("1 2 5 4 3", "line 1"),
        ("# none\n\n", "a file without boxes."),
        ("\n" * 1_000_001, "a file of 1,000,001 bytes, and at most 1,000,000 are allowed."),
        ("\0\x1b[31m", r"line 1: \x00\x1b[31m."),
    ],
)
def test_wrong_files_are_refused_in_one_line(file_of, text, received):
    with pytest.raises(ValueError, match=re.escape(received)) as caught:
        read_boxes(file_of(text), 48, 64)
    assert str(caught.value).startswith("--forget must be a file with lines such as ")
    assert "boxes.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_positions_in_a_box_by_hand():
    """Four rows of 16 pixels, with centres at 8, 24, 40 and 56; eight columns of 4, at 2, 6, ..."""
    marked = mark_positions_in_box(Box(0, 3, 8, 14, 40), (4, 8), (64, 32))
    expected = np.zeros((4, 8), bool)
    expected[0:2, 1:3] = True  # rows at 8 and 24, not 40; columns at 6 and 10, not 14
    assert (marked == expected).all()


def test_a_small_box_has_the_nearest_position():
    marked = mark_positions_in_box(Box(0, 27, 60, 28, 62), (4, 4), (64, 64))
    assert np.argwhere(marked).tolist() == [[3, 1]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_outlines_are_just_inside(channels):
    image = np.full((8, 8, channels), 255, np.uint8)
    drawn = draw_boxes(image, [Box(0, 1, 2, 5, 7)])
    red = (drawn == (255, 0, 0)).all(-1)
    expected = np.zeros((8, 8), bool)
    expected[2:7, 1:5] = True
    expected[3:6, 2:4] = False
    assert (red == expected).all()
    assert (image == 255).all()
