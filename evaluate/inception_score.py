"""The Inception score (Salimans et al. 2016): each image's class should be clear, and classes
varied.
"""

import itertools

import numpy as np

from evaluate.image_sets import check_feature_sets

SPLITS = 10  # as in improved-gan


def measure_inception_score(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"inception_score": mean over 10 parts, "inception_score_deviation"} of logits (N, classes).

    The parts are consecutive tenths, as in improved-gan. A part's score is exp of the mean KL
    divergence between an image's class probabilities and the part's mean: 1 when all images have
    the same; the number of classes when each image's class is certain and all classes are equally
    frequent. The reals and `seed` are not used. Memory: a tenth of the logits. Raises ValueError
    for fewer than 10 images.
    """
    check_feature_sets(reals, fakes, metric="the Inception score", least=SPLITS)
    bounds = [len(fakes) * part // SPLITS for part in range(SPLITS + 1)]
    scores = [
        compute_inception_score(fakes[start:stop]) for start, stop in itertools.pairwise(bounds)
    ]
    return {
        "inception_score": float(np.mean(scores)),
        "inception_score_deviation": float(np.std(scores)),
    }


def compute_inception_score(logits: np.ndarray) -> float:
    """exp(mean KL(p(y|x) || p(y))) of logits (n, classes)."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    shares = np.exp(log_shares)
    log_marginal = np.log(np.maximum(shares.mean(0), np.finfo(np.float64).tiny))
    return float(np.exp(np.mean(np.sum(shares * (log_shares - log_marginal), 1))))
