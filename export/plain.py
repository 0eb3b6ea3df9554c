"""A trained generator as plain arrays: what a format needs that has no TensorFlow behind it.

Whatever the preset, a generator becomes dense layers and stride-2 transposed convolutions, each
with a bias and an activation. Batch norm is folded into the kernels and biases, smoothing and
resizing into the kernels, and the stem's units are in the order of its maps.
"""

import dataclasses

import numpy as np
import tensorflow as tf

import ops
from export.formats import check_draws_each_image_alone
from kernels.convolution import choose_conv_padding
from kernels.resize import merge_resize_into_kernel
from model import Generator

DENSE, TRANSPOSED_CONV = "dense", "transposed_conv"
MAX_BYTES = 2**31 - 2**24  # of weights: protobufs and flatbuffers end at 2 GiB; the rest is graph


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PlainLayer:
    """One layer: kernel, bias, activation. All arrays are float32 and contiguous.

    kind: "dense" or "transposed_conv", which has stride 2. kernel: (inputs, h * w * c) of a dense
    layer, (k, k, c, inputs) of a transposed convolution, as TensorFlow lays it out. bias: (h * w *
    c,) or (c,). pads: ((top, bottom), (left, right)), what a transposed convolution cuts off, so
    that h = 2 * (h_in - 1) + k - top - bottom; None for a dense layer. output: (h, w, c); (1, 1,
    units) if the dense layer has no maps. Units are in the order (h, w, c). activation: "relu" or
    "tanh". joins_labels: whether y is appended to the input, as the last entries of `inputs`: to a
    vector as it is, to maps as one constant map for each entry.
    """

    kind: str
    kernel: np.ndarray
    bias: np.ndarray
    pads: tuple[tuple[int, int], tuple[int, int]] | None
    output: tuple[int, int, int]
    activation: str
    joins_labels: bool


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PlainGenerator:
    """z (B, z_dim), with labels y (B, y_dim) -> images (B, *image_shape) in [-1, 1], in layers.

    z_dist: uniform_signed, uniform_unsigned or normal01. y_dim: 0 without labels. label_names: one
    for each entry of y. image_shape: (H, W, C).
    """

    z_dim: int
    z_dist: str
    y_dim: int
    label_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    layers: tuple[PlainLayer, ...]

    def count_weights(self) -> int:
        return sum(layer.kernel.size + layer.bias.size for layer in self.layers)


def make_plain_generator(
    generator: Generator, label_names: tuple[str, ...] | None = None
) -> PlainGenerator:
    """The generator as plain arrays. Raises ValueError if it draws with the batch's statistics."""
    network = generator.config
    check_draws_each_image_alone(network.bn_statistics, "plain arrays")
    label_layers = [_make_plain_label_layer(generator)] if generator.label_block else []
    return PlainGenerator(
        z_dim=network.z_dim,
        z_dist=network.z_dist,
        y_dim=network.y_dim,
        label_names=tuple(label_names or ()),
        image_shape=network.image_shape,
        layers=(
            *label_layers,
            _make_plain_stem(generator),
            *_make_plain_transposed_convs(generator),
        ),
    )


def check_plain_generator_fits(plain: PlainGenerator, name: str, *, item_bytes: int = 4) -> None:
    """Raises ValueError for more weights than the file of a format can hold. name: the format's."""
    size = plain.count_weights() * item_bytes
    if size > MAX_BYTES:
        raise ValueError(
            f"--export {name} holds generators of up to {MAX_BYTES / 1e9:.1f} GB. "
            f"Received: one of {size / 1e9:.1f} GB. Export a saved_model or safetensors."
        )


def _make_plain_label_layer(generator: Generator) -> PlainLayer:
    block = generator.label_block
    scale, shift = _read_norm_as_scale_and_shift(block.norm)
    output = (1, 1, generator.config.fc_width)
    return _make_plain_dense(generator, block.dense, scale=scale, shift=shift, output=output)


def _make_plain_stem(generator: Generator) -> PlainLayer:
    stem, network = generator.stem, generator.config
    height, width, channels = network.stem_shape
    scale, shift = _read_norm_as_scale_and_shift(stem.norm)

    order = np.arange(height * width * channels)  # the stem's unit for each place of its maps
    if network.stem_order == "chw":
        # (c * h * w,) -> (c, h, w) -> (h, w, c) -> (h * w * c,)
        order = order.reshape(channels, height, width).transpose(1, 2, 0).ravel()
    if stem.by_unit:
        scale, shift = scale[order], shift[order]
    else:
        scale, shift = (np.tile(part, height * width) for part in (scale, shift))  # (c,) -> hwc
    return _make_plain_dense(
        generator, stem.dense, scale=scale, shift=shift, output=network.stem_shape, order=order
    )


def _make_plain_dense(
    generator: Generator, dense: ops.Dense, *, scale, shift, output, order=slice(None)
) -> PlainLayer:
    """order: which of the layer's units comes at each place. scale, shift: in that order."""
    kernel, bias = (part[..., order] for part in _read_kernel_and_bias(dense))
    return PlainLayer(
        kind=DENSE,
        kernel=_to_float32(kernel * scale),
        bias=_to_float32(bias * scale + shift),
        pads=None,
        output=output,
        activation="relu",
        joins_labels=bool(generator.config.y_dim),
    )


def _make_plain_transposed_convs(generator: Generator) -> list[PlainLayer]:
    widths = (*generator.config.generator_widths[1:], generator.config.image_shape[-1])
    layers = []
    for block, width in zip(generator.blocks, widths, strict=True):
        kernel, bias, padding = _read_transposed_conv(block.conv)
        scale, shift = np.ones(width), np.zeros(width)
        if block.norm:
            scale, shift = _read_norm_as_scale_and_shift(block.norm)
        rows, columns = (
            choose_conv_padding(padding, side, kernel.shape[0]) for side in block.conv.size
        )
        layers.append(
            PlainLayer(
                kind=TRANSPOSED_CONV,
                kernel=_to_float32(kernel * scale[:, None]),  # (k, k, c, inputs) * (c, 1)
                bias=_to_float32(bias * scale + shift),
                pads=(rows, columns),
                output=(*block.conv.size, width),
                activation="relu" if block.norm else "tanh",
                joins_labels=bool(generator.config.y_dim),
            )
        )
    return layers


def _read_transposed_conv(conv: ops.Linear) -> tuple[np.ndarray, np.ndarray, str]:
    """Kernel, bias and padding of the one transposed convolution that the layer amounts to."""
    kernel, bias = _read_kernel_and_bias(conv)
    if isinstance(conv, ops.ResizeConv):
        return merge_resize_into_kernel(tf.constant(kernel)).numpy(), bias, "symmetric"
    if conv.smooths:
        kernel = ops.smooth_kernel(tf.constant(kernel)).numpy()
    return kernel, bias, conv.padding


def _read_kernel_and_bias(layer: ops.Linear) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64, so that folding rounds once; zeros where the layer has no bias."""
    kernel = layer.kernel.numpy().astype(np.float64)
    if layer.bias is not None:
        return kernel, layer.bias.numpy().astype(np.float64)
    outputs = kernel.shape[-1] if isinstance(layer, ops.Dense) else kernel.shape[-2]
    return kernel, np.zeros(outputs)


def _read_norm_as_scale_and_shift(norm: ops.BatchNorm) -> tuple[np.ndarray, np.ndarray]:
    """(channels,) each, float64: inference with moving statistics is x * scale + shift."""
    gamma, beta, mean, variance = (
        part.numpy().astype(np.float64)
        for part in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _to_float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
