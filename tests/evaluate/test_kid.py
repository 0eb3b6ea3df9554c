import numpy as np
import pytest

from evaluate import kid


def kernel(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3


def mmd_by_loops(xs, ys):
    """The definition, pair by pair."""
    n, m = len(xs), len(ys)
    first = sum(kernel(xs[i], xs[j]) for i in range(n) for j in range(n) if i != j)
    second = sum(kernel(ys[i], ys[j]) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(x, y) for x in xs for y in ys)
    return first / n / (n - 1) + second / m / (m - 1) - 2 * across / n / m


def features(seed, count, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, 6)).astype(np.float32)


def test_mmd_is_the_double_loop():
    xs, ys = features(0, 15).astype(np.float64), features(1, 12, 0.5).astype(np.float64)
    assert kid.compute_unbiased_mmd(xs, ys) == pytest.approx(mmd_by_loops(xs, ys), rel=1e-10)


def test_mean_over_subsets_is_the_value_of_all_and_the_error_covers_it():
    xs, ys = features(0, 400), features(1, 400, 0.5)
    scores = kid.measure_kid(xs, ys)
    whole = kid.compute_unbiased_mmd(xs.astype(np.float64), ys.astype(np.float64))
    assert abs(scores["kid"] - whole) < scores["kid_error"] / 2
    assert 0 < scores["kid_error"] < whole / 4


def test_error_is_the_spread_of_fresh_samples():
    values = [kid.measure_kid(features(2 * s, 60), features(2 * s + 1, 60, 1)) for s in range(40)]
    spread = np.std([value["kid"] for value in values])
    assert np.mean([value["kid_error"] for value in values]) == pytest.approx(spread, rel=0.35)


def test_equal_distributions_are_at_zero_within_the_error():
    scores = kid.measure_kid(features(0, 400), features(1, 400))
    assert abs(scores["kid"]) < 3 * scores["kid_error"]


def test_same_seed_same_number():
    sides = features(0, 100), features(1, 100)
    assert kid.measure_kid(*sides, seed=1) == kid.measure_kid(*sides, seed=1)
    assert kid.measure_kid(*sides, seed=1) != kid.measure_kid(*sides, seed=2)


def test_too_few_are_refused():
    with pytest.raises(ValueError, match="KID needs at least 4 images of each kind"):
        kid.measure_kid(features(0, 3), features(1, 9))
