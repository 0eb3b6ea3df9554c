"""Where pixels go in pictures of experiments."""

import numpy as np

from explore import captions

WHITE = 255


def test_small_images_are_enlarged_by_whole_factors():
    image = np.arange(2 * 3 * 1, dtype=np.uint8).reshape(2, 3, 1)
    large = captions.enlarge(image, 5)
    assert large.shape == (6, 9, 1)
    assert (large[::3, ::3] == image).all() and (large[2::3, 2::3] == image).all()
    assert (captions.enlarge(image, 2) == image).all()


def test_every_kind_of_image_becomes_rgb_on_white():
    gray = np.array([[[7]]], np.uint8)
    assert captions.make_rgb(gray).tolist() == [[[7, 7, 7]]]
    rgba = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 51]]], np.uint8)
    assert captions.make_rgb(rgba).tolist() == [[[255] * 3, [10, 20, 30], [204] * 3]]


def test_a_caption_is_above_its_image():
    images = np.full((3, 64, 80, 3), 9, np.uint8)
    grid = captions.arrange_captioned_grid(images, ["one", "two", "three"], 2)
    height = 64 + captions.CAPTION_HEIGHT
    assert grid.shape == (2 * height, 160, 3)
    line, image = grid[: captions.CAPTION_HEIGHT, :80], grid[captions.CAPTION_HEIGHT : height, :80]
    assert (image == 9).all()
    assert line.min() < 100 and line.max() == WHITE


def test_pictures_stand_side_by_side_with_symbols_between():
    tall, wide = np.full((50, 10, 3), 1, np.uint8), np.full((20, 40, 3), 2, np.uint8)
    joined = captions.join_side_by_side([tall, wide], ["+"])
    gap = captions.SYMBOL_WIDTH
    assert joined.shape == (50, 50 + gap, 3)
    assert (joined[:, :10] == 1).all() and (joined[:20, 10 + gap :] == 2).all()
    assert (joined[20:, 10 + gap :] == WHITE).all()
    assert joined[:, 10 : 10 + gap].min() < 100

    joined = captions.join_side_by_side([tall, wide], gap=3)
    assert joined.shape == (50, 53, 3)
    assert (joined[:, 10:13] == WHITE).all()


def test_a_heading_is_above():
    picture = np.full((30, 60, 3), 5, np.uint8)
    above = captions.put_heading_above(picture, "title")
    assert (above[captions.CAPTION_HEIGHT :] == 5).all()
    assert above[: captions.CAPTION_HEIGHT].min() < 100
