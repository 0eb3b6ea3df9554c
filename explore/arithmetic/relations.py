"""Convolution arithmetic: the fifteen relationships of Dumoulin & Visin 2016 (arXiv 1603.07285), TensorFlow's SAME, and
the convolution as a matrix.

One axis at a time, since axes do not interact: i input, o output, k kernel, s stride, d dilation in units, p zeros on
each side. For a transposed convolution k, s and p are those of the convolution that it reverses and i is its own input,
the guide's i'. Whatever cannot be laid out raises ValueError.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array


class Transposed(NamedTuple):
    """A transposed convolution as a direct one, with the same kernel flipped on every axis."""

    stretched: int  # i~' = s(i' - 1) + 1: the input with s - 1 zeros between its units
    kernel: int  # k' = k
    stride: int  # s' = 1
    padding: int  # p' = k - p - 1
    extra: int  # a: further zeros at the bottom and on the right
    output: int  # o' = s(i' - 1) + a + k - 2p


def output_size(i: int, k: int, *, s: int = 1, p: int = 0, d: int = 1) -> int:
    """o = floor((i + 2p - k - (k - 1)(d - 1)) / s) + 1: the general form of relationships 1 to 7 and 15."""
    _check_integers(1, i=i, k=k, s=s, d=d)
    _check_integers(0, p=p)
    reach = dilated_kernel(k, d)
    if reach > i + 2 * p:
        raise ValueError(
            f"The kernel must fit into the {i + 2 * p} units of the padded input. "
            f"Received: {reach} units, from k = {k} and d = {d}. Try a smaller k or d, or a larger p."
        )
    return (i + 2 * p - reach) // s + 1


def dilated_kernel(k: int, d: int) -> int:
    """Units from end to end of a kernel with d - 1 gaps between its taps: k + (k - 1)(d - 1)."""
    _check_integers(1, k=k, d=d)
    return k + (k - 1) * (d - 1)


def transposed(i: int, k: int, *, s: int = 1, p: int = 0, a: int = 0) -> Transposed:
    """The general form of relationships 8 to 14; `a` tells apart the s sizes that a convolution takes to i."""
    _check_integers(1, i=i, k=k, s=s)
    _check_integers(0, p=p, a=a)
    if p > k - 1:
        raise ValueError(
            f"The padding of a transposed convolution must be at most k - 1 = {k - 1}. "
            f"Received: p = {p}. Try p = {k - 1}."
        )
    if a > s - 1:
        raise ValueError(
            f"The extra zeros a must be at most s - 1 = {s - 1}. Received: a = {a}. Try a = {s - 1}."
        )
    o = s * (i - 1) + a + k - 2 * p
    if o < 1:
        raise ValueError(
            f"The output, s(i' - 1) + a + k - 2p units, must have at least 1. "
            f"Received: {o}, of i' = {i}, k = {k}, s = {s}, p = {p}. Try a larger i' or a smaller p."
        )
    return Transposed(s * (i - 1) + 1, k, 1, k - p - 1, a, o)


def unit_strides(*, i: int, k: int) -> int:
    """Relationship 1, no padding and unit strides: o = (i - k) + 1."""
    return output_size(i, k)


def padded(*, i: int, k: int, p: int) -> int:
    """Relationship 2, padding and unit strides: o = (i - k) + 2p + 1."""
    return output_size(i, k, p=p)


def half_padded(*, i: int, k: int) -> int:
    """Relationship 3, half (or "same") padding p = (k - 1) / 2 of an odd kernel, unit strides: o = i."""
    return output_size(i, k, p=_half(k))


def full_padded(*, i: int, k: int) -> int:
    """Relationship 4, full padding p = k - 1 and unit strides: o = i + (k - 1)."""
    return output_size(i, k, p=k - 1)


def strided(*, i: int, k: int, s: int) -> int:
    """Relationship 5, no padding: o = floor((i - k) / s) + 1."""
    return output_size(i, k, s=s)


def padded_strided(*, i: int, k: int, s: int, p: int) -> int:
    """Relationship 6, padding and strides: o = floor((i + 2p - k) / s) + 1."""
    return output_size(i, k, s=s, p=p)


def pooled(*, i: int, k: int, s: int) -> int:
    """Relationship 7, pooling of any kind over k units: o = floor((i - k) / s) + 1."""
    return output_size(i, k, s=s)


def transposed_unit_strides(*, i: int, k: int) -> Transposed:
    """Relationship 8, the transpose of 1: p' = k - 1, o' = i' + (k - 1)."""
    return transposed(i, k)


def transposed_padded(*, i: int, k: int, p: int) -> Transposed:
    """Relationship 9, the transpose of 2: p' = k - p - 1, o' = i' + (k - 1) - 2p."""
    return transposed(i, k, p=p)


def transposed_half_padded(*, i: int, k: int) -> Transposed:
    """Relationship 10, the transpose of 3: p' = p, o' = i'."""
    return transposed(i, k, p=_half(k))


def transposed_full_padded(*, i: int, k: int) -> Transposed:
    """Relationship 11, the transpose of 4: p' = 0, o' = i' - (k - 1)."""
    return transposed(i, k, p=k - 1)


def transposed_strided(*, i: int, k: int, s: int) -> Transposed:
    """Relationship 12, the transpose of 5 where s divides i - k: p' = k - 1, o' = s(i' - 1) + k."""
    return transposed(i, k, s=s)


def transposed_padded_strided(*, i: int, k: int, s: int, p: int) -> Transposed:
    """Relationship 13, the transpose of 6 where s divides i + 2p - k: p' = k - p - 1, o' = s(i' - 1) + k - 2p."""
    return transposed(i, k, s=s, p=p)


def transposed_padded_strided_odd(*, i: int, k: int, s: int, p: int, a: int) -> Transposed:
    """Relationship 14, the transpose of 6 where a = (i + 2p - k) mod s: o' = s(i' - 1) + a + k - 2p."""
    return transposed(i, k, s=s, p=p, a=a)


def dilated(*, i: int, k: int, s: int, p: int, d: int) -> int:
    """Relationship 15, d - 1 gaps between the taps: o = floor((i + 2p - k - (k - 1)(d - 1)) / s) + 1."""
    return output_size(i, k, s=s, p=p, d=d)


RELATIONSHIPS = {
    1: unit_strides,
    2: padded,
    3: half_padded,
    4: full_padded,
    5: strided,
    6: padded_strided,
    7: pooled,
    8: transposed_unit_strides,
    9: transposed_padded,
    10: transposed_half_padded,
    11: transposed_full_padded,
    12: transposed_strided,
    13: transposed_padded_strided,
    14: transposed_padded_strided_odd,
    15: dilated,
}


def same_padding(i: int, k: int, s: int) -> tuple[int, int, int]:
    """TensorFlow's SAME: (o, before, after), with o = ceil(i / s); of an odd number of zeros the odd one comes after.

    An even number of zeros is relationship 6 with half of them as p; an odd number is no relationship of the guide.
    """
    _check_integers(1, i=i, k=k, s=s)
    o = -(-i // s)
    zeros = max((o - 1) * s + k - i, 0)
    return o, zeros // 2, zeros - zeros // 2


def same_transposed(i: int, k: int, s: int, o: int) -> tuple[int, int]:
    """(before, after): what SAME crops from the full transposed output of s(i' - 1) + k units to leave o.

    Legal are the s sizes that SAME takes to i, from (i - 1)s + 1 to i * s. Where k < s the full output may be the
    smaller one: then `after` is negative, and counts the zeros that TensorFlow appends, which no kernel reaches.
    """
    _check_integers(1, i=i, k=k, s=s, o=o)
    smallest, largest = (i - 1) * s + 1, i * s
    if not smallest <= o <= largest:
        raise ValueError(
            f"The output of a SAME transposed convolution of {i} units, stride {s}, must have {smallest} to {largest} "
            f"units. Received: {o}. Try {largest}."
        )
    _, before, _ = same_padding(o, k, s)
    return before, s * (i - 1) + k - o - before


def convolution_matrix(
    kernel, input_size, stride: int = 1, padding=0, dilation: int = 1
) -> csr_array:
    """The convolution as a matrix C (guide, section 4.1): Y.ravel() = C @ X.ravel(), and C.T is its transpose.

    kernel (kh, kw), not flipped, as in TensorFlow; input_size (H, W) or one number for both; padding one number, or
    ((top, bottom), (left, right)). C is (oh * ow, H * W) and holds kh * kw weights a row, fewer where padding is read.
    """
    kernel = np.asarray(kernel)
    if kernel.ndim != 2:
        raise ValueError(
            f"The kernel must have shape (kh, kw). Received: {kernel.shape}. Give one channel at a time."
        )
    height, width = np.broadcast_to(input_size, 2)
    pads = np.broadcast_to(padding, (2, 2))
    y = _taps(height, kernel.shape[0], stride, pads[0], dilation)[
        :, None, :, None
    ]  # (oh, kh) -> (oh, 1, kh, 1)
    x = _taps(width, kernel.shape[1], stride, pads[1], dilation)[
        None, :, None, :
    ]  # (ow, kw) -> (1, ow, 1, kw)
    shape = (y.shape[0] * x.shape[1], height * width)
    row = np.arange(shape[0]).reshape(y.shape[0], x.shape[1], 1, 1)  # (oh * ow) -> (oh, ow, 1, 1)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)  # (oh, ow, kh, kw)
    rows, columns, weights = (
        np.broadcast_to(part, inside.shape)[inside] for part in (row, y * width + x, kernel)
    )
    return csr_array((weights, (rows, columns)), shape=shape)


def _taps(i: int, k: int, s: int, pads: np.ndarray, d: int) -> np.ndarray:
    """(o, k): the unit of the input under each tap of each window, negative or past the end in the padding."""
    before, after = pads
    _check_integers(0, before=before, after=after)
    _check_integers(1, i=i)
    o = output_size(i + before + after, k, s=s, d=d)
    return s * np.arange(o)[:, None] + d * np.arange(k) - before


def _half(k: int) -> int:
    if k % 2 == 0:
        raise ValueError(f"Half padding needs an odd kernel. Received: k = {k}. Try k = {k + 1}.")
    return k // 2


def _check_integers(least: int, **named) -> None:
    for name, value in named.items():
        if not isinstance(value, int | np.integer) or value < least:
            remedy = f"Try {name} = {least}."
            raise ValueError(
                f"{name} must be a whole number of at least {least}. Received: {value}. {remedy}"
            )
