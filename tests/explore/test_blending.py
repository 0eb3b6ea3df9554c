"""Poisson blending against functions whose Laplacian is known."""

import numpy as np
import pytest

from explore.blending import blend_hole, fill_hole, make_laplacian
from explore.masks import make_mask

ROWS, COLUMNS = np.mgrid[:12, :10].astype(float)


def mask(name):
    return make_mask(name, 12, 10, np.random.default_rng(0))


def spread(*channels):
    return np.stack(channels, -1)  # (H, W, C)


def test_the_laplacian_by_hand():
    expected = [[2, -1, -1, 0], [-1, 2, 0, -1], [-1, 0, 2, -1], [0, -1, -1, 2]]
    assert make_laplacian(2, 2).toarray().tolist() == expected
    assert np.diag(make_laplacian(3, 3).toarray()).tolist() == [2, 3, 2, 3, 4, 3, 2, 3, 2]


@pytest.mark.parametrize("name", ["center", "left", "random"])
def test_a_constant_offset_vanishes(name):
    image = np.random.default_rng(1).uniform(0, 255, (12, 10, 3))
    blended = blend_hole(image, image + np.array([10, -40, 300]), mask(name))
    assert blended == pytest.approx(image, abs=1e-9)


def test_a_harmonic_hole_is_filled_exactly():
    """x, y, xy and x^2 - y^2 are the mean of their four neighbours; the source says nothing."""
    image = spread(ROWS, COLUMNS, ROWS * COLUMNS, ROWS**2 - COLUMNS**2)
    blended = blend_hole(image, np.zeros_like(image), mask("center"))
    assert blended == pytest.approx(image, abs=1e-9)
    # x^2 is not: its Laplacian is 2.
    square = spread(ROWS**2)
    assert abs(blend_hole(square, 0 * square, mask("center")) - square).max() > 1


def test_a_harmonic_difference_vanishes():
    image = np.random.default_rng(1).uniform(0, 255, (12, 10, 1))
    blended = blend_hole(image, image + spread(3 * ROWS * COLUMNS), mask("center"))
    assert blended == pytest.approx(image, abs=1e-9)


def test_at_the_edge_of_an_image_nothing_is_known():
    """A left half that says nothing goes on as the column beside it, up to the edge."""
    image = spread(COLUMNS)
    blended = blend_hole(image, np.zeros_like(image), mask("left"))
    assert blended[:, :5] == pytest.approx(5.0)


@pytest.mark.parametrize("name", ["center", "random"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_visible_pixels_stay_to_the_byte_and_hidden_ones_are_bytes(name, channels):
    rng = np.random.default_rng(2)
    image, source = rng.integers(0, 256, (2, 12, 10, channels), dtype=np.uint8)
    hidden = mask(name)
    filled = fill_hole(image, source, hidden)
    assert filled.dtype == np.uint8
    assert (filled[~hidden] == image[~hidden]).all()
    expected = np.clip(blend_hole(image, source, hidden)[hidden], 0, 255)
    assert abs(filled[hidden] - expected).max() <= 0.5
