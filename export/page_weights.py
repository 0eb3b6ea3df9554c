"""A generator's weights as the page holds them: float16 kernels and float32 biases in base64.

web/network.js reads them, in the order and the layout written here.
"""

import base64
import zlib

import numpy as np

from export.plain import DENSE, PlainGenerator, PlainLayer

ROWS = 4  # of a kernel that network.js multiplies at once
BIAS_BYTES = 4  # a multiple of which each array starts at: JavaScript's typed arrays ask for it


def pack_generator(generator: PlainGenerator) -> tuple[dict, str]:
    """(manifest, weights in base64): all that network.js needs to draw."""
    data, layers = bytearray(), []
    for layer in generator.layers:
        kernel, scale = round_to_float16(layer.kernel)
        kernel = kernel if layer.kind == DENSE else interleave_rows(kernel)
        places = {
            "kernel_at": _append_array(data, kernel),
            "kernel_size": kernel.size,
            "bias_at": _append_array(data, layer.bias),
            "bias_size": layer.bias.size,
        }
        layers.append(_describe_layer(layer) | {"scale": scale} | places)

    manifest = {
        "shape": generator.image_shape,
        "layers": layers,
        "bytes": len(data),
        "checksum": zlib.adler32(data),
    }
    return manifest, base64.b64encode(data).decode("ascii")


def count_weights_as_base64(generator: PlainGenerator) -> int:
    """How many characters `pack_generator`'s text has, give or take a few: without packing it."""
    weights = sum(2 * layer.kernel.size + 4 * layer.bias.size for layer in generator.layers)
    return weights * 4 // 3


def round_to_float16(kernel: np.ndarray) -> tuple[np.ndarray, float]:
    """(the kernel in float16, scale): the kernel is about scale times that.

    scale: the power of two that leaves the largest weight between 1 and 2, where float16 has room
    on both sides. A power of two costs no accuracy.
    """
    largest = float(np.abs(kernel).max(initial=0))
    scale = 2.0 ** np.floor(np.log2(largest)) if largest else 1.0
    return (kernel / np.float32(scale)).astype(np.float16), float(scale)


def interleave_rows(kernel: np.ndarray) -> np.ndarray:
    """(k, k, c, inputs) -> (rows / ROWS, inputs, ROWS): the numbers of each ROWS rows alternate.

    A row is the inputs of one place and one channel; zeros fill up the last ROWS.
    """
    rows = kernel.reshape(-1, kernel.shape[-1])  # (k, k, c, inputs) -> (rows, inputs)
    rows = np.pad(rows, ((0, -len(rows) % ROWS), (0, 0)))
    # (rows, inputs) -> (rows / ROWS, ROWS, inputs) -> (rows / ROWS, inputs, ROWS)
    return rows.reshape(-1, ROWS, rows.shape[-1]).transpose(0, 2, 1)


def _describe_layer(layer: PlainLayer) -> dict:
    is_dense = layer.kind == DENSE
    return {
        "inputs": layer.kernel.shape[0] if is_dense else layer.kernel.shape[-1],
        "kernel_side": None if is_dense else layer.kernel.shape[0],
        "pads": None if is_dense else [before for before, _ in layer.pads],  # (top, left)
        "output": layer.output,
        "activation": layer.activation,
        "joins_labels": layer.joins_labels,
    }


def _append_array(data: bytearray, array: np.ndarray) -> int:
    """Appends an array in little-endian bytes; returns where it starts."""
    data.extend(bytes(-len(data) % BIAS_BYTES))
    start = len(data)
    data.extend(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return start
