"""The Frechet distance between two Gaussians, and their moments (Heusel et al. 2017, FID)."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from evaluate.image_sets import check_feature_sets

CHUNK_ROWS = 1024  # of features: 16 MB in float64 at d = 2048


@dataclasses.dataclass(frozen=True)
class Moments:
    """mean (d,) and covariance (d, d), float64, with the divisor count - 1. count: of samples."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


def measure_frechet(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"frechet": distance} of features float (N, d), N > d; `seed` is not used.

    Memory: d x d numbers, whatever N is. The distance is biased upwards by about 1/N: compare only
    values of the same N. Raises ValueError for N <= d, where the covariance does not have full
    rank.
    """
    width = check_feature_sets(reals, fakes, metric="the Frechet distance", least=2)
    check_feature_sets(reals, fakes, metric="the Frechet distance", least=width + 1)
    sides = (gather_moments(split_features_into_chunks(features)) for features in (reals, fakes))
    return {"frechet": compute_frechet_distance(*sides)}


def split_features_into_chunks(features) -> Iterable[np.ndarray]:
    """Chunks (n, d) of features (N, d)."""
    for start in range(0, len(features), CHUNK_ROWS):
        yield np.asarray(features[start : start + CHUNK_ROWS])


def gather_moments(chunks: Iterable[np.ndarray]) -> Moments:
    """The moments of all rows of chunks (n, d); there must be two or more.

    Each chunk is centred on its own mean before it is squared (Chan et al. 1983), so that features
    far from zero lose no digits.
    """
    count, mean, scatter = 0, 0.0, 0.0
    for chunk in chunks:
        rows = np.asarray(chunk, np.float64)
        added = len(rows)
        shift = rows.mean(0) - mean
        centred = rows - rows.mean(0)
        weight = count * added / (count + added)
        scatter = scatter + centred.T @ centred + weight * np.outer(shift, shift)
        count += added
        mean = mean + shift * (added / count)

    if count < 2:
        raise ValueError(f"a covariance needs 2 samples or more but was given {count}: give more")
    return Moments(mean, scatter / (count - 1), count)


def compute_frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + Tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2).

    The last root is that of a symmetric matrix, so its trace is the sum of the roots of the
    eigenvalues. The root of S1 S2, which is not symmetric, is not needed.
    """
    values, vectors = np.linalg.eigh(first.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = root @ second.covariance @ root
    shared = np.linalg.eigvalsh((product + product.T) / 2)

    distance = np.sum((first.mean - second.mean) ** 2)
    distance += np.trace(first.covariance) + np.trace(second.covariance)
    distance -= 2 * np.sum(np.sqrt(np.maximum(shared, 0)))
    return float(max(distance, 0.0))  # rounding may leave -1e-12 for equal moments
