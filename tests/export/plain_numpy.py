"""Draws from a `PlainGenerator` with NumPy alone, as written in its docstrings: an independent
reading of the arrays.
"""

import numpy as np

from export.plain import PlainGenerator, PlainLayer

ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


def draw_with_numpy(plain: PlainGenerator, z, y=None) -> np.ndarray:
    """z (B, z_dim), y (B, y_dim) or None -> (B, H, W, C) float64."""
    x = np.asarray(z, np.float64)
    for layer in plain.layers:
        apply = apply_dense if layer.kind == "dense" else apply_transposed_conv
        x = ACTIVATIONS[layer.activation](apply(layer, x, y if layer.joins_labels else None))
    return x


def apply_dense(layer: PlainLayer, x, y) -> np.ndarray:
    x = x.reshape(len(x), -1)
    x = x if y is None else np.concatenate([x, y], 1)
    return (x @ layer.kernel + layer.bias).reshape(-1, *layer.output)


def apply_transposed_conv(layer: PlainLayer, x, y) -> np.ndarray:
    """Each input pixel adds the kernel, times itself, to the output at twice its position."""
    count, rows, columns = x.shape[:3]
    if y is not None:
        maps = np.broadcast_to(y[:, None, None], (count, rows, columns, y.shape[1]))
        x = np.concatenate([x, maps], -1)
    size, (height, width, outputs) = len(layer.kernel), layer.output
    whole = np.zeros((count, 2 * rows + size - 2, 2 * columns + size - 2, outputs))
    for row in range(size):
        for column in range(size):
            part = whole[:, row : row + 2 * rows : 2, column : column + 2 * columns : 2]
            part += x @ layer.kernel[row, column].T

    (top, bottom), (left, right) = layer.pads
    cut = whole[:, top : whole.shape[1] - bottom, left : whole.shape[2] - right]
    assert cut.shape == (count, height, width, outputs)
    return cut + layer.bias
