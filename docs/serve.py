"""Serves an exported SavedModel over HTTP, with the requests and answers of TensorFlow Serving.

    pip install tensorflow waitress
    python docs/serve.py out/celebA-64x64/export/saved_model

It needs nothing else of this program: copy this file and the SavedModel to a server.
docs/serving.md has the requests.
"""

import argparse
import base64
import json
import logging
import math
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow reads it

import tensorflow as tf

PORT = 8501  # TensorFlow Serving's, for HTTP
MOST_BYTES = 2**26  # of a request: about 260 images of 64x64 in colour, as text
# Of an answer, in numbers: some 85 MB as text, 341 images of 64x64 in colour. `sample` answers with
# PNGs instead; the SavedModel itself limits their count.
MOST_NUMBERS = 2**22
SHOWN_CHARACTERS = 200  # of a library's explanation
ASSERTION = re.compile(r"assertion failed: \[(.*)\]")  # in an error of TensorFlow
BODY = '{"signature_name": ..., "inputs": {...}}'


class RequestError(Exception):
    """Why a request gets no answer, and the HTTP status that says so."""

    def __init__(self, reason: str, status: str = "400 Bad Request"):
        super().__init__(" ".join(reason.split()))
        self.status = status


class Service:
    """A WSGI application: POST /v1/models/NAME:predict, and GET /v1/models/NAME for its state."""

    def __init__(self, folder: Path, name: str):
        logging.getLogger("absl").setLevel(logging.ERROR)  # it warns of gradients; none are needed
        self.signatures = tf.saved_model.load(os.fspath(folder)).signatures
        self.path = f"/v1/models/{name}"

    def __call__(self, environ: dict, start_response):
        try:
            status, answer = "200 OK", self.answer(environ)
        except RequestError as error:
            status, answer = error.status, {"error": str(error)}
        body = json.dumps(answer).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    def answer(self, environ: dict) -> dict:
        """What goes back as JSON. Raises RequestError."""
        asked = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if asked == ("GET", self.path):
            return {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}
        if asked == ("POST", f"{self.path}:predict"):
            return self.predict(read_json(environ))

        rule = f"Ask with POST {self.path}:predict or GET {self.path}."
        known = asked[1] in (self.path, f"{self.path}:predict")
        status = "405 Method Not Allowed" if known else "404 Not Found"
        raise RequestError(f"{rule} Received: {' '.join(asked)[:SHOWN_CHARACTERS]}.", status)

    def predict(self, request) -> dict:
        """{"outputs": ...}: a list for a signature with one output, else the lists by name."""
        if not isinstance(request, dict) or "inputs" not in request:
            raise RequestError(f"The body must be {BODY}. Received: no inputs.")

        name = request.get("signature_name", "serving_default")
        if not isinstance(name, str) or name not in self.signatures:
            known = ", ".join(self.signatures)
            raise RequestError(
                f"signature_name must be one of {known}. Received: {name!r:.{SHOWN_CHARACTERS}}."
            )
        signature = self.signatures[name]
        tensors = read_tensors(signature.structured_input_signature[1], request["inputs"])
        check_answer_is_not_too_large(signature.structured_outputs, tensors)
        outputs = call_signature(signature, tensors)
        listed = {name: list_values(tensor) for name, tensor in outputs.items()}
        return {"outputs": listed if len(listed) > 1 else next(iter(listed.values()))}


def read_json(environ: dict):
    """The body of a request."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # broken, not UTF-8, or lists in lists in lists
        raise RequestError(f"The body must be JSON: {BODY}. Received: {error}.") from error


def read_tensors(specs: dict, values) -> dict[str, tf.Tensor]:
    """The inputs of a signature: nested lists by name, or without a name if there is only one."""
    if not isinstance(values, dict) and len(specs) == 1:
        values = dict.fromkeys(specs, values)
    if not isinstance(values, dict) or set(values) != set(specs):
        received = ", ".join(values) if isinstance(values, dict) else "lists without names"
        raise RequestError(
            f"inputs must be {', '.join(specs)}. Received: {received[:SHOWN_CHARACTERS] or 'none'}."
        )
    return {name: read_tensor(name, spec, values[name]) for name, spec in specs.items()}


def read_tensor(name: str, spec: tf.TensorSpec, value) -> tf.Tensor:
    """A tensor of the dtype and shape that the signature wants."""
    shape = str(tuple(spec.shape)).replace("None", "N")
    rule = f"{name} must be {spec.dtype.name} of shape {shape}. Received:"
    try:
        # As the widest type: TensorFlow would wrap an int32 that is too large.
        wide = tf.constant(value, tf.int64 if spec.dtype.is_integer else spec.dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(f"{rule} {str(error)[:SHOWN_CHARACTERS]}") from error
    tensor = tf.cast(wide, spec.dtype)
    if not tf.reduce_all((tensor - tensor == 0) & (tf.cast(tensor, wide.dtype) == wide)):
        raise RequestError(f"{rule} a number out of its range.")  # or NaN, or infinity
    if not spec.shape.is_compatible_with(tensor.shape):
        raise RequestError(f"{rule} shape {tuple(tensor.shape)}.")
    return tensor


def check_answer_is_not_too_large(specs: dict, tensors: dict[str, tf.Tensor]) -> None:
    """Raises RequestError for rows whose answer would exhaust the memory."""
    rows = max((tensor.shape[0] for tensor in tensors.values() if tensor.shape.rank), default=0)
    numbers = sum(math.prod(spec.shape[1:]) for spec in specs.values())
    if rows * numbers > MOST_NUMBERS:
        most = MOST_NUMBERS // numbers
        raise RequestError(f"A request may have up to {most} rows. Received: {rows}. Split it.")


def call_signature(signature, tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The outputs by name. What the SavedModel does not accept is refused in its own words."""
    try:
        return signature(**tensors)
    except tf.errors.InvalidArgumentError as error:
        reason = ASSERTION.search(error.message)
        raise RequestError(
            reason[1] if reason else "The model does not accept inputs of these shapes."
        ) from error


def list_values(tensor: tf.Tensor) -> list:
    """Nested lists; binary strings as {"b64": ...}."""
    if tensor.dtype != tf.string:
        return tensor.numpy().tolist()
    return [{"b64": base64.b64encode(one).decode()} for one in tensor.numpy().ravel()]


def main(argv: list[str]) -> int:
    """Serves until it is interrupted. Returns the exit code."""
    given = parse_arguments(argv)
    if not (given.folder / "saved_model.pb").is_file():
        return print_error(f"{given.folder} must be a SavedModel. Received: no saved_model.pb.")
    try:
        import waitress
    except ImportError:
        return print_error("the package waitress is not installed. Run: pip install waitress")

    service = Service(given.folder, given.name)
    try:
        server = waitress.create_server(
            service,
            host=given.host,
            port=given.port,
            threads=given.threads,
            max_request_body_size=MOST_BYTES,
        )
    except OSError as error:
        return print_error(f"{given.host}:{given.port} cannot be used: {error.strerror or error}.")
    address = f"http://{given.host}:{server.effective_port}{service.path}"
    print(f"{given.folder} answers at {address}", flush=True)
    server.run()
    return 0


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a SavedModel, such as export/saved_model")
    parser.add_argument("--name", default="dcgan", help="in the address [%(default)s]")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: for all [%(default)s]")
    parser.add_argument("--port", type=int, default=PORT, help="[%(default)s]")
    parser.add_argument("--threads", type=int, default=4, help="requests at once [%(default)s]")
    return parser.parse_args(argv)


def print_error(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
