"""A trained generator as a LiteRT model (.tflite), for phones and small devices.

z (1, z_dim), with labels y (1, y_dim) -> images (1, H, W, C) float32 in [-1, 1]: one image at a
time, as the fast paths of LiteRT want fixed sizes. The graph is made from the generator's plain
arrays, so it is the same on every machine.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from export.formats import FLOAT16
from export.plain import DENSE, PlainGenerator, PlainLayer, check_plain_generator_fits
from export.source import Source
from kernels.convolution import STRIDE, choose_conv_padding

ACTIVATIONS = {"relu": tf.nn.relu, "tanh": tf.tanh}


def encode_file(source: Source) -> bytes:
    """The bytes of generator.tflite. Raises ValueError where batch norm uses the batch."""
    return convert_to_litert(source.plain, dtype=source.dtype)


def load_generator(path: Path) -> Callable[..., np.ndarray]:
    """A function z (B, z_dim), with labels y (B, y_dim) -> images (B, H, W, C), in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    draw_one = Interpreter(os.fspath(path)).get_signature_runner()

    def draw_one_by_one(**inputs):
        numbers = range(len(inputs["z"]))
        ones = [{name: rows[k : k + 1] for name, rows in inputs.items()} for k in numbers]
        return np.concatenate([draw_one(**one)["images"] for one in ones])

    return draw_one_by_one


def convert_to_litert(plain: PlainGenerator, *, dtype: str = "float32") -> bytes:
    """dtype: of the stored weights. LiteRT computes in float32 with either on a CPU."""
    check_plain_generator_fits(plain, "litert")  # TensorFlow converts float32 ones
    inputs = {"z": plain.z_dim} | ({"y": plain.y_dim} if plain.y_dim else {})
    specs = [tf.TensorSpec((1, size), tf.float32, name=name) for name, size in inputs.items()]

    def draw(z, y=None):
        return {"images": draw_plain_generator(plain, z, y)}

    module = tf.Module()
    module.draw = tf.function(draw, input_signature=specs, autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.draw.get_concrete_function()], module
    )
    if dtype == FLOAT16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def draw_plain_generator(plain: PlainGenerator, z: tf.Tensor, y: tf.Tensor | None) -> tf.Tensor:
    """z (B, z_dim), with labels y (B, y_dim) -> images (B, H, W, C), for a known B."""
    x = z
    for layer in plain.layers:
        x = _join_labels(x, y) if layer.joins_labels else x
        apply = _apply_dense if layer.kind == DENSE else _apply_transposed_conv
        x = ACTIVATIONS[layer.activation](apply(layer, x))
    return x


def _join_labels(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    if len(x.shape) == 4:
        # (B, y_dim) -> (B, h, w, y_dim)
        y = tf.tile(y[:, None, None], (1, *x.shape[1:3], 1))
    return tf.concat([x, y], -1)


def _apply_dense(layer: PlainLayer, x: tf.Tensor) -> tf.Tensor:
    """(B, inputs) -> (B, h, w, c), or (B, units) where there are no maps."""
    x = tf.matmul(x, layer.kernel) + layer.bias
    has_maps = math.prod(layer.output[:2]) > 1
    return tf.reshape(x, (-1, *layer.output)) if has_maps else x  # (B, h * w * c) -> (B, h, w, c)


def _apply_transposed_conv(layer: PlainLayer, x: tf.Tensor) -> tf.Tensor:
    """(B, h_in, w_in, inputs) -> (B, h, w, c)."""
    count, kernel = x.shape[0], tf.constant(layer.kernel)
    (height, width, channels), (rows, columns) = layer.output, layer.pads
    pads = [choose_conv_padding("same", side, len(layer.kernel)) for side in (height, width)]
    if [rows, columns] == pads:
        shape = (count, *layer.output)
        return tf.nn.conv2d_transpose(x, kernel, shape, STRIDE, "SAME") + layer.bias

    shape = (count, sum(rows) + height, sum(columns) + width, channels)
    x = tf.nn.conv2d_transpose(x, kernel, shape, STRIDE, "VALID")
    (top, _), (left, _) = rows, columns
    return x[:, top : top + height, left : left + width] + layer.bias
