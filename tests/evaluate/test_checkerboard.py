import numpy as np
import pytest

from evaluate import checkerboard, image_sets
from evaluate.checkerboard import measure_checkerboard_of_fakes, measure_nyquist_energies


def noise(seed, shape=(40, 16, 12, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def pattern(count=3, side=16, *, amplitude, down=False, along=False):
    """128 +- amplitude, alternating down the rows, along the columns, or both."""
    y, x = np.mgrid[:side, :side]
    signs = (-1.0) ** (down * y + along * x)
    image = (128 + amplitude * signs).astype(np.uint8)
    return np.repeat(image[None, :, :, None], count, axis=0)


def test_energies_are_those_of_the_fourier_transform(monkeypatch):
    monkeypatch.setattr(image_sets, "CHUNK_IMAGES", 7)
    images = noise(0)
    spectrum = np.fft.fft2(images, axes=(1, 2)) / (16 * 12)
    power = np.mean(np.abs(spectrum) ** 2, axis=(0, 3))
    expected = [power[8].sum() - power[8, 6], power[:, 6].sum() - power[8, 6], power[8, 6]]
    np.testing.assert_allclose(measure_nyquist_energies(images), expected, rtol=1e-9)


@pytest.mark.parametrize("side", [16, 15])
@pytest.mark.parametrize("place", range(3))
def test_a_pattern_is_seen_where_it_is_and_nowhere_else(place, side):
    directions = ({"down": True}, {"along": True}, {"down": True, "along": True})
    images = pattern(amplitude=10, side=side, **directions[place])
    energies = measure_nyquist_energies(images)
    assert energies[place] == pytest.approx(100)
    assert np.delete(energies, place).max() == pytest.approx(0, abs=1e-9)


def test_what_mirrored_pictures_lack_is_0_and_not_what_floats_leave_of_it():
    half = noise(0, (100, 24, 12, 3))
    energies = measure_nyquist_energies(np.concatenate([half, half[:, :, ::-1]], axis=2))
    assert energies[0] > 1 and [*energies[1:]] == [0, 0]


def test_reals_against_reals_are_one_and_a_pattern_on_them_is_more():
    reals = noise(0) // 4 + 90
    scores = measure_checkerboard_of_fakes(reals, noise(1) // 4 + 90)
    assert list(scores) == [f"checkerboard_{n}" for n in ("rows", "columns", "diagonal")]
    assert all(0.3 < score < 3 for score in scores.values())
    fakes = reals.copy()
    fakes[:, ::2, ::2] += 40
    assert min(measure_checkerboard_of_fakes(reals, fakes).values()) > 3


def test_blank_reals_count_as_rounding():
    blank = np.full((2, 8, 8, 1), 7, np.uint8)
    scores = measure_checkerboard_of_fakes(
        blank, pattern(side=8, amplitude=1, down=True, along=True)
    )
    assert scores["checkerboard_diagonal"] == pytest.approx(64 / checkerboard.ROUNDING)
    assert scores["checkerboard_rows"] == 0
