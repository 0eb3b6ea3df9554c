"""Errors in the networks' units, by hand."""

import numpy as np
import pytest

from explore.pixel_errors import compute_psnr, compute_squared_errors, describe_squared_error


def test_black_against_white_is_two_units_apart():
    black = np.zeros((2, 3, 4, 3), np.uint8)
    other = black.copy()
    other[0] = 255
    other[1, :, :2] = 255  # half of the pixels
    errors = compute_squared_errors(black, other)
    assert errors == pytest.approx([4, 2])
    assert compute_psnr(errors) == pytest.approx([0, 10 * np.log10(2)])

    right = np.zeros((2, 3, 4), bool)
    right[:, :, 2:] = True
    assert compute_squared_errors(black, other, right) == pytest.approx([4, 0])


def test_an_error_of_nothing_has_a_finite_ratio():
    assert compute_psnr(np.zeros(1))[0] == pytest.approx(58.92, abs=0.01)
    assert describe_squared_error(0.04) == "mean squared error 0.0400 (PSNR 20.0 dB)"
