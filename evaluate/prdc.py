"""Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

from collections.abc import Iterator

import numpy as np

from evaluate.image_sets import check_feature_sets

NEIGHBOURS = 5  # k: Naeem et al. 2020, section 5.1
BLOCK_VALUES = 2**23  # of a block of distances: 64 MB in float64


def measure_prdc(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"precision", "recall", "density", "coverage"} of features float (N, d); `seed` is not used.

    Each sample has a ball that reaches to its k-th nearest neighbour in its own set.

    - precision: share of the fakes in a ball of the reals; 1 for one good image repeated
    - recall: share of the reals in a ball of the fakes; a few outliers among the fakes raise it
    - density: how many balls of the reals a fake is in, over k; about 1 for equal distributions
    - coverage: share of the reals whose ball holds a fake; about 1 - 2^-k for equal distributions

    Distances are computed in blocks: memory for the features and 64 MB, whatever N is. Time grows
    with N^2. Raises ValueError for N <= k.
    """
    names = "PRDC (precision, recall, density, coverage)"
    check_feature_sets(reals, fakes, metric=names, least=NEIGHBOURS + 1)
    reals, fakes = np.asarray(reals, np.float64), np.asarray(fakes, np.float64)
    real_reach = measure_ball_sizes(reals)
    fake_reach = measure_ball_sizes(fakes)

    balls = np.zeros(len(fakes))  # how many balls of the reals each fake is in
    recalled, covered = np.zeros(len(reals), bool), np.zeros(len(reals), bool)
    for rows, distances in iterate_squared_distances(reals, fakes):
        in_real_ball = distances <= real_reach[rows, None]
        balls += in_real_ball.sum(0)
        covered[rows] = in_real_ball.any(1)
        recalled[rows] = (distances <= fake_reach).any(1)

    return {
        "precision": float(np.mean(balls > 0)),
        "recall": float(np.mean(recalled)),
        "density": float(np.mean(balls) / NEIGHBOURS),
        "coverage": float(np.mean(covered)),
    }


def measure_ball_sizes(features: np.ndarray) -> np.ndarray:
    """Squared distance of each row to its k-th nearest other row: (N,)."""
    reach = np.empty(len(features))
    for rows, distances in iterate_squared_distances(features, features):
        own = np.arange(rows.start, rows.stop)
        distances[own - rows.start, own] = np.inf  # a sample is not its own neighbour
        reach[rows] = np.partition(distances, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
    return reach


def iterate_squared_distances(first, second) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows of `first`, their squared distances (n, M) to all of `second`), block by block.

    first (N, d), second (M, d), float64: |a|^2 + |b|^2 - 2 a.b keeps about 12 digits.
    """
    norms = np.einsum("nd,nd->n", second, second)
    size = max(1, BLOCK_VALUES // len(second))
    for start in range(0, len(first), size):
        rows = slice(start, min(start + size, len(first)))
        block = first[rows]
        distances = np.einsum("nd,nd->n", block, block)[:, None] + norms - 2 * (block @ second.T)
        yield rows, np.maximum(distances, 0, out=distances)
