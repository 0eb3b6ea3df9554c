"""Nearest-neighbour resize and convolution in one: 16 multiplications instead of 36.

Doubling a map repeats each pixel, so the nine taps of a 3x3 kernel meet only four different pixels.
Sums of taps make a 4x4 kernel; a stride-2 transposed convolution with it gives the same maps.
"""

import numpy as np
import tensorflow as tf

from kernels import convolution

RESIZED_KERNEL = 3  # the smallest that reaches all neighbours of a pixel
MERGED_KERNEL = 4

# Along one axis: which taps of the 3x3 kernel add up to each tap of the merged one.
#
#     pixel[p] = sum over t of resized[p + t - 1] * kernel[t], where resized[q] = x[q // 2]
#              = sum over r of x[r] * merged[p + 1 - 2r]
#
# so that merged[m] = kernel[2 - m] + kernel[3 - m].
MERGED_TAPS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)


def apply_conv_to_resized_maps(x: tf.Tensor, kernel: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """x (B, h, w, inputs), kernel (3, 3, outputs, inputs) float32 -> (B, *size, outputs).

    size: (height, width), where height is 2h or 2h - 1, and width 2w or 2w - 1: an odd side is cut
    after the convolution. Zeros surround the resized maps.
    """
    merged = tf.cast(merge_resize_into_kernel(kernel), x.dtype)
    # Zeros cropped before and after: 1 + 1 from even sides, 1 + 2 from odd ones.
    return convolution.apply_strided_conv_transpose(x, merged, size, "symmetric")


def merge_resize_into_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """(3, 3, outputs, inputs) -> (4, 4, outputs, inputs), for a stride-2 transposed convolution.

    Uses one matrix: with a sum of slices, four gradients would be added in varying order.
    """
    taps = tf.constant(np.kron(MERGED_TAPS, MERGED_TAPS), kernel.dtype)  # (16, 9)
    # (3, 3, outputs, inputs) -> (9, outputs * inputs)
    merged = tf.matmul(taps, tf.reshape(kernel, (RESIZED_KERNEL**2, -1)))
    # (16, outputs * inputs) -> (4, 4, outputs, inputs)
    return tf.reshape(merged, (MERGED_KERNEL, MERGED_KERNEL, *kernel.shape[2:]))
