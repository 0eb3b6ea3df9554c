"""The classifier is the one that scikit-learn finds."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from explore import svm as svm_module
from explore.svm import fit_linear_svm


def measure_loss(rows, classes, weights, bias, c: float) -> float:
    """The sum over the classes, row by row, as in Fan et al. 2008 (LIBLINEAR), section 2."""
    loss = 0.0
    for one in range(weights.shape[1]):
        signs = np.where(classes == one, 1.0, -1.0)
        gaps = np.maximum(0, 1 - signs * (rows.astype(float) @ weights[:, one] + bias[one]))
        loss += (weights[:, one] @ weights[:, one] + bias[one] ** 2) / 2 + c * (gaps**2).sum()
    return loss


@pytest.mark.parametrize("values", [40, 300])  # fewer than rows, and far more
@pytest.mark.parametrize("c", [1e-4, 1e-2])
def test_loss_and_weights_are_those_of_scikit_learn(c, values, monkeypatch):
    monkeypatch.setattr(svm_module, "TOLERANCE", 1e-9)
    rng = np.random.default_rng(0)
    classes = np.arange(60) % 3
    centres = rng.normal(size=(3, values))
    rows, fresh = (
        10 * (rng.normal(size=(60, values)) + centres[classes]).astype(np.float32) for _ in range(2)
    )
    svm = fit_linear_svm(rows, classes, 3, c=c)
    oracle = LinearSVC(C=c, tol=1e-8, max_iter=100_000).fit(rows, classes)
    best = measure_loss(rows, classes, oracle.coef_.T, oracle.intercept_, c)
    loss = measure_loss(rows, classes, svm.weights, svm.bias, c)
    assert best * (1 - 1e-6) <= loss <= best * (1 + 1e-3)
    scale = np.abs(oracle.coef_).max()
    assert svm.weights.T / scale == pytest.approx(oracle.coef_ / scale, abs=0.02)
    monkeypatch.undo()
    svm = fit_linear_svm(rows, classes, 3, c=c)
    assert (svm.classify(fresh) == oracle.predict(fresh)).mean() >= 0.95


def test_equal_rows_are_no_trouble():
    rows = np.tile(np.array([[1, 0, 2, 0, 1], [0, 1, 0, 3, 1]], np.float32), (1, 4)).repeat(2, 0)
    svm = fit_linear_svm(rows, np.array([0, 0, 1, 1]), 2, c=1.0)
    assert svm.classify(rows).tolist() == [0, 0, 1, 1]
    nothing = fit_linear_svm(np.zeros((2, 9), np.float32), np.array([0, 1]), 2, c=1.0)
    assert not nothing.weights.any()


def test_two_classes():
    rows = np.array([[-1, 0], [-2, 1], [1, 0], [3, 1]], np.float32)
    svm = fit_linear_svm(rows, np.array([0, 0, 1, 1]), 2, c=1.0)
    assert svm.classify(rows).tolist() == [0, 0, 1, 1]
    assert svm.weights[:, 0] == pytest.approx(-svm.weights[:, 1], abs=1e-4)
