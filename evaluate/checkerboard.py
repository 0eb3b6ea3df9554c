"""The checkerboard that transposed convolutions leave: energy at half the sampling rate.

A stride of 2 repeats its pattern every two pixels (Odena et al. 2016), the shortest period there
is, where photos have next to nothing.
"""

import numpy as np

from evaluate.image_sets import check_image_sets, read_compared_chunks_on_background

ROUNDING = 1 / 12  # variance in squared levels that rounding to whole levels adds


def measure_checkerboard_of_fakes(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """Energy of the fakes at half the sampling rate, over that of the reals: 1 is as the reals.

    {"checkerboard_rows": every other row is brighter, "checkerboard_columns": every other column,
    "checkerboard_diagonal": both, as on a chessboard}. uint8 (N, H, W, C); `seed` is not used.
    Where the reals have less energy than rounding to whole levels leaves, that is divided by.
    Memory: one chunk of images, whatever N is.
    """
    height, width, _ = check_image_sets(reals, fakes, metric="checkerboard", least=1)
    least = ROUNDING / np.array([height, width, height * width])
    ratios = measure_nyquist_energies(fakes) / np.maximum(measure_nyquist_energies(reals), least)
    names = ("rows", "columns", "diagonal")
    return {f"checkerboard_{name}": float(r) for name, r in zip(names, ratios, strict=True)}


def measure_nyquist_energies(images) -> np.ndarray:
    """(rows, columns, diagonal) in squared levels, the mean over the images and their channels.

    They are the squares of the Fourier transform, divided by (H W)^2, summed over the bins with the
    frequency 1/2 down the rows (not along the columns), along the columns (not down the rows), and
    both. By Parseval's theorem they need no transform: the sum with alternating signs is that bin.
    An odd side has no such bin, and is measured without its last row or column.
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
    return np.maximum(total / len(images), 0)
