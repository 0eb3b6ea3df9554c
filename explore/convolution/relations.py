"""The arithmetic of convolutions, after Dumoulin & Visin 2016 (arXiv 1603.07285), "the guide".

It holds the guide's fifteen relationships, the zeros of TensorFlow's SAME padding, and a
convolution as a matrix.

All but the matrix treat one axis, as axes do not interact. The letters are the guide's, and count
units along that axis: i input, o output, k kernel, s stride, d dilation, p zeros on each side. For
a transposed convolution, k, s and p are those of the convolution that it reverses, and i is its own
input, the guide's i'. Impossible sizes raise ValueError.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array


class DirectConvolution(NamedTuple):
    """The direct convolution, by the flipped kernel, that computes a transposed one."""

    stretched: int  # i~' = s(i' - 1) + 1: the input with s - 1 zeros between its units
    kernel: int  # k' = k
    stride: int  # s' = 1
    padding: int  # p' = k - p - 1
    extra: int  # a: further zeros at the bottom and on the right
    output: int  # o' = s(i' - 1) + a + k - 2p


def compute_conv_output_size(i: int, k: int, *, s: int = 1, p: int = 0, d: int = 1) -> int:
    """The general form of relationships 1 to 7 and 15.

    o = floor((i + 2p - k - (k - 1)(d - 1)) / s) + 1
    """
    _check_conv_integers(1, i=i, k=k, s=s, d=d)
    _check_conv_integers(0, p=p)

    reach = compute_dilated_kernel_size(k, d)
    if reach > i + 2 * p:
        raise ValueError(
            f"The kernel must fit into the {i + 2 * p} units of the padded input. "
            f"Received: {reach} units, from k = {k} and d = {d}. "
            "Try a smaller k or d, or a larger p."
        )

    return (i + 2 * p - reach) // s + 1


def compute_dilated_kernel_size(k: int, d: int) -> int:
    """Units from end to end of a kernel with d - 1 gaps between its taps: k + (k - 1)(d - 1)."""
    _check_conv_integers(1, k=k, d=d)
    return k + (k - 1) * (d - 1)


def compute_transposed_conv_relation(
    i: int, k: int, *, s: int = 1, p: int = 0, a: int = 0
) -> DirectConvolution:
    """The general form of relationships 8 to 14.

    A convolution with stride s maps s different input sizes to i. `a`, from 0 to s - 1, selects the
    one that the transpose restores.
    """
    _check_conv_integers(1, i=i, k=k, s=s)
    _check_conv_integers(0, p=p, a=a)
    _check_transposed_zeros(k, s=s, p=p, a=a)

    o = s * (i - 1) + a + k - 2 * p
    if o < 1:
        raise ValueError(
            f"The output, s(i' - 1) + a + k - 2p units, must be at least 1. "
            f"Received: {o}, from i' = {i}, k = {k}, s = {s}, p = {p}. "
            "Try a larger i' or a smaller p."
        )

    return DirectConvolution(s * (i - 1) + 1, k, 1, k - p - 1, a, o)


def _check_transposed_zeros(k: int, *, s: int, p: int, a: int) -> None:
    """Raises ValueError for more zeros than a transposed convolution can have."""
    if p > k - 1:
        raise ValueError(
            f"The padding of a transposed convolution must be at most k - 1 = {k - 1}. "
            f"Received: p = {p}. Try p = {k - 1}."
        )

    if a > s - 1:
        raise ValueError(
            f"The extra zeros a must be at most s - 1 = {s - 1}. "
            f"Received: a = {a}. Try a = {s - 1}."
        )


def conv_size_with_unit_strides(*, i: int, k: int) -> int:
    """Relationship 1, no padding and unit strides: o = (i - k) + 1."""
    return compute_conv_output_size(i, k)


def conv_size_with_padding(*, i: int, k: int, p: int) -> int:
    """Relationship 2, padding and unit strides: o = (i - k) + 2p + 1."""
    return compute_conv_output_size(i, k, p=p)


def conv_size_with_half_padding(*, i: int, k: int) -> int:
    """Relationship 3, half (or "same") padding p = (k - 1) / 2, odd kernel, unit strides: o = i."""
    return compute_conv_output_size(i, k, p=_compute_half_padding(k))


def conv_size_with_full_padding(*, i: int, k: int) -> int:
    """Relationship 4, full padding p = k - 1 and unit strides: o = i + (k - 1)."""
    return compute_conv_output_size(i, k, p=k - 1)


def conv_size_with_strides(*, i: int, k: int, s: int) -> int:
    """Relationship 5, no padding: o = floor((i - k) / s) + 1."""
    return compute_conv_output_size(i, k, s=s)


def conv_size_with_padding_and_strides(*, i: int, k: int, s: int, p: int) -> int:
    """Relationship 6, padding and strides: o = floor((i + 2p - k) / s) + 1."""
    return compute_conv_output_size(i, k, s=s, p=p)


def conv_size_after_pooling(*, i: int, k: int, s: int) -> int:
    """Relationship 7, pooling of any kind over k units: o = floor((i - k) / s) + 1."""
    return compute_conv_output_size(i, k, s=s)


def transpose_conv_with_unit_strides(*, i: int, k: int) -> DirectConvolution:
    """Relationship 8, the transpose of 1: p' = k - 1, o' = i' + (k - 1)."""
    return compute_transposed_conv_relation(i, k)


def transpose_conv_with_padding(*, i: int, k: int, p: int) -> DirectConvolution:
    """Relationship 9, the transpose of 2: p' = k - p - 1, o' = i' + (k - 1) - 2p."""
    return compute_transposed_conv_relation(i, k, p=p)


def transpose_conv_with_half_padding(*, i: int, k: int) -> DirectConvolution:
    """Relationship 10, the transpose of 3: p' = p, o' = i'."""
    return compute_transposed_conv_relation(i, k, p=_compute_half_padding(k))


def transpose_conv_with_full_padding(*, i: int, k: int) -> DirectConvolution:
    """Relationship 11, the transpose of 4: p' = 0, o' = i' - (k - 1)."""
    return compute_transposed_conv_relation(i, k, p=k - 1)


def transpose_conv_with_strides(*, i: int, k: int, s: int) -> DirectConvolution:
    """Relationship 12, the transpose of 5 where s divides i - k: p' = k - 1, o' = s(i' - 1) + k."""
    return compute_transposed_conv_relation(i, k, s=s)


def transpose_conv_with_padding_and_strides(*, i: int, k: int, s: int, p: int) -> DirectConvolution:
    """Relationship 13, the transpose of 6 where s divides i + 2p - k.

    p' = k - p - 1, o' = s(i' - 1) + k - 2p
    """
    return compute_transposed_conv_relation(i, k, s=s, p=p)


def transpose_conv_with_extra_zeros(*, i: int, k: int, s: int, p: int, a: int) -> DirectConvolution:
    """Relationship 14, the transpose of 6: a = (i + 2p - k) mod s, o' = s(i' - 1) + a + k - 2p."""
    return compute_transposed_conv_relation(i, k, s=s, p=p, a=a)


def conv_size_with_dilation(*, i: int, k: int, s: int, p: int, d: int) -> int:
    """Relationship 15, dilation, d - 1 gaps between the taps.

    o = floor((i + 2p - k - (k - 1)(d - 1)) / s) + 1
    """
    return compute_conv_output_size(i, k, s=s, p=p, d=d)


RELATIONSHIPS = {
    1: conv_size_with_unit_strides,
    2: conv_size_with_padding,
    3: conv_size_with_half_padding,
    4: conv_size_with_full_padding,
    5: conv_size_with_strides,
    6: conv_size_with_padding_and_strides,
    7: conv_size_after_pooling,
    8: transpose_conv_with_unit_strides,
    9: transpose_conv_with_padding,
    10: transpose_conv_with_half_padding,
    11: transpose_conv_with_full_padding,
    12: transpose_conv_with_strides,
    13: transpose_conv_with_padding_and_strides,
    14: transpose_conv_with_extra_zeros,
    15: conv_size_with_dilation,
}


def compute_same_padding(i: int, k: int, s: int) -> tuple[int, int, int]:
    """TensorFlow's SAME: (o, zeros before, zeros after), where o = ceil(i / s).

    If the number of zeros is even, this is relationship 6, where p is half of it. If it is odd, the
    extra zero comes after; the guide has no relationship for that.
    """
    _check_conv_integers(1, i=i, k=k, s=s)
    o = -(-i // s)
    zeros = max((o - 1) * s + k - i, 0)
    return o, zeros // 2, zeros - zeros // 2


def compute_same_crop(i: int, k: int, s: int, o: int) -> tuple[int, int]:
    """Units (before, after) that SAME crops from a transposed convolution of i units, leaving o.

    Before the crop there are s(i - 1) + k units. o must be one of the s sizes that SAME maps to i,
    from (i - 1)s + 1 to i * s. If k < s, there may be too few units: then `after` is negative, and
    TensorFlow appends -after zeros, which no kernel reaches.
    """
    _check_conv_integers(1, i=i, k=k, s=s, o=o)
    smallest, largest = (i - 1) * s + 1, i * s
    if not smallest <= o <= largest:
        raise ValueError(
            f"The output of a SAME transposed convolution of {i} units, stride {s}, "
            f"must have {smallest} to {largest} units. Received: {o}. Try {largest}."
        )

    _, before, _ = compute_same_padding(o, k, s)
    return before, s * (i - 1) + k - o - before


def build_convolution_matrix(
    kernel, input_size, stride: int = 1, padding=0, dilation: int = 1
) -> csr_array:
    """A convolution as a matrix C (guide, section 4.1).

    For X (H, W) and Y (oh, ow), Y.ravel() = C @ X.ravel(). C.T is the transposed convolution.

    kernel (kh, kw) is not flipped, as in TensorFlow. input_size: (H, W), or one number for both.
    padding: one number, or ((top, bottom), (left, right)). C (oh * ow, H * W) has kh * kw weights
    in each row, fewer where the kernel reaches into the padding.
    """
    kernel = np.asarray(kernel)
    _check_kernel_is_flat(kernel)

    height, width = np.broadcast_to(input_size, 2)
    pads = np.broadcast_to(padding, (2, 2))
    y = _locate_taps_in_input(height, kernel.shape[0], stride, pads[0], dilation)  # (oh, kh)
    x = _locate_taps_in_input(width, kernel.shape[1], stride, pads[1], dilation)  # (ow, kw)
    entries = _list_matrix_entries(kernel, y, x, (height, width))
    return csr_array(entries, shape=(len(y) * len(x), height * width))


def _list_matrix_entries(kernel: np.ndarray, y: np.ndarray, x: np.ndarray, input_size) -> tuple:
    """(weights, (rows, columns)) of a convolution's matrix; y (oh, kh), x (ow, kw): tap places."""
    height, width = input_size
    row = np.arange(len(y) * len(x)).reshape(len(y), len(x), 1, 1)  # -> (oh, ow, 1, 1)

    y = y[:, None, :, None]  # (oh, kh) -> (oh, 1, kh, 1)
    x = x[None, :, None, :]  # (ow, kw) -> (1, ow, 1, kw)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)  # (oh, ow, kh, kw)
    rows, columns, weights = (
        np.broadcast_to(part, inside.shape)[inside] for part in (row, y * width + x, kernel)
    )
    return weights, (rows, columns)


def _locate_taps_in_input(i: int, k: int, s: int, pads: np.ndarray, d: int) -> np.ndarray:
    """(o, k): for each unit of the output, the place in the input under each tap of the kernel.

    Places in the padding are below 0, or i and above.
    """
    before, after = pads
    _check_conv_integers(0, before=before, after=after)
    _check_conv_integers(1, i=i)

    o = compute_conv_output_size(i + before + after, k, s=s, d=d)
    return s * np.arange(o)[:, None] + d * np.arange(k) - before


def _check_kernel_is_flat(kernel: np.ndarray) -> None:
    if kernel.ndim != 2:
        raise ValueError(
            f"The kernel must have shape (kh, kw). Received: {kernel.shape}. "
            "Give one channel at a time."
        )


def _compute_half_padding(k: int) -> int:
    if k % 2 == 0:
        raise ValueError(f"Half padding needs an odd kernel. Received: k = {k}. Try k = {k + 1}.")
    return k // 2


def _check_conv_integers(least: int, **numbers) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int | np.integer) or number < least:
            raise ValueError(
                f"{name} must be a whole number of at least {least}. "
                f"Received: {number}. Try {name} = {least}."
            )
