"""A small frozen graph with the names and the quirks of the Inception graph of 2015-12-05."""

import io
import tarfile
from pathlib import Path

import numpy as np
import tensorflow as tf

SIDE, KERNEL, FEATURES, CLASSES = 19, 3, 6, 5  # the original: 299, many, 2048, 1008
EPSILON = 0.001


class SmallInception:
    """The weights, the graph with them as constants, and NumPy's results for images.

    The input is one decoded JPEG, batch normalisation is the op that newer graphs may not have, and
    pool_3 and the reshape after it are declared for one image.
    """

    def __init__(self, seed: int = 0):
        rng = np.random.default_rng(seed)
        shape = (KERNEL, KERNEL, 3, FEATURES)
        self.kernel = rng.normal(size=shape).astype(np.float32)
        self.moments = rng.uniform(0.5, 1.5, (4, FEATURES)).astype(np.float32)
        self.weights = rng.normal(size=(FEATURES, CLASSES)).astype(np.float32)

    def build_graph(self) -> tf.compat.v1.GraphDef:
        graph = tf.compat.v1.GraphDef()
        graph.versions.producer = 8
        add_constant(graph, "DecodeJpeg", np.zeros((7, 9, 3), np.uint8))
        add_node(graph, "Cast", "Cast", "DecodeJpeg", SrcT=tf.uint8, DstT=tf.float32)
        add_constant(graph, "ExpandDims/dim", np.int32(0))
        add_node(graph, "ExpandDims", "ExpandDims", "Cast", "ExpandDims/dim", T=tf.float32)
        add_constant(graph, "ResizeBilinear/size", np.int32([SIDE, SIDE]))
        sizes = ("ExpandDims", "ResizeBilinear/size")
        add_node(graph, "ResizeBilinear", "ResizeBilinear", *sizes, T=tf.float32)
        add_constant(graph, "Sub/y", np.float32(128))
        add_node(graph, "Sub", "Sub", "ResizeBilinear", "Sub/y", T=tf.float32)
        add_constant(graph, "Mul/y", np.float32(1 / 128))
        add_node(graph, "Mul", "Mul", "Sub", "Mul/y", T=tf.float32)
        self._add_layers(graph)
        return graph

    def _add_layers(self, graph) -> None:
        slide = {"strides": [1, 1, 1, 1], "padding": b"VALID", "T": tf.float32}
        add_constant(graph, "conv/kernel", self.kernel)
        add_node(graph, "conv", "Conv2D", "Mul", "conv/kernel", **slide)
        names = [f"conv/{name}" for name in ("mean", "variance", "beta", "gamma")]
        for name, values in zip(names, self.moments, strict=True):
            add_constant(graph, name, values)
        norm = {"variance_epsilon": EPSILON, "scale_after_normalization": True, "T": tf.float32}
        kind = "BatchNormWithGlobalNormalization"
        add_node(graph, "conv/batchnorm", kind, "conv", *names, **norm)
        add_node(graph, "conv/relu", "Relu", "conv/batchnorm", T=tf.float32)

        side = SIDE - KERNEL + 1
        add_node(graph, "pool_3", "AvgPool", "conv/relu", ksize=[1, side, side, 1], **slide)
        shapes = graph.node[-1].attr["_output_shapes"].list
        shapes.shape.add().CopyFrom(tf.TensorShape((1, 1, 1, FEATURES)).as_proto())
        add_constant(graph, "pool_3/_reshape/shape", np.int32([1, FEATURES]))
        add_node(graph, "pool_3/_reshape", "Reshape", "pool_3", "pool_3/_reshape/shape", **FLOATS)
        add_constant(graph, "softmax/weights", self.weights)
        product = ("pool_3/_reshape", "softmax/weights")
        add_node(graph, "softmax/logits/MatMul", "MatMul", *product, T=tf.float32)

    def write(self, path: Path) -> Path:
        """Writes the graph, in a .tgz if `path` ends so."""
        content = self.build_graph().SerializeToString()
        if path.suffix != ".tgz":
            path.write_bytes(content)
            return path
        with tarfile.open(path, "w:gz") as archive:
            for name, data in (("LICENSE", b"x"), ("./classify_image_graph_def.pb", content)):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return path

    def compute_features(self, images: np.ndarray) -> np.ndarray:
        """(n, FEATURES) of uint8 (n, H, W, 3), in float64."""
        maps = (resize_as_tensorflow_1(images, SIDE) - 128) / 128
        windows = np.lib.stride_tricks.sliding_window_view(maps, (KERNEL, KERNEL), axis=(1, 2))
        maps = np.einsum("nhwcij,ijcf->nhwf", windows, self.kernel)
        mean, variance, beta, gamma = self.moments.astype(np.float64)
        maps = (maps - mean) / np.sqrt(variance + EPSILON) * gamma + beta
        return np.maximum(maps, 0).mean((1, 2))


FLOATS = {"T": tf.float32}


def add_constant(graph, name: str, values) -> None:
    proto = tf.make_tensor_proto(values)
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)


def add_node(graph, name: str, op: str, *inputs: str, **attributes) -> None:
    node = graph.node.add(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        set_attribute(node.attr[key], value)


def set_attribute(attribute, value) -> None:
    if isinstance(value, tf.DType):
        attribute.type = value.as_datatype_enum
    elif isinstance(value, bool):
        attribute.b = value
    elif isinstance(value, float):
        attribute.f = value
    elif isinstance(value, bytes):
        attribute.s = value
    else:
        attribute.list.i.extend(value)


def resize_as_tensorflow_1(images: np.ndarray, side: int) -> np.ndarray:
    """Bilinear without half-pixel centres: pixel i comes from i * old / new."""
    maps = images.astype(np.float64)
    for axis in (1, 2):
        place = np.arange(side) * (maps.shape[axis] / side)
        first = np.floor(place).astype(int)
        second = np.minimum(first + 1, maps.shape[axis] - 1)
        share = (place - first).reshape([-1 if a == axis else 1 for a in range(4)])
        maps = maps.take(first, axis) * (1 - share) + maps.take(second, axis) * share
    return maps
