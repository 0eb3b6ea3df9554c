"""Modes and the divergence of their shares: against counts by hand and the formula as a loop."""

import math
from collections import Counter

import numpy as np
import pytest

from evaluate.frechet import measure_frechet
from evaluate.modes import (
    Classified,
    compute_reverse_kl,
    count_covered_modes,
    measure_modes,
    number_modes_of_attributes,
    number_modes_of_digits,
)


def loop_over_reverse_kl(reals, fakes):
    real, fake = Counter(reals), Counter(fakes)
    added = sum(mode not in real for mode in fake)  # each counts as if one real had it
    return sum(
        n / len(fakes) * math.log(n / len(fakes) * (len(reals) + added) / max(real[mode], 1))
        for mode, n in fake.items()
    )


def test_a_mode_is_covered_by_one_image_and_only_modes_of_the_reals_count():
    reals = np.array([0, 0, 1, 2, 2, 7])
    assert count_covered_modes(reals, np.array([0, 2, 2, 5])) == 2
    assert count_covered_modes(reals, np.array([5, 6])) == 0
    assert count_covered_modes(reals, reals) == 4


def test_the_divergence_is_that_of_the_formula():
    reals, fakes = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1])
    by_hand = 0.25 * math.log(0.25 / 0.75) + 0.75 * math.log(0.75 / 0.25)
    assert compute_reverse_kl(reals, fakes) == pytest.approx(by_hand, rel=1e-12)

    rng = np.random.default_rng(0)
    reals, fakes = rng.integers(0, 30, 500), rng.integers(10, 40, 90)
    expected = loop_over_reverse_kl(reals.tolist(), fakes.tolist())
    assert compute_reverse_kl(reals, fakes) == pytest.approx(expected, rel=1e-12)


def test_equal_shares_have_no_divergence_and_one_mode_that_of_its_share():
    reals = np.repeat(np.arange(1000), 3)
    assert compute_reverse_kl(reals, np.arange(1000)) == pytest.approx(0, abs=1e-12)
    assert compute_reverse_kl(reals, np.full(9, 4)) == pytest.approx(math.log(1000), rel=1e-12)


def test_the_floor_is_near_its_expectation():
    rng = np.random.default_rng(1)
    reals, others = rng.integers(0, 1000, 102_000), rng.integers(0, 1000, 26_000)
    expected = 999 / 2 * (1 / 102_000 + 1 / 26_000)  # of a chi-square statistic
    assert compute_reverse_kl(reals, others) == pytest.approx(expected, rel=0.1)


def test_digits_and_attributes_are_numbered():
    digits = np.array([[0, 0, 0], [1, 2, 3], [9, 9, 9]])
    assert number_modes_of_digits(digits).tolist() == [0, 123, 999]
    assert number_modes_of_digits(digits[:, :1]).tolist() == [0, 1, 9]

    on = np.array([[False, False], [True, False], [False, True], [True, True]])
    assert number_modes_of_attributes(on).tolist() == [0, 1, 2, 3]
    most = number_modes_of_attributes(np.ones((1, 62), bool))
    assert most.tolist() == [2**62 - 1]
    with pytest.raises(ValueError, match=r"^modes takes at most 62 attributes\. Received: 63\."):
        number_modes_of_attributes(np.ones((1, 63), bool))


def test_the_scores_of_a_set():
    rng = np.random.default_rng(2)
    reals = Classified(np.array([0, 1, 2, 1]), rng.normal(size=(9, 3)), confidence=0.9)
    fakes = Classified(np.array([1, 1, 1]), rng.normal(size=(9, 3)) + 1, confidence=0.5)
    scores = measure_modes(reals, fakes)
    assert (scores["modes"], scores["modes_confidence"]) == (1, 0.5)
    assert scores["modes_kl"] == pytest.approx(math.log(2))
    distance = measure_frechet(reals.features, fakes.features)["frechet"]
    assert scores["modes_frechet"] == distance > 1

    few = Classified(fakes.modes, fakes.features[:3], confidence=0.5)
    assert [*measure_modes(reals, few)] == ["modes", "modes_kl", "modes_confidence"]
    with pytest.raises(ValueError, match=r"^modes needs at least 2 images of each kind"):
        measure_modes(reals, Classified(fakes.modes, fakes.features[:1]))
