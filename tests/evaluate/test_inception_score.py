"""The Inception score against its known values, and against a double loop."""

import math

import numpy as np
import pytest

from evaluate.inception_score import measure_inception_score


def measure(logits):
    return measure_inception_score(logits, logits)


def test_the_same_classes_for_all_images_score_1():
    assert measure(np.tile([1.0, 2.0, 3.0], (50, 1))) == {
        "inception_score": pytest.approx(1),
        "inception_score_deviation": pytest.approx(0, abs=1e-9),
    }


def test_sure_and_balanced_classes_score_their_number():
    logits = np.tile(np.eye(5) * 1000, (20, 1))  # each tenth has all five, twice
    assert measure(logits)["inception_score"] == pytest.approx(5)


def test_it_is_the_mean_and_deviation_over_tenths():
    logits = np.random.default_rng(0).normal(size=(43, 4)) * 2
    scores = []
    for part in range(10):
        rows = logits[43 * part // 10 : 43 * (part + 1) // 10]
        shares = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in rows]
        means = [sum(column) / len(rows) for column in zip(*shares, strict=True)]
        divergences = [
            sum(p * math.log(p / q) for p, q in zip(row, means, strict=True)) for row in shares
        ]
        scores.append(math.exp(sum(divergences) / len(rows)))

    found = measure(logits)
    assert found["inception_score"] == pytest.approx(np.mean(scores), rel=1e-9)
    assert found["inception_score_deviation"] == pytest.approx(np.std(scores), rel=1e-9)


def test_fewer_than_ten_images_are_too_few():
    with pytest.raises(
        ValueError, match="the Inception score needs at least 10 images of each kind"
    ):
        measure(np.zeros((9, 3)))
