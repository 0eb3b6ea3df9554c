"""Poisson blending: an image's hole is filled so that no seam remains (Pérez et al. 2003)."""

import numpy as np
from scipy import sparse
from scipy.sparse import linalg


def fill_hole(image: np.ndarray, source: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """`image` with its hidden pixels blended from `source`: all uint8 (H, W, C), hidden (H, W).

    The visible pixels stay as they are, to the byte.
    """
    blended = np.round(np.clip(blend_hole(image, source, hidden), 0, 255)).astype(np.uint8)
    return np.where(hidden[..., None], blended, image)


def blend_hole(image: np.ndarray, source: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """(H, W, C) float64: visible pixels of `image`, and hidden ones with the gradients of `source`.

    (Pérez et al. 2003; Yeh et al. 2016, arXiv 1607.07539.) The sum of the squared
    differences of the gradients in the hole is smallest, for each channel. What is added to the
    source is then harmonic there: the mean of its neighbours. At an edge of the image, only the
    neighbours inside count. hidden (H, W) bool; at least one pixel is visible.
    """
    image, source = image.astype(np.float64), source.astype(np.float64)
    inside = hidden.reshape(-1)  # (H * W,)
    laplacian = make_laplacian(*hidden.shape)[inside]  # rows: the equations of hidden pixels
    offset = (image - source)[~hidden]  # (visible, C): known there, sought elsewhere
    known = -laplacian[:, ~inside] @ offset
    blended = image.copy()
    solver = linalg.splu(laplacian[:, inside].tocsc())
    blended[hidden] = source[hidden] + solver.solve(known)
    return blended


def make_laplacian(height: int, width: int) -> sparse.csr_array:
    """(H * W, H * W): for each pixel, its value times the count of its neighbours, minus theirs."""
    rows, columns = _make_laplacian_of_line(height), _make_laplacian_of_line(width)
    across = sparse.kron(sparse.eye_array(height), columns)
    down = sparse.kron(rows, sparse.eye_array(width))
    return sparse.csr_array(across + down)


def _make_laplacian_of_line(length: int) -> sparse.csr_array:
    """(length, length): the same for pixels in one line."""
    steps = sparse.diags_array((-1.0, 1.0), offsets=(0, 1), shape=(length - 1, length))
    return steps.T @ steps
