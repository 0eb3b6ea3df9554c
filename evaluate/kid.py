"""The kernel distance: unbiased MMD^2 with a cubic kernel (Binkowski et al. 2018, KID)."""

import numpy as np

from evaluate.image_sets import check_feature_sets

SUBSETS = 100  # as in torch-fidelity
SUBSET_SIZE = 1000  # at most


def measure_kid(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"kid": mean over subsets, "kid_error": its standard error} of features float (N, d).

    Each of SUBSETS subsets takes SUBSET_SIZE reals and as many fakes, but no more than half of the
    smaller set. The error is the delete-d jackknife's: how much the value may change with other N
    samples. It is too large when the value is near 0: there the true error falls as 1 / N, not as
    1 / sqrt(N). (The spread over subsets divided by 10 would be too small, as they overlap.)
    Memory: two subsets and their Gram matrices, 30 MB, whatever N is. Raises ValueError for N < 4.
    """
    check_feature_sets(reals, fakes, metric="KID", least=4)
    least = min(len(reals), len(fakes))
    size = min(SUBSET_SIZE, least // 2)
    rng = np.random.default_rng(seed)
    values = [
        compute_unbiased_mmd(_draw_subset(reals, size, rng), _draw_subset(fakes, size, rng))
        for _ in range(SUBSETS)
    ]

    scale = max(size / (least - size), 1 / SUBSETS)  # subsets that hardly overlap are independent
    return {"kid": float(np.mean(values)), "kid_error": float(np.std(values) * np.sqrt(scale))}


def _draw_subset(features, size: int, rng: np.random.Generator) -> np.ndarray:
    """`size` different rows of features (N, d), in the order of the file: float64 (size, d)."""
    rows = np.sort(rng.choice(len(features), size, replace=False))
    return np.asarray(features[rows], np.float64)


def compute_unbiased_mmd(first: np.ndarray, second: np.ndarray) -> float:
    """MMD^2 of (n, d) and (m, d) under (x.y / d + 1)^3; it is unbiased, so it may be negative.

    A sample is not compared with itself (Gretton et al. 2012, eq. 3).
    """
    n, m = len(first), len(second)
    within_first = _cube_products(first, first)
    within_second = _cube_products(second, second)
    mmd = (within_first.sum() - np.trace(within_first)) / (n * (n - 1))
    mmd += (within_second.sum() - np.trace(within_second)) / (m * (m - 1))
    return float(mmd - 2 * _cube_products(first, second).mean())


def _cube_products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The kernel of each row of (n, d) with each of (m, d): (n, m)."""
    products = first @ second.T / first.shape[1] + 1
    return products * products * products  # a tenth of the time of ** 3
