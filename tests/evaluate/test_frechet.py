import numpy as np
import pytest
import scipy.linalg

from evaluate.frechet import (
    Moments,
    compute_frechet_distance,
    gather_moments,
    measure_frechet,
    split_features_into_chunks,
)


def random_covariance(rng, size):
    half = rng.normal(size=(size, 2 * size))
    return half @ half.T / size


def test_diagonal_gaussians_have_a_closed_form():
    rng = np.random.default_rng(0)
    means, deviations = rng.normal(size=(2, 20)), rng.uniform(0.1, 3, (2, 20))
    sides = [Moments(m, np.diag(s**2), 9) for m, s in zip(means, deviations, strict=True)]
    expected = np.sum((means[0] - means[1]) ** 2) + np.sum((deviations[0] - deviations[1]) ** 2)
    assert compute_frechet_distance(*sides) == pytest.approx(expected, rel=1e-6)


def test_commuting_covariances_have_a_closed_form():
    """With the same eigenvectors, only the roots of the eigenvalues differ."""
    rng = np.random.default_rng(1)
    axes, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    values = rng.uniform(0, 5, (2, 30))
    sides = [Moments(np.zeros(30), axes @ np.diag(v) @ axes.T, 9) for v in values]
    expected = np.sum((np.sqrt(values[0]) - np.sqrt(values[1])) ** 2)
    assert compute_frechet_distance(*sides) == pytest.approx(expected, rel=1e-6)


def test_any_two_gaussians_agree_with_scipys_matrix_root():
    rng = np.random.default_rng(2)
    means = rng.normal(size=(2, 40))
    first, second = (random_covariance(rng, 40) for _ in range(2))
    root = scipy.linalg.sqrtm(first @ second)
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(first + second - 2 * root.real)
    distance = compute_frechet_distance(Moments(means[0], first, 9), Moments(means[1], second, 9))
    assert distance == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("offset", [0, 1e6])
def test_moments_of_chunks_are_numpys_of_all(offset):
    features = np.random.default_rng(3).normal(size=(1000, 7)) * [1, 2, 3, 4, 5, 6, 0] + offset
    chunks = [features[:1], features[1:400], features[400:403], features[403:]]
    moments = gather_moments(chunks)
    assert moments.count == 1000
    np.testing.assert_allclose(moments.mean, features.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(features.T), rtol=1e-8, atol=1e-8)


def test_sets_of_features_have_the_distance_of_their_moments():
    rng = np.random.default_rng(4)
    reals = rng.normal(size=(3000, 5)).astype(np.float32)
    fakes = 2 * reals[::-1] + 1
    distance = measure_frechet(reals, fakes)["frechet"]
    expected = compute_frechet_distance(
        *(Moments(f.mean(0), np.cov(f.T), len(f)) for f in (reals, fakes))
    )
    assert distance == pytest.approx(expected, rel=1e-5)
    assert measure_frechet(reals, reals)["frechet"] == pytest.approx(0, abs=1e-9)
    assert max(len(chunk) for chunk in split_features_into_chunks(reals)) < len(reals)


def test_fewer_samples_than_numbers_are_refused():
    with pytest.raises(ValueError, match="needs at least 6 images of each kind but was given 5"):
        measure_frechet(np.eye(5), np.eye(6)[:, :5])
    with pytest.raises(ValueError, match="2 samples or more but was given 1"):
        gather_moments([np.ones((1, 3))])
