"""Checkerboard artefacts of transposed convolutions: energy at half the sampling rate.

A stride of 2 leaves a pattern that repeats every two pixels (Odena et al. 2016). This is the
shortest period possible, and photos have almost no energy there.
"""

import numpy as np

from evaluate.image_sets import check_image_sets, read_compared_chunks_on_background

ROUNDING = 1 / 12  # variance, in squared levels, that rounding to whole levels adds
LEAST_ENERGY = 1e-20  # squared levels: what rounding of floats leaves of 0 is far below


def measure_checkerboard_of_fakes(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """The fakes' energy at half the sampling rate, divided by the reals': 1 means equal.

    {"checkerboard_rows": every other row is brighter, "checkerboard_columns": every other column,
    "checkerboard_diagonal": both, as on a chessboard}. uint8 (N, H, W, C); `seed` is not used. If
    the reals have less energy than rounding to whole levels adds, the divisor is what rounding
    adds. Memory: one chunk of images, whatever N is.
    """
    height, width, _ = check_image_sets(reals, fakes, metric="checkerboard", least=1)
    least = ROUNDING / np.array([height, width, height * width])
    ratios = measure_nyquist_energies(fakes) / np.maximum(measure_nyquist_energies(reals), least)
    names = ("rows", "columns", "diagonal")
    return {f"checkerboard_{name}": float(r) for name, r in zip(names, ratios, strict=True)}


def measure_nyquist_energies(images) -> np.ndarray:
    """(rows, columns, diagonal) in squared levels, averaged over the images and their channels.

    Each is the squared Fourier transform, divided by (H W)^2 and summed over the bins with
    frequency 1/2 down the rows only, along the columns only, or both. No transform is needed: a sum
    with alternating signs gives that bin, and Parseval's theorem the sum over the other axis. An
    odd side has no such bin; its last row or column is left out.
    """
    total = np.zeros(3)
    for chunk in read_compared_chunks_on_background(images):
        height, width = (side // 2 * 2 for side in chunk.shape[1:3])
        chunk = chunk[:, :height, :width]
        down = (-1.0) ** np.arange(height)
        along = (-1.0) ** np.arange(width)
        rows = np.einsum("nhwc,h->nwc", chunk, down) / height  # of each column
        columns = np.einsum("nhwc,w->nhc", chunk, along) / width  # of each row
        diagonal = np.einsum("nwc,w->nc", rows, along) / width

        both = np.mean(diagonal**2)
        energies = [np.mean(rows**2) - both, np.mean(columns**2) - both, both]
        total += np.array(energies) * len(chunk)
    energies = total / len(images)
    return np.where(energies > LEAST_ENERGY, energies, 0.0)
