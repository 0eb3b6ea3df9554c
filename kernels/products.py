"""The operations of `kernels.convolution` as matrix products, for processors with a matrix unit.

On such a processor (Intel's AMX), oneDNN computes a product of large matrices at several times the
rate of a stride-2 convolution of small maps. Each operation is one product, before or after which
numbers are only copied or summed:

    shrink     columns(large) (B * h * w, k * k * inputs) times the kernel
    correlate  columns(large), transposed, times small (B * h * w, outputs)
    enlarge    small times the kernel, (B * h * w, k * k * outputs); each pixel is the sum of those
               that the kernel puts there

`columns` has what the kernel sees at each position (Chellapilla et al. 2006, "High performance
convolutional neural networks for document processing", section 3.1). TensorFlow computes equal
columns only once in a step.
"""

import numpy as np
import tensorflow as tf


def shrink_maps_by_product(x, kernel, pads):
    """x (B, H, W, inputs), kernel (k, k, inputs, outputs) -> (B, h, w, outputs).

    pads: zeros ((top, bottom), (left, right)) around x. So are those of the other functions.
    """
    size, _, inputs, outputs = kernel.shape
    columns, (height, width) = _gather_columns(x, size, pads)
    maps = tf.matmul(columns, tf.reshape(kernel, (size * size * inputs, outputs)))
    return tf.reshape(maps, (-1, height, width, outputs))


def correlate_maps_by_product(large, small, kernel_size: int, pads):
    """large (B, H, W, inputs), small (B, h, w, outputs) -> (k, k, inputs, outputs)."""
    columns, _ = _gather_columns(large, kernel_size, pads)
    inputs, outputs = large.shape[-1], small.shape[-1]
    kernel = tf.matmul(columns, tf.reshape(small, (-1, outputs)), transpose_a=True)
    return tf.reshape(kernel, (kernel_size, kernel_size, inputs, outputs))


def enlarge_maps_by_product(x, kernel, size: tuple[int, int], pads):
    """x (B, h, w, inputs), kernel (k, k, outputs, inputs) -> (B, *size, outputs).

    In bfloat16, the summands are rounded too: the mean error is 1.4 times that of a convolution.
    """
    kernel_size, _, outputs, inputs = kernel.shape
    places = _find_summands(x.shape[1:3], kernel_size, size, pads)
    positions = x.shape[1] * x.shape[2]
    # One position of zeros more: what is summed where the kernel puts less.
    x = tf.pad(tf.reshape(x, (-1, positions, inputs)), [(0, 0), (0, 1), (0, 0)])
    kernel = tf.reshape(kernel, (kernel_size * kernel_size * outputs, inputs))
    summands = tf.matmul(tf.reshape(x, (-1, inputs)), kernel, transpose_b=True)
    summands = tf.reshape(summands, (-1, (positions + 1) * kernel_size**2, outputs))
    maps = tf.reduce_sum(tf.gather(summands, places, axis=1), 2)
    return tf.reshape(maps, (-1, *size, outputs))


def _gather_columns(x, kernel_size, pads):
    """(columns (B * h * w, k * k * channels), (h, w)) of x (B, H, W, channels)."""
    x = tf.pad(x, [(0, 0), *pads, (0, 0)])
    _, height, width, channels = x.shape
    size = tuple((side - kernel_size) // 2 + 1 for side in (height, width))
    rows, columns = (2 * np.arange(side)[:, None] + np.arange(kernel_size) for side in size)
    # (h, k) and (w, k) -> (h, w, k, k)
    places = rows[:, None, :, None] * width + columns[None, :, None, :]
    x = tf.reshape(x, (-1, height * width, channels))
    x = tf.gather(x, places.ravel().astype(np.int32), axis=1)
    return tf.reshape(x, (-1, kernel_size * kernel_size * channels)), size


def _find_summands(small, kernel_size, size, pads):
    """(H * W, n) int32: which of the (h * w + 1) * k * k numbers are summed for each pixel.

    Number (i, j, a, b) is what the kernel's row a and column b make of position (i, j). Pixels with
    fewer than n summands get the zeros of the last position.
    """
    taps = np.arange(kernel_size)
    rows, columns = (  # twice the position whose tap falls on a pixel: (H, k) and (W, k)
        np.arange(side)[:, None] + before - taps
        for side, (before, _) in zip(size, pads, strict=True)
    )
    of_rows, of_columns = (
        (twice % 2 == 0) & (twice >= 0) & (twice < 2 * count)
        for twice, count in zip((rows, columns), small, strict=True)
    )
    exists = of_rows[:, None, :, None] & of_columns[None, :, None, :]  # (H, W, k, k)
    positions = rows[:, None, :, None] // 2 * small[1] + columns[None, :, None, :] // 2
    places = (positions * kernel_size + taps[:, None]) * kernel_size + taps
    places = np.where(exists, places, small[0] * small[1] * kernel_size**2)
    most = exists.sum((2, 3)).max()
    places = np.sort(places.reshape(-1, kernel_size**2))[:, :most]  # those that exist come first
    return places.astype(np.int32)
