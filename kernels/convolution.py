"""The strided convolution and its transpose, with gradients in the forms that a CPU computes fastest.

Both consist of three linear maps: x (B, H, W, inputs) shrinks to (B, h, w, outputs), the transpose enlarges again, and
the kernel's gradient correlates the two (Dumoulin & Visin 2016, section 4). A GPU takes cuDNN's for all three. On a CPU
oneDNN's enlarging is slow for few channels and its kernel gradient for many: two of them are rearranged into ordinary
convolutions there. The sums are the same, in another order.
"""

import tensorflow as tf

STRIDE = 2
FEW_CHANNELS = 4  # up to an image's, enlarging is 2 to 3 times as fast by sub-pixels
SMALL_MAP = 64  # positions up to which the kernel's gradient is 1.1 to 7 times as fast with its roles swapped


def conv(x: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    """x (B, H, W, inputs), kernel (k, k, inputs, outputs) -> (B, ceil(H/2), ceil(W/2), outputs)."""

    @tf.custom_gradient
    def apply(x, kernel):
        def gradient(dy):
            return _enlarge(dy, kernel, x.shape[1:3], padding), _kernel_gradient(
                x, dy, kernel.shape, padding
            )

        return _shrink(x, kernel, padding), gradient

    return apply(x, kernel)


def conv_transpose(
    x: tf.Tensor, kernel: tf.Tensor, size: tuple[int, int], padding: str
) -> tf.Tensor:
    """x (B, h, w, inputs), kernel (k, k, outputs, inputs) -> (B, *size, outputs); size is 2h or 2h - 1, and w alike."""

    @tf.custom_gradient
    def apply(x, kernel):
        def gradient(dy):
            return _shrink(dy, kernel, padding), _kernel_gradient(dy, x, kernel.shape, padding)

        return _enlarge(x, kernel, size, padding), gradient

    return apply(x, kernel)


def pads(padding: str, side: int, kernel_size: int) -> tuple[int, int]:
    """Zeros (before, after) with which a stride-2 convolution maps `side` to ceil(side / 2).

    Dumoulin & Visin 2016, relationship 6. "same" puts the odd one after, as TensorFlow does; "symmetric" starts with
    (k - 1) // 2 before, as Theano and PyTorch do. They differ for the 5x5 kernel on even sides: 1 + 2 against 2 + 1.
    """
    total = (-(-side // STRIDE) - 1) * STRIDE + kernel_size - side
    before = (kernel_size - 1) // 2 if padding == "symmetric" else total // 2
    return before, total - before


def _shrink(x, kernel, padding):
    if padding == "same":
        return tf.nn.conv2d(x, kernel, STRIDE, "SAME")
    # tf.pad, since a bfloat16 convolution with explicit padding takes thirty times as long on a CPU.
    return tf.nn.conv2d(_padded(x, kernel.shape[0], padding), kernel, STRIDE, "VALID")


def _padded(x, kernel_size, padding):
    return tf.pad(x, [(0, 0), *(pads(padding, side, kernel_size) for side in x.shape[1:3]), (0, 0)])


def _enlarge(x, kernel, size, padding):
    height, width = size
    outputs, batch = kernel.shape[2], tf.shape(x)[0]
    if outputs <= FEW_CHANNELS and _on_cpu():
        return _enlarge_by_subpixels(x, kernel, size, padding)
    if padding == "same":
        return tf.nn.conv2d_transpose(x, kernel, (batch, height, width, outputs), STRIDE, "SAME")
    (top, bottom), (left, right) = (pads(padding, side, kernel.shape[0]) for side in size)
    whole = (batch, top + height + bottom, left + width + right, outputs)
    x = tf.nn.conv2d_transpose(x, kernel, whole, STRIDE, "VALID")
    return x[:, top : top + height, left : left + width]


def _enlarge_by_subpixels(x, kernel, size, padding):
    """An ordinary convolution draws the four pixels of a 2x2 cell as channels (Shi et al. 2016, arXiv 1609.07009).

    With the zeros before it counted, pixel 2r + a of a row is the sum over m of x[r - m] * kernel[2m + a].
    """
    taps = -(-kernel.shape[0] // STRIDE)
    outputs, inputs = kernel.shape[2:]
    before = [pads(padding, side, kernel.shape[0])[0] for side in size]
    cells = [-(-(start + side) // STRIDE) for start, side in zip(before, size, strict=True)]
    around = [(taps - 1, count - side) for count, side in zip(cells, x.shape[1:3], strict=True)]
    kernel = tf.pad(kernel, [(0, STRIDE * taps - kernel.shape[0])] * 2 + [(0, 0)] * 2)
    kernel = tf.reshape(
        kernel, (taps, 2, taps, 2, outputs, inputs)
    )  # (m, a, n, b, outputs, inputs)
    kernel = tf.transpose(
        tf.reverse(kernel, [0, 2]), (0, 2, 5, 1, 3, 4)
    )  # -> (m, n, inputs, a, b, outputs)
    kernel = tf.reshape(kernel, (taps, taps, inputs, 4 * outputs))
    x = tf.nn.conv2d(tf.pad(x, [(0, 0), *around, (0, 0)]), kernel, 1, "VALID")
    x = tf.reshape(
        x, (-1, *cells, 2, 2, outputs)
    )  # (B, r, s, 4 * outputs) -> (B, r, s, a, b, outputs)
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))  # -> (B, r, a, s, b, outputs)
    x = tf.reshape(x, (-1, 2 * cells[0], 2 * cells[1], outputs))
    return x[:, before[0] : before[0] + size[0], before[1] : before[1] + size[1]]


def _kernel_gradient(x, dy, kernel_shape, padding):
    """x (B, H, W, inputs), dy (B, h, w, outputs) -> (k, k, inputs, outputs)."""
    if dy.shape[1] * dy.shape[2] <= SMALL_MAP and _on_cpu():
        return _kernel_gradient_swapped(x, dy, kernel_shape[0], padding)
    if padding != "same":
        x = _padded(x, kernel_shape[0], padding)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x,
        filter_sizes=kernel_shape,
        out_backprop=dy,
        strides=(1, STRIDE, STRIDE, 1),
        padding="SAME" if padding == "same" else "VALID",
    )


def _kernel_gradient_swapped(x, dy, kernel_size, padding):
    """Batch and channels change places: dy becomes a dilated kernel that slides over x, one position a tap."""
    x = tf.transpose(
        _padded(x, kernel_size, padding), (3, 1, 2, 0)
    )  # (B, H, W, inputs) -> (inputs, H, W, B)
    dy = tf.transpose(dy, (1, 2, 0, 3))  # (B, h, w, outputs) -> (h, w, B, outputs)
    return tf.transpose(
        tf.nn.conv2d(x, dy, 1, "VALID", dilations=STRIDE), (1, 2, 0, 3)
    )  # (inputs, k, k, outputs) -> ...


def _on_cpu() -> bool:
    return not tf.config.list_physical_devices("GPU")
