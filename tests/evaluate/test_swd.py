"""Sliced Wasserstein against plain NumPy and SciPy, which share only the random draws."""

import numpy as np
import pytest
import scipy.ndimage

from evaluate import image_sets, swd

MEASURE = swd.measure_sliced_wasserstein


def noise(seed, shape=(3, 32, 32, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def blur(images, factor=1):
    weights = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.multiply.outer(weights, weights)[None, :, :, None] * factor
    return scipy.ndimage.convolve(images, kernel, mode="mirror")


def pyramid_by_scipy(images, levels):
    levels_done, image = [], images.astype(np.float64)
    for _ in range(levels - 1):
        small = blur(image)[:, ::2, ::2]
        spread = np.zeros((len(image), 2 * small.shape[1], 2 * small.shape[2], 3))
        spread[:, ::2, ::2] = small
        levels_done.append(image - blur(spread, 4)[:, : image.shape[1], : image.shape[2]])
        image = small
    return [*levels_done, image]


def patches_by_loops(images, seed, level):
    tops, lefts = swd.draw_patch_corners(
        np.random.default_rng((seed, level)), len(images), images.shape[1:]
    )
    places = zip(np.repeat(range(len(images)), swd.PATCHES), tops, lefts, strict=True)
    patches = np.stack([images[i, y : y + 7, x : x + 7] for i, y, x in places])
    patches = (patches - patches.mean((0, 1, 2))) / patches.std((0, 1, 2))
    return patches.reshape(len(patches), -1)


def swd_by_numpy(reals, fakes, levels, seed=0):
    distances = []
    sides = (pyramid_by_scipy(side, levels) for side in (reals, fakes))
    for level, images in enumerate(zip(*sides, strict=True)):
        first, second = (patches_by_loops(side, seed, level) for side in images)
        directions = swd.draw_directions(seed, level).T
        gaps = np.sort(first @ directions, axis=0) - np.sort(second @ directions, axis=0)
        distances.append(1e3 * np.abs(gaps).mean())
    return distances


@pytest.mark.parametrize(("height", "width", "levels"), [(32, 32, 2), (33, 36, 2), (18, 16, 1)])
def test_levels_are_those_of_plain_numpy(height, width, levels):
    reals = noise(0, (3, height, width, 3))
    fakes = (0.7 * noise(1, reals.shape)).astype(np.uint8)
    *scores, mean = MEASURE(reals, fakes).values()
    assert scores == pytest.approx(swd_by_numpy(reals, fakes, levels), rel=1e-4)
    assert mean == pytest.approx(np.mean(scores))


def test_what_is_held_at_once_changes_nothing(monkeypatch):
    reals, fakes = noise(0), noise(1)
    whole = MEASURE(reals, fakes)
    monkeypatch.setattr(swd, "PROJECTION_BYTES", 2 * 4 * swd.PATCHES * 3 * 100)
    monkeypatch.setattr(swd, "BYTES_IN_MEMORY", 1)
    assert MEASURE(reals, fakes) == pytest.approx(whole, rel=1e-6)


def test_patches_of_chunks_stay_within_their_image(monkeypatch):
    monkeypatch.setattr(image_sets, "CHUNK_IMAGES", 2)
    flat = np.repeat(np.arange(5, dtype=np.uint8), 16 * 16 * 3).reshape(5, 16, 16, 3)
    with swd.open_pyramids(flat, [(16, 16)]) as pyramids:
        patches = np.concatenate(list(pyramids.read_patches(0, seed=0)))
    assert patches.shape == (5 * swd.PATCHES, 7 * 7 * 3)
    np.testing.assert_array_equal(patches, np.repeat(range(5), swd.PATCHES)[:, None] + 0 * patches)


def test_a_set_and_itself_are_at_zero_and_two_draws_nearly():
    reals = noise(0, (16, 16, 16, 1))
    assert set(MEASURE(reals, reals).values()) == {0}
    near = MEASURE(reals, noise(1, reals.shape))["swd"]
    far = MEASURE(reals, scipy.ndimage.gaussian_filter(reals, (0, 1, 1, 0)))["swd"]
    assert near < far / 2


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((64, 64, 3), ["swd_64", "swd_32", "swd_16", "swd"]),
        ((28, 28, 1), ["swd_28", "swd"]),
        ((40, 31, 4), ["swd_31", "swd_16", "swd"]),
        ((8, 8, 3), ["swd_8", "swd"]),
    ],
)
def test_there_is_a_level_for_each_side_of_16_or_more(shape, names):
    images = noise(0, (1, *shape))
    assert list(MEASURE(images, images)) == names


def test_unequal_numbers_are_refused_and_blank_images_are_not():
    with pytest.raises(ValueError, match="was given 3 reals and 2 fakes: leave out some of the"):
        MEASURE(noise(0), noise(1)[:2])
    assert np.isfinite(MEASURE(noise(0), np.zeros((3, 32, 32, 3), np.uint8))["swd"])
