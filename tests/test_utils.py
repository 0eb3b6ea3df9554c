"""Pictures are written and read back."""

import imageio.v3 as iio
import numpy as np
import pytest

from utils import GIF_SIDE, arrange_image_grid, encode_grids_as_gif, encode_png, make_gif_frame


def test_grids_are_as_square_as_can_be():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    grid = arrange_image_grid(images)
    assert grid.shape == (4, 9, 1)
    assert grid[::2, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 0]]


def test_png_keeps_pixels_of_every_channel_count(tmp_path):
    for channels in (1, 3, 4):
        image = np.random.default_rng(0).integers(0, 256, (5, 4, channels), dtype=np.uint8)
        decoded = iio.imread(encode_png(image), extension=".png")
        np.testing.assert_array_equal(decoded.reshape(image.shape), image)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_film_has_a_frame_a_grid_but_not_endlessly_many(channels, tmp_path):
    paths = []
    for number in range(130):
        image = np.full((8, 8, channels), number, np.uint8)
        image[..., 3:] = 255
        paths.append(tmp_path / f"train_{number:08d}.png")
        paths[-1].write_bytes(encode_png(image))
    assert len(iio.imread(encode_grids_as_gif(paths[:3]))) == 3
    assert len(iio.imread(encode_grids_as_gif(paths))) == 100
    assert encode_grids_as_gif([]) == b""


def test_what_is_no_image_is_not_in_the_film(tmp_path):
    for number, content in enumerate((b"", b"text", encode_png(np.zeros((8, 8, 3), np.uint8)))):
        (tmp_path / f"{number}.png").write_bytes(content)
    paths = sorted(tmp_path.glob("*.png"))
    assert iio.imread(encode_grids_as_gif(paths)).shape == (1, 8, 8, 3)
    assert encode_grids_as_gif(paths[:2]) == b""


def test_the_same_pixels_are_the_same_bytes():
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert encode_png(image) == encode_png(image.copy())
    assert encode_png(image) != encode_png(image[::-1].copy())


def test_a_grid_of_given_columns_ends_in_black():
    images = np.full((5, 2, 2, 3), 9, np.uint8)
    grid = arrange_image_grid(images, 4)
    assert grid.shape == (4, 8, 3)
    assert (grid[:2] == 9).all()
    assert (grid[2:, :2] == 9).all()
    assert not grid[2:, 2:].any()


def test_grids_of_another_size_than_the_last_are_no_frames(tmp_path):
    for number, side in enumerate((4, 8, 8)):
        image = np.full((side, side, 3), number, np.uint8)
        (tmp_path / f"{number}.png").write_bytes(encode_png(image))
    film = encode_grids_as_gif(sorted(tmp_path.glob("*.png")))
    assert iio.imread(film).shape == (2, 8, 8, 3)


def test_a_film_frame_is_small_enough_and_on_white():
    large = np.zeros((2 * GIF_SIDE, 10, 3), np.uint8)
    large[::2, ::2] = 7
    frame = make_gif_frame(large)
    assert frame.shape == (GIF_SIDE, 5, 3)
    assert (frame == 7).all()
    assert make_gif_frame(np.zeros((4, 4, 1), np.uint8)).shape == (4, 4)

    colours = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)
    expected = [[[10, 20, 30], [255, 255, 255], [204, 204, 204]]]  # 255 * (1 - 51 / 255) = 204
    np.testing.assert_array_equal(make_gif_frame(colours), expected)
