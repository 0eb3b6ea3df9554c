"""The stride-2 convolution and its transpose, with the gradients that a CPU computes fastest.

Three operations are enough for both and their gradients (Dumoulin & Visin 2016, section 4). The
convolution shrinks large maps (B, H, W, inputs) to small ones (B, h, w, outputs), its transpose
enlarges small maps to large ones, and the gradient of the kernel correlates the large with the
small. Each is linear in both of its arguments, so the gradients of each are the other two, and
derivatives of any order are as fast as the first: a penalty on gradients needs second ones.

On a GPU cuDNN computes all three. On a CPU oneDNN is slow at enlarging to few channels, and at the
kernel gradient of small maps. Here these two cases are rearranged into ordinary convolutions, which
add the same products in another order. On a CPU with a matrix unit it is slow at all three on small
maps with many channels: `use_kernel_forms` turns these into matrix products.
"""

import contextlib
import contextvars

import tensorflow as tf

from kernels.products import (
    correlate_maps_by_product,
    enlarge_maps_by_product,
    shrink_maps_by_product,
)

STRIDE = 2

# Both limits were measured on CPUs (benchmarks/results.md).
FEW_CHANNELS = 4  # as an image has; up to here enlarging by sub-pixels is 2 to 3 times as fast
SMALL_MAP = 64  # positions; up to here the rearranged kernel gradient is 1.1 to 7 times as fast
# A matrix product is faster on a CPU with a matrix unit if the small maps have at least so many
# channels, and at least so many for each of their positions.
PRODUCTS = {"shrink": (128, 4), "enlarge": (128, 8), "correlate": (64, 1)}

_traces_portable_graph = contextvars.ContextVar("traces_portable_graph", default=False)
_kernel_forms = contextvars.ContextVar("kernel_forms", default="plain")


def apply_strided_conv(x: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    """x (B, H, W, inputs), kernel (k, k, inputs, outputs) -> (B, ceil(H/2), ceil(W/2), outputs).

    padding: "same" or "symmetric", see `choose_conv_padding`.
    """

    @tf.custom_gradient
    def convolve(x, kernel):
        def differentiate(dy):
            dx = apply_strided_conv_transpose(dy, kernel, x.shape[1:3], padding)
            return dx, correlate_strided_maps(x, dy, kernel.shape[0], padding)

        return _shrink_maps_by_conv(x, kernel, padding), differentiate

    return convolve(x, kernel)


def apply_strided_conv_transpose(
    x: tf.Tensor, kernel: tf.Tensor, size: tuple[int, int], padding: str
) -> tf.Tensor:
    """x (B, h, w, inputs), kernel (k, k, outputs, inputs) -> (B, *size, outputs).

    size: (height, width), where height is 2h or 2h - 1, and width 2w or 2w - 1.
    """

    @tf.custom_gradient
    def convolve_transposed(x, kernel):
        def differentiate(dy):
            dx = apply_strided_conv(dy, kernel, padding)
            return dx, correlate_strided_maps(dy, x, kernel.shape[0], padding)

        return _enlarge_maps_by_conv(x, kernel, size, padding), differentiate

    return convolve_transposed(x, kernel)


def correlate_strided_maps(
    large: tf.Tensor, small: tf.Tensor, kernel_size: int, padding: str
) -> tf.Tensor:
    """large (B, H, W, inputs), small (B, h, w, outputs) -> (k, k, inputs, outputs).

    The gradient of the kernel, where `small` is the gradient of the output of convolving `large`.
    """

    @tf.custom_gradient
    def correlate(large, small):
        def differentiate(dkernel):
            dlarge = apply_strided_conv_transpose(small, dkernel, large.shape[1:3], padding)
            return dlarge, apply_strided_conv(large, dkernel, padding)

        return _compute_kernel_gradient(large, small, kernel_size, padding), differentiate

    return correlate(large, small)


def choose_conv_padding(padding: str, side: int, kernel_size: int) -> tuple[int, int]:
    """Zeros (before, after) with which a stride-2 convolution maps `side` to ceil(side / 2).

    This is relationship 6 of Dumoulin & Visin 2016. "same" splits the zeros evenly, as TensorFlow
    does: an odd one goes after. "symmetric" puts (k - 1) // 2 before, as Theano and PyTorch do. For
    the 5x5 kernel on even sides they differ: 1 + 2 against 2 + 1.
    """
    total = (-(-side // STRIDE) - 1) * STRIDE + kernel_size - side
    before = (kernel_size - 1) // 2 if padding == "symmetric" else total // 2
    return before, total - before


def _list_pads(size, kernel_size, padding):
    """Zeros ((top, bottom), (left, right)) around maps of this size."""
    return tuple(choose_conv_padding(padding, side, kernel_size) for side in size)


def _pad_conv_maps(x, kernel_size, padding):
    return tf.pad(x, [(0, 0), *_list_pads(x.shape[1:3], kernel_size, padding), (0, 0)])


def _shrink_maps_by_conv(x, kernel, padding):
    """x (B, H, W, inputs), kernel (k, k, inputs, outputs) -> (B, h, w, outputs)."""
    positions = -(-x.shape[1] // STRIDE) * -(-x.shape[2] // STRIDE)
    if _multiplies("shrink", positions, *kernel.shape[2:]):
        return shrink_maps_by_product(x, kernel, _list_pads(x.shape[1:3], kernel.shape[0], padding))

    if padding == "same":
        return tf.nn.conv2d(x, kernel, STRIDE, "SAME")

    # tf.pad: on a CPU, a bfloat16 convolution with explicit padding takes thirty times as long.
    return tf.nn.conv2d(_pad_conv_maps(x, kernel.shape[0], padding), kernel, STRIDE, "VALID")


def _enlarge_maps_by_conv(x, kernel, size, padding):
    """x (B, h, w, inputs), kernel (k, k, outputs, inputs) -> (B, *size, outputs)."""
    height, width = size
    outputs, batch = kernel.shape[2], tf.shape(x)[0]
    if outputs <= FEW_CHANNELS and convolves_on_cpu():
        return _enlarge_maps_by_subpixel_conv(x, kernel, size, padding)
    if _multiplies("enlarge", x.shape[1] * x.shape[2], *kernel.shape[2:]):
        pads = _list_pads(size, kernel.shape[0], padding)
        return enlarge_maps_by_product(x, kernel, size, pads)

    if padding == "same":
        return tf.nn.conv2d_transpose(x, kernel, (batch, height, width, outputs), STRIDE, "SAME")

    (top, bottom), (left, right) = _list_pads(size, kernel.shape[0], padding)
    padded_shape = (batch, top + height + bottom, left + width + right, outputs)
    x = tf.nn.conv2d_transpose(x, kernel, padded_shape, STRIDE, "VALID")
    return x[:, top : top + height, left : left + width]


def _enlarge_maps_by_subpixel_conv(x, kernel, size, padding):
    """Enlarges by an ordinary convolution: the 2x2 pixels of a cell are its channels.

    This is the sub-pixel convolution of Shi et al. 2016 (arXiv 1609.07009). Along one axis, counted
    from the first zero of the padding:

        pixel[2r + a] = sum over m of x[r - m] * kernel[2m + a]
    """
    kernel_size, outputs = kernel.shape[0], kernel.shape[2]
    taps = -(-kernel_size // STRIDE)  # the values of m
    top, left = (choose_conv_padding(padding, side, kernel_size)[0] for side in size)
    height, width = size
    cells = (-(-(top + height) // STRIDE), -(-(left + width) // STRIDE))  # the values of r

    zeros = [(taps - 1, count - side) for count, side in zip(cells, x.shape[1:3], strict=True)]
    kernel = _split_kernel_into_subpixels(kernel)
    x = tf.nn.conv2d(tf.pad(x, [(0, 0), *zeros, (0, 0)]), kernel, 1, "VALID")
    x = _spread_subpixels_over_map(x, cells, outputs)
    return x[:, top : top + height, left : left + width]


def _spread_subpixels_over_map(x, cells, outputs):
    """x (B, r, s, 4 * outputs), cells (r, s) -> (B, 2r, 2s, outputs)."""
    x = tf.reshape(x, (-1, *cells, 2, 2, outputs))  # -> (B, r, s, a, b, outputs)
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))  # -> (B, r, a, s, b, outputs)
    return tf.reshape(x, (-1, 2 * cells[0], 2 * cells[1], outputs))


def _split_kernel_into_subpixels(kernel):
    """kernel (k, k, outputs, inputs) -> (taps, taps, inputs, 4 * outputs), for unit strides.

    Place (2m + a, 2n + b) goes to tap (m, n), counted from the end, and to the sub-pixel (a, b).
    """
    size, _, outputs, inputs = kernel.shape
    taps = -(-size // STRIDE)
    kernel = tf.pad(kernel, [(0, STRIDE * taps - size)] * 2 + [(0, 0)] * 2)

    # (2 * taps, 2 * taps, outputs, inputs) -> (m, a, n, b, outputs, inputs)
    kernel = tf.reshape(kernel, (taps, 2, taps, 2, outputs, inputs))
    # -> (m, n, inputs, a, b, outputs)
    kernel = tf.transpose(tf.reverse(kernel, [0, 2]), (0, 2, 5, 1, 3, 4))
    return tf.reshape(kernel, (taps, taps, inputs, 4 * outputs))


def _compute_kernel_gradient(x, dy, kernel_size, padding):
    """x (B, H, W, inputs), dy (B, h, w, outputs) -> (k, k, inputs, outputs)."""
    positions = dy.shape[1] * dy.shape[2]
    if _multiplies("correlate", positions, x.shape[-1], dy.shape[-1]):
        pads = _list_pads(x.shape[1:3], kernel_size, padding)
        return correlate_maps_by_product(x, dy, kernel_size, pads)
    if positions <= SMALL_MAP and convolves_on_cpu():
        return _compute_kernel_gradient_by_conv(x, dy, kernel_size, padding)

    if padding != "same":
        x = _pad_conv_maps(x, kernel_size, padding)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x,
        filter_sizes=(kernel_size, kernel_size, x.shape[-1], dy.shape[-1]),
        out_backprop=dy,
        strides=(1, STRIDE, STRIDE, 1),
        padding="SAME" if padding == "same" else "VALID",
    )


def _compute_kernel_gradient_by_conv(x, dy, kernel_size, padding):
    """The same by an ordinary convolution, in which batch and channels swap places.

    dy becomes a dilated kernel that slides over x; each of its k x k positions gives one tap of the
    gradient.
    """
    # (B, H, W, inputs) -> (inputs, H, W, B)
    x = tf.transpose(_pad_conv_maps(x, kernel_size, padding), (3, 1, 2, 0))
    dy = tf.transpose(dy, (1, 2, 0, 3))  # (B, h, w, outputs) -> (h, w, B, outputs)
    gradient = tf.nn.conv2d(x, dy, 1, "VALID", dilations=STRIDE)
    # (inputs, k, k, outputs) -> (k, k, inputs, outputs)
    return tf.transpose(gradient, (1, 2, 0, 3))


@contextlib.contextmanager
def trace_portable_graph():
    """Within it every machine traces the same graph: a CPU's, whose operations a GPU has too."""
    token = _traces_portable_graph.set(True)
    try:
        yield
    finally:
        _traces_portable_graph.reset(token)


@contextlib.contextmanager
def use_kernel_forms(forms: str):
    """Within it, "products" turns a CPU's operations that `is_faster_as_product` into matrix
    products; with "plain", none is.
    """
    token = _kernel_forms.set(forms)
    try:
        yield
    finally:
        _kernel_forms.reset(token)


def is_faster_as_product(operation: str, positions: int, inputs: int, outputs: int) -> bool:
    """Whether "products" computes a layer's `operation` as a matrix product.

    operation: shrink, enlarge or correlate. positions: of the layer's small maps. inputs, outputs:
    channels of its large and of its small maps. To few channels, sub-pixels enlarge.
    """
    least_channels, for_each_position = PRODUCTS[operation]
    is_by_subpixels = operation == "enlarge" and inputs <= FEW_CHANNELS
    return not is_by_subpixels and outputs >= max(least_channels, for_each_position * positions)


def _multiplies(operation: str, positions: int, inputs: int, outputs: int) -> bool:
    is_used = _kernel_forms.get() == "products" and convolves_on_cpu()
    return is_used and is_faster_as_product(operation, positions, inputs, outputs)


def convolves_on_cpu() -> bool:
    """Whether to compute by a CPU's forms: on a machine without a GPU, and in portable graphs."""
    return _traces_portable_graph.get() or not tf.config.list_physical_devices("GPU")
