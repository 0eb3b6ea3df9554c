"""FID of moments, against two with a closed form; and the statistics in TTUR's files."""

import numpy as np
import pytest

from evaluate.fid import (
    measure_fid,
    measure_kid_of_inception,
    measure_prdc_of_inception,
    read_fid_statistics,
)
from evaluate.frechet import Moments
from evaluate.kid import measure_kid
from evaluate.prdc import measure_prdc


def moments(mean, deviations, count=100):
    return Moments(np.float64(mean), np.diag(np.float64(deviations) ** 2), count)


def test_fid_of_gaussians_that_are_aligned_is_known():
    first, second = moments([0, 0], [1, 2]), moments([3, 4], [2, 5])
    assert measure_fid(first, second)["fid"] == pytest.approx(25 + 1 + 9, rel=1e-9)
    unknown = moments([0, 0], [1, 2], count=0)  # as a file of statistics
    assert measure_fid(unknown, second)["fid"] == pytest.approx(35, rel=1e-9)


def test_fid_needs_more_images_than_features_and_one_network():
    few = moments([0, 0], [1, 1], count=2)
    with pytest.raises(
        ValueError, match=r"^FID needs at least 3 images of each kind but was given 2$"
    ):
        measure_fid(moments([0, 0], [1, 1]), few)
    with pytest.raises(ValueError, match=r"statistics must have 2 features, .* but have 3"):
        measure_fid(moments([0] * 3, [1] * 3), few)


def test_the_others_are_those_of_the_same_features():
    reals, fakes = np.random.default_rng(0).normal(size=(2, 40, 3))
    kid, prdc = measure_kid(reals, fakes, seed=3), measure_prdc(reals, fakes)
    assert measure_kid_of_inception(reals, fakes, seed=3) == {f"fid_{k}": v for k, v in kid.items()}
    assert measure_prdc_of_inception(reals, fakes) == {f"fid_{k}": v for k, v in prdc.items()}


def test_statistics_are_read(tmp_path):
    path = tmp_path / "fid_stats_x.npz"
    np.savez(path, mu=np.float32([1, 2]), sigma=np.eye(2))
    found = read_fid_statistics(path)
    assert (found.mean.tolist(), found.covariance.tolist()) == ([1, 2], [[1, 0], [0, 1]])
    assert found.mean.dtype == np.float64


def test_what_holds_no_statistics_is_one_line(tmp_path):
    path, whole = tmp_path / "s.npz", tmp_path / "whole.npz"
    np.savez(whole, mu=np.zeros(2), sigma=np.eye(2))

    def check(found):
        with pytest.raises(ValueError, match=f"s.npz must be an .npz with mu .*{found}") as error:
            read_fid_statistics(path)
        assert "\n" not in str(error.value)

    check("No such file")
    for content in (b"", b"text", whole.read_bytes()[:-60]):
        path.write_bytes(content)
        check("")
    for arrays in ({"mu": np.zeros(2)}, {"mu": np.zeros(2), "sigma": np.array([{}], object)}):
        np.savez(path, **arrays)
        check("")
    np.savez(path, mu=np.zeros(3), sigma=np.eye(2))
    check(r"mu \(3,\) and sigma \(2, 2\)")
    np.savez(path, mu=np.array([0, np.nan]), sigma=np.eye(2))
    check("values that are not finite")
    with path.open("wb") as file:
        np.save(file, np.eye(2))
    check("")
