"""A linear L2-SVM, one class against the others, as the paper uses it (section 5)."""

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

MOST_ITERATIONS = 500
# An iteration that lowers the loss by less is the last. With a tenth of it, fits on MNIST took a
# third longer and classified just as well.
TOLERANCE = 1e-6
WIDE = 4  # values a row: with fewer, `find_basis` takes longer than it saves


class LinearSvm:
    """weights: (d, K), bias: (K,); a row x belongs to the class k with the largest x @ w_k + b_k.

    scikit-learn's LinearSVC minimizes the same and classified as well, but took five to ten times
    as long for 1,000 images of MNIST, and the paper's protocol fits a hundred of them.
    """

    def __init__(self, weights: np.ndarray, bias: np.ndarray):
        self.weights = weights
        self.bias = bias

    def classify(self, rows: np.ndarray) -> np.ndarray:
        """rows (N, d) float32 -> classes (N,)."""
        return (rows @ self.weights + self.bias).argmax(1)


def fit_linear_svm(rows: np.ndarray, classes: np.ndarray, count: int, *, c: float) -> LinearSvm:
    """The classifier of rows (N, d) float32 with classes (N,) from 0 to count - 1.

    For each class, with s = 1 for its rows and -1 for the others, it minimizes
    |w|^2 / 2 + b^2 / 2 + c sum max(0, 1 - s (x w + b))^2, all classes at once by L-BFGS. That loss
    is divided by c N here, so that it starts at 1 for each class and TOLERANCE means the same for
    every c. The best w_k is a sum of rows: with far more values than rows, it is searched there.
    """
    if rows.shape[1] > WIDE * len(rows):
        with threadpool_limits(1):
            values, basis = find_basis(rows)
        svm = fit_linear_svm(values, classes, count, c=c)
        return LinearSvm(basis @ svm.weights, svm.bias)
    signs = np.where(classes[:, None] == np.arange(count), 1, -1).astype(np.float32)  # (N, K)
    shape = (rows.shape[1] + 1, count)  # the bias is the last row
    decay = 1 / (c * len(rows))

    def compute_loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = flat.reshape(shape)  # ((d + 1) * K,) -> (d + 1, K)
        weights, bias = both[:-1].astype(np.float32), both[-1].astype(np.float32)
        gaps = np.maximum(1 - signs * (rows @ weights + bias), 0)  # (N, K)
        pull = signs * gaps
        gradient = decay * both - 2 / len(rows) * np.concatenate([rows.T @ pull, [pull.sum(0)]])
        loss = decay * (flat @ flat) / 2 + np.sum(gaps**2, dtype=np.float64) / len(rows)
        return loss, gradient.ravel()

    options = {"maxiter": MOST_ITERATIONS, "ftol": TOLERANCE}
    start = np.zeros(np.prod(shape))
    with threadpool_limits(1):  # a product with so few columns gains nothing from more threads
        found = scipy.optimize.minimize(
            compute_loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options
        )
    both = found.x.reshape(shape).astype(np.float32)  # ((d + 1) * K,) -> (d + 1, K)
    return LinearSvm(both[:-1], both[-1])


def find_basis(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """values (N, r) and an orthonormal basis (d, r) with rows = values @ basis.T.

    From the eigenvectors of rows @ rows.T, which are cheap while N is small. Directions that hold
    less than float32 can tell from zero are left out.
    """
    powers, vectors = np.linalg.eigh(rows @ rows.T)  # (N,), (N, N)
    kept = powers > 1e-6 * powers[-1]
    lengths, vectors = np.sqrt(powers[kept]), vectors[:, kept]
    return vectors * lengths, rows.T @ (vectors / lengths)
