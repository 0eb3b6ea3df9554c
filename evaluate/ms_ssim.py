"""Multi-scale structural similarity of pairs of images (Wang et al. 2003), as PGGAN computes it."""

import numpy as np

from evaluate.image_sets import (
    check_image_sets,
    lay_compared_images_on_background,
    list_chunks_of_compared_images,
    take_compared_images,
)

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # of the levels, from the largest
WINDOW = 11  # pixels, at most the image's shorter side
SIGMA = 1.5  # of the Gaussian in a full window, in pixels
LUMINANCE, CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # keep small denominators from 0
PAIRS = 2000  # a standard error of about 0.002


def measure_ms_ssim(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"ms_ssim": mean over PAIRS random pairs of fakes, "ms_ssim_reals": of reals}, 0 to 1.

    uint8 (N, H, W, C). Fakes that are more alike than the reals mean collapse; the score says
    nothing about quality. Images of 16 pixels or more have five levels, as in PGGAN, and the window
    shrinks with the image. Images of 8 to 15 pixels have four, with weights that sum to 1. Memory:
    one chunk of pairs, whatever N is. Raises ValueError for N < 2.
    """
    check_image_sets(reals, fakes, metric="MS-SSIM", least=2)
    return {
        "ms_ssim": compare_random_pairs(fakes, seed),
        "ms_ssim_reals": compare_random_pairs(reals, seed),
    }


def compare_random_pairs(images, seed: int) -> float:
    """The mean MS-SSIM of PAIRS pairs of two different images, drawn with replacement."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(images), PAIRS)
    second = (first + rng.integers(1, len(images), PAIRS)) % len(images)

    total = 0.0
    for start, stop in list_chunks_of_compared_images(PAIRS, np.shape(images[:1])):
        pair = [
            lay_compared_images_on_background(take_compared_images(images, i[start:stop]))
            for i in (first, second)
        ]
        total += compute_ms_ssim(*pair).sum()
    return float(total / PAIRS)


def compute_ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The MS-SSIM of each pair: two float32 (n, H, W, C), 0 to 255 -> (n,).

    The product over the levels of contrast and structure (on the smallest level, of the whole
    SSIM), each to the power of the level's weight. A negative mean counts as 0.
    """
    # (n, H, W, C) -> (n, C, H, W), so that the blur is a product of matrices
    first, second = (np.moveaxis(side, -1, 1) for side in (first, second))
    levels = min(len(WEIGHTS), int(np.log2(min(first.shape[2:]))) + 1)
    weights = WEIGHTS[:levels] / WEIGHTS[:levels].sum()

    product = 1.0
    for level, weight in enumerate(weights):
        if level:
            first, second = halve_by_mean(first), halve_by_mean(second)
        ssim, structure = compute_ssim(first, second)
        smallest = level == levels - 1
        product = product * np.maximum(ssim if smallest else structure, 0) ** weight
    return product


def compute_ssim(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(SSIM, its factor of contrast and structure), each (n,), of two (n, C, h, w)."""
    down, along = (build_gaussian_windows(side) for side in first.shape[2:])

    def blur(maps):
        return down @ maps @ along.T

    mean_1, mean_2 = blur(first), blur(second)
    variances = blur(first * first + second * second) - mean_1 * mean_1 - mean_2 * mean_2
    covariance = blur(first * second) - mean_1 * mean_2

    structure = (2 * covariance + CONTRAST) / (variances + CONTRAST)
    luminance = (2 * mean_1 * mean_2 + LUMINANCE) / (mean_1**2 + mean_2**2 + LUMINANCE)
    axes = (1, 2, 3)
    return (luminance * structure).mean(axes), structure.mean(axes)


def build_gaussian_windows(side: int) -> np.ndarray:
    """A Gaussian at each place where a window fits into `side` pixels: (places, side)."""
    size = min(WINDOW, side)
    sigma = SIGMA * size / WINDOW
    gaussian = np.exp(-(((np.arange(size) - (size - 1) / 2) / sigma) ** 2) / 2)
    places = side - size + 1
    windows = np.zeros((places, side), np.float32)
    for place in range(places):
        windows[place, place : place + size] = gaussian / gaussian.sum()
    return windows


def halve_by_mean(maps: np.ndarray) -> np.ndarray:
    """(n, C, h, w) -> (n, C, ceil(h/2), ceil(w/2)): means of 2 x 2; an odd edge is repeated."""
    count, channels, height, width = maps.shape
    maps = np.pad(maps, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), "edge")
    half = (-(-height // 2), -(-width // 2))
    # (n, C, h, w) -> (n, C, h/2, 2, w/2, 2)
    return maps.reshape(count, channels, half[0], 2, half[1], 2).mean((3, 5))
