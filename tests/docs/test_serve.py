"""docs/serve.py: its answers and refusals, and the real server with a real client."""

import base64
import contextlib
import http.client
import importlib.util
import io
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from common import ROOT
from program import run_here

from docs import serve
from export.saved_model import write_saved_model

PREDICT = "/v1/models/dcgan:predict"
MOST = 4096


class Small(tf.Module):
    """Signatures like those of an export, without networks."""

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, "z")])
    def generate(self, z):
        return {"images": tf.reshape(tf.repeat(z, 4, axis=1), (-1, 2, 2, 3))}

    @tf.function(
        input_signature=[tf.TensorSpec((), tf.int64, "seed"), tf.TensorSpec((), tf.int32, "count")]
    )
    def sample(self, seed, count):
        rule = tf.strings.format("count must be up to 4096. Received: {}.", count)
        with tf.control_dependencies([tf.debugging.Assert(count <= MOST, [rule])]):
            count = tf.identity(count)  # whatever is made of it waits for the check
        z = tf.fill((count, 1), tf.cast(seed, tf.float32))
        pngs = tf.fill((count,), tf.io.encode_png(tf.zeros((2, 2, 3), tf.uint8)))
        return {"png_bytes": pngs, "z": z}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder, module = tmp_path_factory.mktemp("served"), Small()
    signatures = {"serving_default": module.generate, "sample": module.sample}
    tf.saved_model.save(module, os.fspath(folder), signatures=signatures)
    return serve.Service(folder, "dcgan")


def ask(service, body, path=PREDICT, method="POST") -> tuple[int, dict]:
    """(status, answer) of a WSGI application."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = []
    content = service(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        },
        lambda status, headers: said.append((status, dict(headers))),
    )
    [(status, headers)], text = said, b"".join(content)
    assert headers == {"Content-Type": "application/json", "Content-Length": str(len(text))}
    assert text.count(b"\n") == 1  # one line
    return int(status.split()[0]), json.loads(text)


@pytest.mark.parametrize("inputs", [{"z": [[1, 2, 3]]}, [[1, 2.0, 3]]])
def test_one_output_is_a_plain_list(small, inputs):
    expected = np.repeat([1.0, 2, 3], 4).reshape(1, 2, 2, 3).tolist()
    assert ask(small, {"inputs": inputs}) == (200, {"outputs": expected})


def test_several_outputs_have_names_and_pngs_are_base64(small):
    request = {"signature_name": "sample", "inputs": {"seed": 7, "count": 2}}
    status, answer = ask(small, request)
    assert (status, answer["outputs"]["z"]) == (200, [[7.0], [7.0]])
    for one in answer["outputs"]["png_bytes"]:
        assert iio.imread(base64.b64decode(one["b64"])).shape == (2, 2, 3)


def test_the_state(small):
    status, answer = ask(small, b"", "/v1/models/dcgan", "GET")
    assert status == 200
    assert answer["model_version_status"][0]["state"] == "AVAILABLE"


def sampled(**inputs):
    return {"signature_name": "sample", "inputs": inputs}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"inputs": ', "The body must be JSON"),
        (b"\xff\xfe", "The body must be JSON"),
        (b"", "The body must be JSON"),
        (b"[" * 100_000, "The body must be JSON"),
        ([], "The body must be {"),
        ({"instances": [[1, 2, 3]]}, "Received: no inputs"),
        ({"inputs": {}}, "inputs must be z. Received: none."),
        ({"inputs": {"z": [[1, 2, 3]], "y": [[1]]}}, "inputs must be z. Received: z, y."),
        ({"inputs": [[1, 2]]}, "z must be float32 of shape (N, 3). Received: shape (1, 2)."),
        ({"inputs": [1, 2, 3]}, "z must be float32 of shape (N, 3). Received: shape (3,)."),
        ({"inputs": [[1, 2, 3], [1]]}, "z must be float32 of shape (N, 3). Received: Can't"),
        ({"inputs": [["a", "b", "c"]]}, "z must be float32"),
        ({"inputs": None}, "z must be float32"),
        ({"inputs": [[1, 2, 3]], "signature_name": "draw"}, "must be one of serving_default, sam"),
        ({"inputs": [[1, 2, 3]], "signature_name": ["draw"]}, "must be one of serving_default"),
        (sampled(seed=7), "inputs must be"),
        (sampled(seed=7, count=10**9), "count must be up to 4096. Received: 1000000000."),
        (sampled(seed=7, count=10**12), "count must be int32 of shape ()"),
        (sampled(seed=7, count=1.5), "count must be int32 of shape ()"),
        (sampled(seed="7", count=1), "seed must be int64 of shape ()"),
        (sampled(seed=2**63, count=1), "seed must be int64 of shape ()"),
        (b'{"inputs": [[NaN, 0, 0]]}', "z must be float32 of shape (N, 3). Received: a number out"),
        ({"inputs": [[1e300, 0, 0]]}, "z must be float32 of shape (N, 3). Received: a number out"),
    ],
)
def test_bad_requests_are_one_line(small, body, reason):
    status, answer = ask(small, body)
    assert status == 400
    assert set(answer) == {"error"} and "\n" not in answer["error"]
    assert reason in answer["error"]


def test_too_many_rows_for_one_answer_are_refused(small, monkeypatch):
    monkeypatch.setattr(serve, "MOST_NUMBERS", 30)  # 12 for an image
    assert ask(small, {"inputs": [[0, 0, 0]] * 2})[0] == 200
    assert ask(small, sampled(seed=0, count=9))[0] == 200  # limited by the model
    answer = {"error": "A request may have up to 2 rows. Received: 3. Split it."}
    assert ask(small, {"inputs": [[0, 0, 0]] * 3}) == (400, answer)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("POST", "/v1/models/other:predict", 404), ("GET", PREDICT, 405), ("GET", "/", 404)],
)
def test_other_addresses_are_refused(small, method, path, expected):
    status, answer = ask(small, b"", path, method)
    assert status == expected
    assert f"Ask with POST {PREDICT}" in answer["error"]


def test_other_folders_are_one_line(tmp_path, capsys):
    assert serve.main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said == f"error: {tmp_path} must be a SavedModel. Received: no saved_model.pb.\n"


def test_without_the_server_a_line_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "waitress", None)
    (tmp_path / "saved_model.pb").touch()
    assert serve.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("Run: pip install waitress\n")


# The real server, in its own process.

needs_server = pytest.mark.skipif(
    not importlib.util.find_spec("waitress"),
    reason="waitress is not installed: pip install -r requirements-export.txt",
)


@contextlib.contextmanager
def served(folder):
    """The address of a running server, as it prints it."""
    command = [sys.executable, "docs/serve.py", str(folder), "--port=0"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield re.search(r"answers at (\S+)", process.stdout.readline())[1]
        finally:
            process.terminate()


def post(address: str, body: bytes) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"{address}:predict", body, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@needs_server
@pytest.mark.slow
def test_a_client_gets_the_images_of_sample(trained):
    labels = {"labels": "folder", "label_names": ("a", "b"), "fc_width": 16}
    config = trained(blocks=1, g_updates=1, **labels)
    flags = (f"--out_dir={config.out_dir}", f"--out_name={config.name}", "--seed=7", "--label=b")
    assert run_here(*flags, "--sample=3") == 0
    folder = config.run_dir / "samples" / "seed_7_b"
    files = [iio.imread(folder / f"{number:06}.png") for number in range(3)]

    with served(write_saved_model(config)) as address:
        request = sampled(seed=7, count=3, y=[[0, 1]] * 3)
        status, answer = post(address, json.dumps(request).encode())
        assert status == 200
        pngs = [base64.b64decode(one["b64"]) for one in answer["outputs"]["png_bytes"]]
        for png, pixels in zip(pngs, files, strict=True):
            np.testing.assert_array_equal(iio.imread(png), pixels)

        inputs = {"z": answer["outputs"]["z"], "y": [[0, 1]] * 3}
        _, drawn = post(address, json.dumps({"inputs": inputs}).encode())
        levels = np.round((np.array(drawn["outputs"]) + 1) * 127.5)
        assert np.abs(levels - np.stack(files)).max() <= 1

        judged = {"images": drawn["outputs"], "y": [[0, 1]] * 3}
        request = {"signature_name": "discriminate", "inputs": judged}
        _, opinion = post(address, json.dumps(request).encode())
        assert np.shape(opinion["outputs"]["logits"]) == (3, 1)
        assert all(0 < one < 1 for [one] in opinion["outputs"]["probability"])

        for body in (
            json.dumps(sampled(seed=7, count=10**9, y=[[0, 1]])).encode(),
            json.dumps({"inputs": {"z": [[1, 2]], "y": [[0, 1]]}}).encode(),
            json.dumps({"inputs": {"z": [[0] * 8] * 2, "y": [[0, 1]]}}).encode(),
            b'{"inputs": ',
        ):
            status, answer = post(address, body)
            assert status == 400
            assert "\n" not in answer["error"]
        assert ask_to_take(address, serve.MOST_BYTES + 1) == 413
        assert post(address, json.dumps({"inputs": inputs}).encode())[0] == 200  # still there


def ask_to_take(address: str, size: int) -> int:
    """The status of a request that announces so many bytes."""
    place = urllib.parse.urlsplit(address)
    with contextlib.closing(http.client.HTTPConnection(place.netloc, timeout=60)) as connection:
        connection.putrequest("POST", f"{place.path}:predict")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        return connection.getresponse().status


@needs_server
@pytest.mark.slow
def test_the_snippet_in_the_documents_works_as_it_stands(trained, tmp_path, monkeypatch):
    config = trained(blocks=1, g_updates=1)
    flags = (f"--out_dir={config.out_dir}", f"--out_name={config.name}", "--seed=7")
    assert run_here(*flags, "--sample=4") == 0
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    [snippet] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with served(write_saved_model(config)) as address:
        names = {}
        exec(snippet.replace("http://localhost:8501/v1/models/dcgan", address), names)
    assert np.shape(names["images"]) == (4, 16, 16, 3)
    assert np.shape(names["judged"]) == (4, 1)
    for number in range(4):
        name = f"{number:06}.png"
        expected = iio.imread(config.run_dir / "samples" / "seed_7" / name)
        np.testing.assert_array_equal(iio.imread(tmp_path / name), expected)


@needs_server
def test_a_port_in_use_is_one_line(tmp_path, capsys):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main([str(tmp_path), f"--port={port}"]) == 1
    said = capsys.readouterr().err
    assert said == f"error: 127.0.0.1:{port} cannot be used: Address already in use.\n"
