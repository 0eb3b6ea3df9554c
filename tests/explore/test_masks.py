"""Which pixels masks hide."""

import numpy as np
import pytest
from PIL import Image

from data.packing.decode import Geometry
from explore.given_images import GivenImage
from explore.masks import make_mask, read_mask


def make(name, height=8, width=12):
    return make_mask(name, height, width, np.random.default_rng(0))


def test_center_hides_the_middle_half_of_each_side():
    expected = np.zeros((8, 12), bool)
    expected[2:6, 3:9] = True
    assert (make("center") == expected).all()


def test_left_hides_the_left_half():
    hidden = make("left", 5, 7)
    assert hidden[:, :3].all()
    assert not hidden[:, 3:].any()


def test_random_hides_four_fifths_of_the_pixels_everywhere():
    hidden = make("random", 50, 40)
    assert hidden.sum() == 1600
    quarters = hidden.reshape(2, 25, 2, 20).mean((1, 3))  # 500 pixels each, sigma = 0.015
    assert abs(quarters - 0.8).max() < 0.07
    assert (hidden == make("random", 50, 40)).all()


@pytest.fixture
def write_mask(tmp_path):
    def write(levels):
        path = tmp_path / "mask.png"
        Image.fromarray(np.asarray(levels, np.uint8)).save(path)
        return str(path)

    return write


def given(height, width):
    return GivenImage("face.png", np.zeros((4, 4, 3), np.uint8), (height, width))


def test_a_mask_of_the_networks_size_is_white_where_it_hides(write_mask):
    levels = np.zeros((4, 4))
    levels[1, 2], levels[3, 0], levels[0, 0] = 255, 128, 127
    hidden = read_mask(write_mask(levels), given(20, 30), Geometry(4, 4))
    assert np.argwhere(hidden).tolist() == [[1, 2], [3, 0]]


def test_a_mask_of_the_images_size_is_cropped_with_it(write_mask):
    """8 high x 12 wide, its middle 8x8 are kept, and every second pixel of each of its sides."""
    levels = np.zeros((8, 12))
    levels[2:4, 4:8] = 255
    levels[:, :2] = 255  # cropped away
    hidden = read_mask(write_mask(levels), given(8, 12), Geometry(4, 4))
    expected = np.zeros((4, 4), bool)
    expected[1, 1:3] = True
    assert (hidden == expected).all()


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        (
            np.full((5, 4), 255),
            "same size as the networks' images, 4 wide x 4 high, or as face.png",
        ),
        (np.zeros((4, 4)), "which hides nothing."),
        (np.full((4, 4), 255), "which hides everything."),
    ],
)
def test_other_masks_are_refused_in_one_line(write_mask, levels, reason):
    with pytest.raises(ValueError, match=reason) as refusal:
        read_mask(write_mask(levels), given(20, 30), Geometry(4, 4))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("right", "Try --mask center."),
        ("centre", "Did you mean center?"),
        ("Left", "Did you mean left?"),
    ],
)
def test_a_word_that_is_no_mask_hears_which_words_are(word, advice):
    with pytest.raises(ValueError, match=r"^--mask") as refusal:
        read_mask(word, given(20, 30), Geometry(4, 4))
    rule = "--mask must be center, left, random or an image file."
    assert str(refusal.value) == f"{rule} Received: {word}. {advice}"


def test_a_path_without_a_mask_hears_that_the_file_is_missing(tmp_path):
    for path in ("right.png", str(tmp_path / "right")):
        with pytest.raises(ValueError, match=r"^--mask must be a readable image file\..*No such"):
            read_mask(path, given(20, 30), Geometry(4, 4))


def test_a_mask_may_be_a_file_named_without_an_ending(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save("right", "png")
    assert read_mask("right", given(20, 30), Geometry(4, 4)).sum() == 4
