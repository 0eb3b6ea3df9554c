"""TensorFlow Serving's REST without the server: answers requests from a SavedModel's metadata
alone.

    python -I rest.py REQUESTS ANSWERS THREADS

A line of REQUESTS is a JSON list: the SavedModel's folder and a request, {"signature_name",
"instances" or "inputs"} as in https://www.tensorflow.org/tfx/serving/api_rest, or
{"signature_name", "tensors"} for what gRPC can send besides: any dtype and shape. A line of ANSWERS
is the memory in MB, a tab, and what the server would send.

Each request is answered in both of TensorFlow's ways, which must agree: the server's own, a session
that runs the tensors that the metadata names, and the signature's function. With several THREADS
they answer concurrently. It imports nothing but TensorFlow.
"""

import base64
import json
import resource
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tensorflow as tf

MOST = 1e38  # nearly float32's largest; the server refuses larger numbers
REFUSALS = (ValueError, TypeError, tf.errors.OpError)  # anything else is our fault


class Model:
    """A loaded SavedModel: `answer` gives the server's answer to a request, `metadata` what it
    knows about the model.
    """

    def __init__(self, folder: str):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.metadata = tf.compat.v1.saved_model.load(
                self.session, ["serve"], folder
            ).signature_def
        self.functions = tf.saved_model.load(folder).signatures

    def answer(self, request: dict) -> dict:
        name = request.get("signature_name", "serving_default")
        if name not in self.metadata:
            raise ValueError(f"Serving signature name: {name!r} not found in signature def")
        signature = self.metadata[name]
        tensors = read(request, signature.inputs)
        by_function, by_session = (
            self._by_function(name, tensors),
            self._by_session(signature, tensors),
        )
        if isinstance(by_function, Exception) != isinstance(by_session, Exception):
            raise AssertionError(
                f"the function gives {by_function!r:.200}, the session {by_session!r:.200}"
            )
        if isinstance(by_function, Exception):
            raise by_function
        check_equal(by_function, by_session)
        if "tensors" in request:
            return write(by_session, row=False) | {
                "shapes": {a: one.shape for a, one in by_session.items()}
            }
        return write(by_session, row="instances" in request)

    def _by_function(self, name: str, tensors: dict) -> dict | Exception:
        try:
            return {
                alias: tensor.numpy() for alias, tensor in self.functions[name](**tensors).items()
            }
        except REFUSALS as error:
            return error

    def _by_session(self, signature, tensors: dict) -> dict | Exception:
        if set(tensors) != set(signature.inputs):
            return ValueError(
                f"input keys must be {set(signature.inputs)}. Received: {set(tensors)}"
            )
        for alias, tensor in tensors.items():  # Python's session would convert them
            if tensor.dtype != signature.inputs[alias].dtype:
                return ValueError(
                    f"{alias} must be {signature.inputs[alias].dtype}. Received: {tensor.dtype}"
                )
        feeds = {signature.inputs[alias].name: tensor.numpy() for alias, tensor in tensors.items()}
        try:
            return self.session.run(
                {alias: info.name for alias, info in signature.outputs.items()}, feeds
            )
        except REFUSALS as error:
            return error


def check_equal(ones: dict, others: dict) -> None:
    for alias, one in ones.items():
        other = others[alias]
        near = (
            tf.experimental.numpy.isclose(one, other, 1e-6, 1e-6, True)
            if one.dtype.kind == "f"
            else one == other
        )
        if one.shape != other.shape or not bool(tf.reduce_all(near)):
            raise AssertionError(f"{alias} differs between the function and the session")


def read(request: dict, inputs) -> dict[str, tf.Tensor]:
    """json_tensor.cc's FillPredictRequestFromJson: the tensors of a request by their aliases."""
    if "tensors" in request:
        return {
            alias: tf.reshape(tf.constant(one["values"], one["dtype"]), one["shape"])
            for alias, one in request["tensors"].items()
        }
    if ("instances" in request) == ("inputs" in request):
        raise ValueError("expecting one of 'inputs' and 'instances'")
    if "inputs" in request:
        columns = (
            request["inputs"] if is_named(request["inputs"]) else {only(inputs): request["inputs"]}
        )
        if missing := set(inputs) - set(columns):
            raise ValueError(f"Missing named input: {missing}")
        return {alias: tensor(columns[alias], inputs[alias].dtype) for alias in inputs}
    rows = request["instances"]
    if not isinstance(rows, list) or not rows:
        raise ValueError("No values in 'instances' array")
    rows = [row if is_named(row) else {only(inputs): row} for row in rows]
    if any(set(row) != set(inputs) for row in rows):
        raise ValueError(f"keys must be equal to: {set(inputs)}")
    return {alias: tensor([row[alias] for row in rows], inputs[alias].dtype) for alias in inputs}


def is_named(value) -> bool:
    return isinstance(value, dict) and set(value) != {"b64"}


def only(inputs) -> str:
    if len(inputs) != 1:
        raise ValueError("a plain list, but multiple input tensors are required")
    return next(iter(inputs))


def tensor(value, dtype: int) -> tf.Tensor:
    """Nested lists -> a tensor; ValueError for ragged lists and values that exceed the dtype."""
    for leaf in leaves(value):
        if isinstance(leaf, bool) or not isinstance(leaf, int | float):
            raise TypeError(
                f"JSON Value: {leaf!r:.50} is not of expected type: {tf.as_dtype(dtype).name}"
            )
        if MOST < abs(leaf) < float("inf"):
            raise ValueError(f"Cannot convert JSON value: {leaf} without loss of precision")
    return tf.constant(value, dtype)


def leaves(value):
    if not isinstance(value, list):
        yield value
        return
    for one in value:
        yield from leaves(one)


def write(outputs: dict, *, row: bool) -> dict:
    """json_tensor.cc's MakeJsonFromTensors: base64 for strings whose alias ends in _bytes, UTF-8
    for the others.
    """
    written = {alias: listed(array, alias.endswith("_bytes")) for alias, array in outputs.items()}
    if not row:
        return {"outputs": written if len(written) > 1 else next(iter(written.values()))}
    if len({len(column) for column in written.values()}) > 1:
        raise ValueError("inconsistent batch size")
    rows = [
        dict(zip(written, values, strict=True)) for values in zip(*written.values(), strict=True)
    ]
    return {"predictions": rows if len(written) > 1 else next(iter(written.values()))}


def listed(array, as_bytes: bool) -> list:
    if array.dtype.kind != "O":
        return array.tolist()
    return [
        {"b64": base64.b64encode(one).decode()} if as_bytes else one.decode()
        for one in array.tolist()
    ]


def megabytes() -> int:
    """The memory of this process, if Linux reports it; else its peak."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(requests: str, answers: str, threads: str) -> None:
    lines = [json.loads(line) for line in Path(requests).read_text().splitlines()]
    models = {folder: Model(folder) for folder in sorted({folder for folder, _ in lines})}
    together = threading.Barrier(int(threads))

    def answer(line: list) -> tuple[str, int]:
        try:
            answered = models[line[0]].answer(line[1])
        except REFUSALS as error:
            answered = {"error": f"{type(error).__name__}: {error}"}
        return json.dumps(answered), megabytes()

    with (
        ThreadPoolExecutor(int(threads), initializer=together.wait) as pool,
        open(answers, "w") as file,
    ):
        for text, memory in pool.map(answer, lines):
            file.write(f"{memory}\t{text}\n")
    foreign = {"config", "export", "sample", "model", "ops"} & set(sys.modules)
    assert not foreign, foreign


if __name__ == "__main__":
    main(*sys.argv[1:])
