import numpy as np
import pytest

from evaluate import prdc


def prdc_by_loops(reals, fakes, k):
    """The definitions, pair by pair."""

    def reach(points, i):
        others = [np.linalg.norm(points[i] - p) for j, p in enumerate(points) if j != i]
        return sorted(others)[k - 1]

    real_reach = [reach(reals, i) for i in range(len(reals))]
    fake_reach = [reach(fakes, j) for j in range(len(fakes))]
    apart = [[np.linalg.norm(r - f) for f in fakes] for r in reals]
    pairs = [(i, j) for i in range(len(reals)) for j in range(len(fakes))]
    inside = {(i, j) for i, j in pairs if apart[i][j] <= real_reach[i]}
    return {
        "precision": len({j for _, j in inside}) / len(fakes),
        "recall": len({i for i, j in pairs if apart[i][j] <= fake_reach[j]}) / len(reals),
        "density": len(inside) / k / len(fakes),
        "coverage": len({i for i, _ in inside}) / len(reals),
    }


def gaussians(seed, count, width=8, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, width)).astype(np.float32)


@pytest.mark.parametrize("shift", [0, 0.7])
def test_all_four_are_the_brute_force_ones(shift, monkeypatch):
    monkeypatch.setattr(prdc, "BLOCK_VALUES", 7 * 50)  # blocks of 7 rows, the last one smaller
    reals, fakes = gaussians(0, 60), gaussians(1, 50, shift=shift)
    expected = prdc_by_loops(reals, fakes, prdc.NEIGHBOURS)
    assert prdc.measure_prdc(reals, fakes) == pytest.approx(expected)


def test_equal_distributions_have_the_known_values():
    """Naeem et al. 2020, section 4: E[density] = 1. E[coverage] follows from drawing without
    replacement: a real stays uncovered if the k nearest of 2N - 1 others are all reals.
    """
    count, k = 2000, prdc.NEIGHBOURS
    scores = prdc.measure_prdc(gaussians(0, count), gaussians(1, count))
    uncovered = np.prod([(count - 1 - i) / (2 * count - 1 - i) for i in range(k)])
    assert scores["density"] == pytest.approx(1, abs=0.05)
    assert scores["coverage"] == pytest.approx(1 - uncovered, abs=0.012)
    assert scores["precision"] == pytest.approx(scores["recall"], abs=0.03)


def test_sets_far_apart_share_nothing_and_one_image_covers_next_to_nothing():
    reals = gaussians(0, 500)
    assert set(prdc.measure_prdc(reals, gaussians(1, 500, shift=50)).values()) == {0}
    repeated = prdc.measure_prdc(reals, np.repeat(reals[:1], 500, axis=0))
    assert repeated["precision"] == 1
    assert repeated["coverage"] < 0.1
    assert repeated["recall"] <= 1 / 500


def test_too_few_are_refused():
    with pytest.raises(ValueError, match="needs at least 6 images of each kind"):
        prdc.measure_prdc(gaussians(0, 5), gaussians(1, 9))
