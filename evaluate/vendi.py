"""The Vendi score: how many different images a set amounts to (Friedman & Dieng 2023)."""

import numpy as np

from evaluate.frechet import split_features_into_chunks
from evaluate.image_sets import check_feature_sets


def measure_vendi(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"vendi": of the fakes, "vendi_reals": of the reals}; features float (N, d).

    1: all are the same; N (at most d): all are orthogonal. `seed` is not used. Compare only
    values of the same N. Memory: d x d numbers, whatever N is.
    """
    check_feature_sets(reals, fakes, metric="the Vendi score", least=1)
    return {"vendi": compute_vendi_score(fakes), "vendi_reals": compute_vendi_score(reals)}


def compute_vendi_score(features) -> float:
    """exp of the entropy of the eigenvalues of X X^T / N, where the rows of X have length 1.

    X^T X / N (d, d) has the same nonzero eigenvalues, and does not grow with N.
    """
    gram = 0.0
    for chunk in split_features_into_chunks(features):
        rows = np.asarray(chunk, np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths == 0, 1, lengths)
        gram = gram + rows.T @ rows

    shares = np.maximum(np.linalg.eigvalsh(gram), 0)
    if shares.sum() == 0:
        return 1.0  # all features are zero, so all images are the same
    shares = shares / shares.sum()
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))
