import base64
import dataclasses
import json
import shutil
import subprocess
import zlib

import numpy as np
import pytest
import tensorflow as tf
from common import ROOT
from generators import LABELS, make_generator, make_latents
from plain_numpy import draw_with_numpy

import ops
from config.settings import Config
from data import label_choice
from export.page_weights import (
    ROWS,
    count_weights_as_base64,
    interleave_rows,
    pack_generator,
    round_to_float16,
)
from export.plain import DENSE, PlainGenerator, make_plain_generator

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="node is not installed")
# Answers one line of JSON: what to evaluate, with the functions of the page's scripts in scope.
DRIVER = """
const { readFileSync } = require("node:fs");
const scripts = process.argv.slice(1).map((path) => readFileSync(path, "utf8"));
const asked = JSON.parse(readFileSync(0, "utf8"));
const answer = new Function("asked", `"use strict";${scripts.join("\\n")}\\n${asked.code}`)(asked);
console.log(JSON.stringify(answer, (key, value) => ArrayBuffer.isView(value) ? [...value] : value));
"""


def run_in_node(code: str, **asked):
    """What JavaScript returns that sees the page's scripts and `asked`."""
    paths = [ROOT / "export" / "web" / name for name in ("random.js", "network.js")]
    done = subprocess.run(
        [NODE, "-e", DRIVER, *paths],
        input=json.dumps({"code": code, **asked}),
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def round_kernels(plain: PlainGenerator) -> PlainGenerator:
    """The generator with the kernels that a page has."""
    layers = []
    for layer in plain.layers:
        kernel, scale = round_to_float16(layer.kernel)
        layers.append(dataclasses.replace(layer, kernel=kernel.astype(np.float32) * scale))
    return dataclasses.replace(plain, layers=tuple(layers))


@needs_node
def test_javascript_draws_what_numpy_draws():
    """Odd sides, gray and alpha, both paddings, labels in every layer, rows that are no multiple of
    four.
    """
    settings = [
        {"output_height": 33, "output_width": 47, "c_dim": 1},
        {"output_height": 15, "c_dim": 4, "preset": "tutorial", "upsample": "smooth"},
        LABELS | {"preset": "paper", "output_width": 21},
        LABELS | {"upsample": "resize", "preset": "modern", "c_dim": 1},
    ]
    asked, expected = [], []
    for changes in settings:
        generator, config = make_generator(**changes)
        z, y = make_latents(config)
        plain = make_plain_generator(generator, config.label_names)
        manifest, text = pack_generator(plain)
        y_rows = None if y is None else y.tolist()
        asked.append({"manifest": manifest, "text": text, "z": z.tolist(), "y": y_rows})
        expected.append(draw_with_numpy(round_kernels(plain), z, y))

    drawn = run_in_node(
        """return asked.nets.map(({ text, manifest, z, y }) => {
            const network = openNetwork(text, manifest), floats = (row) => Float32Array.from(row);
            return z.map((row, k) => drawPixels(network, floats(row), y && floats(y[k])));
        });""",
        nets=asked,
    )
    for images, floats in zip(drawn, expected, strict=True):
        pixels = np.asarray(ops.to_uint8(tf.constant(floats, tf.float32)), int)
        difference = np.abs(np.reshape(images, pixels.shape) - pixels)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3  # sums in another order
        assert pixels.std() > 10


@needs_node
def test_javascript_draws_the_latents_of_tensorflow():
    """Uniform ones bit for bit; normal ones but for the last digits of sin, cos and log."""
    cases = [
        {"seed": str(seed), "index": index, "z_dim": z_dim, "z_dist": z_dist}
        for seed in (0, 7, 2**31 + 5, -3, 2**40 + 1, 2**63 - 1)
        for z_dim, z_dist in ((100, "uniform_signed"), (7, "uniform_unsigned"), (9, "normal01"))
        for index in (0, 1, 40)
    ]
    drawn = run_in_node(
        "return asked.cases.map((one) => drawLatent(one.seed, one.index, one.z_dim, one.z_dist));",
        cases=cases,
    )
    for case, z in zip(cases, drawn, strict=True):
        kind = {name: case[name] for name in ("z_dim", "z_dist")}
        expected = ops.latents(int(case["seed"]), 41, **kind).numpy()[case["index"]]
        atol = 1e-6 if case["z_dist"] == "normal01" else 0
        np.testing.assert_allclose(np.float32(z), expected, rtol=0, atol=atol)


@needs_node
@pytest.mark.parametrize(
    ("labels", "names"), [("folder", "abc"), ("A,B", "AB"), ("A,B,C,D,E", "ABCDE")]
)
def test_javascript_takes_labels_in_turn_as_sample_does(labels, names):
    config = Config(labels=labels, label_names=tuple(names))
    expected = label_choice.repeat_dataset_label_vectors(config, 20)
    drawn = run_in_node(
        "return asked.indices.map((index) => takeLabelInTurn(index, asked.count, asked.one_hot));",
        indices=list(range(20)),
        count=config.y_dim,
        one_hot=config.one_hot,
    )
    np.testing.assert_array_equal(drawn, expected)


@needs_node
def test_javascript_notices_every_damaged_byte():
    manifest, text = pack_generator(make_plain_generator(make_generator()[0]))
    code = (
        "const open = (text) => { try { return openNetwork(text, asked.manifest).shape; }"
        "catch (error) { return error.message; } };"
        "const middle = asked.text.length / 2 | 0, other = asked.text[middle] === 'A' ? 'B' : 'A';"
        "const damaged = asked.text.slice(0, middle) + other + asked.text.slice(middle + 1);"
        "return [open(asked.text), open(damaged), open(asked.text.slice(0, -8))];"
    )
    damage = "The weights in this file are damaged."
    assert run_in_node(code, manifest=manifest, text=text) == [[16, 16, 3], damage, damage]


def test_the_manifest_says_where_everything_is():
    plain = make_plain_generator(make_generator(**LABELS)[0], ("a", "b", "c"))
    manifest, text = pack_generator(plain)
    data = base64.b64decode(text)
    assert (len(data), zlib.adler32(data)) == (manifest["bytes"], manifest["checksum"])
    assert abs(len(text) - count_weights_as_base64(plain)) < 200
    for layer, told in zip(plain.layers, manifest["layers"], strict=True):
        bias = np.frombuffer(data, "<f4", told["bias_size"], told["bias_at"])
        np.testing.assert_array_equal(bias, layer.bias)
        kernel = np.frombuffer(data, "<f2", told["kernel_size"], told["kernel_at"])
        expected = layer.kernel if layer.kind == DENSE else interleave_rows(layer.kernel)
        np.testing.assert_allclose(kernel * told["scale"], expected.ravel(), rtol=1e-3, atol=1e-6)


def test_float16_neither_overflows_nor_vanishes():
    for largest in (1e-30, 3e-6, 1.0, 7e4, 1e30):
        kernel = np.array([[largest, -largest / 3, 0]], np.float32)
        rounded, scale = round_to_float16(kernel)
        assert rounded.dtype == np.float16
        np.testing.assert_allclose(np.float64(rounded) * scale, kernel, rtol=1e-3)
        assert np.log2(scale) == round(np.log2(scale))
    assert round_to_float16(np.zeros((2, 2), np.float32))[1] == 1


def test_the_numbers_of_four_rows_alternate():
    kernel = np.arange(3 * 3 * 2 * 5, dtype=np.float32).reshape(3, 3, 2, 5)
    rows, interleaved = kernel.reshape(18, 5), interleave_rows(kernel)
    assert interleaved.shape == (5, 5, ROWS)
    for row in range(20):
        expected = rows[row] if row < 18 else np.zeros(5)
        np.testing.assert_array_equal(interleaved[row // ROWS, :, row % ROWS], expected)
