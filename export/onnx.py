"""A trained generator as an ONNX model, written node by node from its plain arrays.

z (B, z_dim), with labels y (B, y_dim) -> images (B, H, W, C) float32 in [-1, 1], pixels (B, H, W,
C) uint8, for any B. Inside, maps are (B, C, H, W), as ONNX wants them. Every padding is explicit:
runtimes disagree about automatic ones.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.card import list_settings_to_publish
from export.formats import FLOAT16
from export.plain import DENSE, PlainGenerator, PlainLayer, check_plain_generator_fits
from export.source import Source

# The newest that tf2onnx writes and onnxruntime-web 1.30 reads; onnx's own defaults are newer.
OPSET = 17
IR_VERSION = 8
ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}
LEVELS = 127.5  # times (image + 1): [-1, 1] -> [0, 255], as in ops.to_uint8


def encode_file(source: Source) -> bytes:
    """The bytes of generator.onnx. Raises ValueError where batch norm uses the batch."""
    config, restored = source.config, source.restored
    model = make_onnx_model(source.plain, dtype=source.dtype)
    settings = json.dumps(list_settings_to_publish(config))
    notes = {"config": settings, "step": str(restored.step), "weights": restored.weights}
    helper.set_model_props(model, notes)
    return model.SerializeToString()


def load_generator(path: Path) -> Callable[..., np.ndarray]:
    """A function z (B, z_dim), with labels y (B, y_dim) -> images (B, H, W, C), in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda **inputs: session.run(["images"], inputs)[0]


def make_onnx_model(plain: PlainGenerator, *, dtype: str = "float32") -> onnx.ModelProto:
    """dtype: of the stored weights; float16 ones are cast when the model runs, in float32."""
    check_plain_generator_fits(plain, "onnx", item_bytes=np.dtype(dtype).itemsize)
    graph = _Graph(dtype, plain.y_dim)
    x = "z"
    for number, layer in enumerate(plain.layers):
        x = _add_layer(graph, layer, x, number)
    _add_outputs(graph, x)

    inputs = {"z": plain.z_dim} | ({"y": plain.y_dim} if plain.y_dim else {})
    shape = ("batch", *plain.image_shape)
    made = helper.make_graph(
        graph.nodes,
        "generator",
        [_describe(name, TensorProto.FLOAT, ("batch", size)) for name, size in inputs.items()],
        [
            _describe("images", TensorProto.FLOAT, shape),
            _describe("pixels", TensorProto.UINT8, shape),
        ],
        graph.arrays,
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        made, opset_imports=opset, ir_version=IR_VERSION, producer_name="dcgan"
    )


class _Graph:
    """Nodes and stored arrays, as they are added."""

    def __init__(self, dtype: str, y_dim: int):
        self.dtype, self.y_dim = dtype, y_dim
        self.nodes, self.arrays = [], []

    def add(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def store(self, name: str, array) -> str:
        self.arrays.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def store_weights(self, name: str, array: np.ndarray) -> str:
        """In `dtype`; the name returned is that of the float32 weights."""
        if self.dtype != FLOAT16:
            return self.store(name, array)
        half = self.store(f"{name}_float16", array.astype(np.float16))
        return self.add("Cast", [half], name, to=TensorProto.FLOAT)


def _describe(name: str, kind: int, shape: tuple):
    return helper.make_tensor_value_info(name, kind, shape)


def _add_layer(graph: _Graph, layer: PlainLayer, x: str, number: int) -> str:
    """Adds the nodes of a layer for the input called x; returns the name of its output."""
    name = f"layer{number}"
    add = _add_dense if layer.kind == DENSE else _add_transposed_conv
    return graph.add(ACTIVATIONS[layer.activation], [add(graph, layer, x, name)], f"{name}_active")


def _add_dense(graph: _Graph, layer: PlainLayer, x: str, name: str) -> str:
    """(B, inputs) -> (B, c, h, w), or (B, units) where there are no maps."""
    if layer.joins_labels:
        x = graph.add("Concat", [x, "y"], f"{name}_input", axis=1)
    height, width, channels = layer.output
    has_maps = height * width > 1

    order = np.arange(layer.bias.size)
    if has_maps:
        # (h * w * c,) -> (h, w, c) -> (c, h, w) -> (c * h * w,)
        order = order.reshape(height, width, channels).transpose(2, 0, 1).ravel()
    kernel = graph.store_weights(f"{name}_kernel", layer.kernel[:, order])
    bias = graph.store_weights(f"{name}_bias", layer.bias[order])
    units = graph.add("Gemm", [x, kernel, bias], f"{name}_units")
    if not has_maps:
        return units
    shape = graph.store(f"{name}_shape", np.array([0, channels, height, width], np.int64))
    return graph.add("Reshape", [units, shape], f"{name}_maps")  # (B, c * h * w) -> (B, c, h, w)


def _add_transposed_conv(graph: _Graph, layer: PlainLayer, x: str, name: str) -> str:
    """(B, inputs, h_in, w_in) -> (B, c, h, w)."""
    (top, bottom), (left, right) = layer.pads
    size = len(layer.kernel)
    if layer.joins_labels:
        # 2 * (side_in - 1) + k - before - after = side
        sides = [
            (side - size + before + after) // 2 + 1
            for side, (before, after) in zip(layer.output[:2], layer.pads, strict=True)
        ]
        x = _add_label_maps(graph, x, sides, name)

    # (k, k, c, inputs) -> (inputs, c, k, k)
    kernel = graph.store_weights(f"{name}_kernel", layer.kernel.transpose(3, 2, 0, 1))
    bias = graph.store_weights(f"{name}_bias", layer.bias)
    return graph.add(
        "ConvTranspose",
        [x, kernel, bias],
        f"{name}_maps",
        kernel_shape=[size, size],
        strides=[2, 2],
        pads=[top, left, bottom, right],
    )


def _add_label_maps(graph: _Graph, x: str, sides: list[int], name: str) -> str:
    """(B, c, h, w) -> (B, c + y_dim, h, w): a constant map for each entry of y."""
    pixel = graph.store(f"{name}_pixel", np.array([0, graph.y_dim, 1, 1], np.int64))
    size = graph.store(f"{name}_size", np.array([1, 1, *sides], np.int64))
    one = graph.add("Reshape", ["y", pixel], f"{name}_label")  # (B, y_dim) -> (B, y_dim, 1, 1)
    maps = graph.add("Expand", [one, size], f"{name}_labels")  # -> (B, y_dim, h, w)
    return graph.add("Concat", [x, maps], f"{name}_input", axis=1)


def _add_outputs(graph: _Graph, x: str) -> None:
    """images, and pixels as ops.to_uint8 makes them: both round half to even."""
    images = graph.add("Transpose", [x], "images", perm=[0, 2, 3, 1])  # (B, C, H, W) -> NHWC
    one, levels, zero, most = (
        graph.store(name, np.float32(value))
        for name, value in {"one": 1, "levels": LEVELS, "zero": 0, "most": 255}.items()
    )
    raised = graph.add("Add", [images, one], "raised")
    scaled = graph.add("Mul", [raised, levels], "scaled")
    rounded = graph.add("Round", [scaled], "rounded")
    clipped = graph.add("Clip", [rounded, zero, most], "clipped")
    graph.add("Cast", [clipped], "pixels", to=TensorProto.UINT8)
