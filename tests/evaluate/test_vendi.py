import numpy as np
import pytest

from evaluate import frechet
from evaluate.vendi import compute_vendi_score, measure_vendi


@pytest.mark.parametrize("count", [1, 5, 12])
def test_orthogonal_vectors_count_one_each(count):
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    lengths = np.arange(1, count + 1)[:, None]  # which do not matter
    assert compute_vendi_score(axes[:count] * lengths) == pytest.approx(count)


def test_repeated_vectors_count_once():
    features = np.repeat(np.eye(4), 25, axis=0)
    assert measure_vendi(features, features[:25]) == pytest.approx({"vendi": 1, "vendi_reals": 4})
    assert compute_vendi_score(np.zeros((3, 2))) == 1


def test_chunks_give_the_entropy_of_the_kernel_matrix(monkeypatch):
    monkeypatch.setattr(frechet, "CHUNK_ROWS", 7)
    features = np.random.default_rng(1).normal(size=(50, 9)).astype(np.float32)
    rows = features / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    values = np.linalg.eigvalsh(rows @ rows.T / 50)  # (N, N), as the definition has it
    values = values[values > 1e-12]
    expected = np.exp(-np.sum(values * np.log(values)))
    assert compute_vendi_score(features) == pytest.approx(expected, rel=1e-6)


def test_no_features_are_refused():
    with pytest.raises(ValueError, match="the Vendi score needs at least 1 images of each kind"):
        measure_vendi(np.ones((3, 2)), np.ones((0, 2)))
