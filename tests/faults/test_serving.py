"""The SavedModel as a server runs it: 1,000 requests, half of them wrong in some way, get the right
answers.
"""

import base64
import dataclasses
import json
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from common import ROOT

import ops
from config.settings import Config
from export.card import MAX_COUNT, limit_images_per_request
from export.saved_model import answer_request_in_batches, write_saved_model
from gan import DCGAN
from model import Discriminator, Generator
from runs.checkpoints import Checkpoints, restore_networks
from sample import Sampler

REST = ROOT / "tests/faults/rest.py"
REQUESTS = 1000
SIZES = (1, 3, 65)
WARM = 300  # requests after which the server's memory has seen the largest ones
GROWTH = 60  # MB more at the end than at any time before; a leak of 100 KB a request would show
LABELS = {"labels": "folder", "label_names": ("a", "b"), "fc_width": 16}
MODELS = {"plain": {}, "labelled": LABELS, "batch": {**LABELS, "bn_statistics": "batch"}}


@dataclasses.dataclass(frozen=True)
class Served:
    """A SavedModel and the networks that it was made from."""

    folder: str
    config: Config
    generator: Generator
    discriminator: Discriminator

    def generate(self, z, y=None):
        """In whole batches if statistics are of the batch, as the signature promises."""
        if self.config.bn_statistics == "batch":
            return answer_request_in_batches(self.generator, z, y, tf.identity).numpy()
        return self.generator(z, y).numpy()

    def discriminate(self, images, y=None):
        return self.discriminator(images, y).numpy()

    def pixels(self, seed, count, y=None):
        config, whole = self.config, count + -count % 64
        z = ops.latents(seed, whole, z_dim=config.z_dim, z_dist=config.z_dist)
        y = y if y is None else np.resize(y, (whole, config.y_dim))
        return Sampler(config, self.generator).draw(z, y)[:count], z.numpy()[:count]


def served(place, name) -> Served:
    """A run after three steps, exported: its moving statistics are not the initial ones."""
    config = Config(
        output_height=16,
        c_dim=3,
        stem_width=32,
        z_dim=8,
        out_dir=str(place),
        out_name=name,
        **MODELS[name],
    ).resolve()
    dcgan, rng = DCGAN(config), np.random.default_rng(0)
    for _ in range(3):
        real = tf.constant(rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8))
        y = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 8)] if config.y_dim else None
        dcgan.train_step.python_function(real, latent(rng, 8), y)
    Checkpoints(dcgan, config).save(3)
    generator, discriminator = (
        Generator(config.network_config()),
        Discriminator(config.network_config()),
    )
    restore_networks(config, generator=generator, discriminator=discriminator)
    return Served(str(write_saved_model(config)), config, generator, discriminator)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    return {name: served(place, name) for name in MODELS}


def latent(rng, rows):
    return rng.uniform(-1, 1, (rows, 8)).astype(np.float32)


def y_of(rng, model, rows) -> dict:
    """The input y of so many rows, if the model takes one."""
    return (
        {"y": np.eye(2, dtype=np.float32)[rng.integers(0, 2, rows)]} if model.config.y_dim else {}
    )


def written(form, signature, tensors) -> dict:
    """A request in one of the three forms."""
    request = {"signature_name": signature}
    if form == "tensors":
        described = {
            name: {
                "dtype": array.dtype.name,
                "shape": array.shape,
                "values": array.ravel().tolist(),
            }
            for name, array in tensors.items()
        }
        return request | {"tensors": described}
    columns = {name: array.tolist() for name, array in tensors.items()}
    if form == "inputs":
        return request | {"inputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return request | {"instances": rows if len(columns) > 1 else next(iter(columns.values()))}


def column(answer, alias, shape):
    """An output (B, *shape) float32 of an answer in any form; its own shape is checked if the
    answer has it.
    """
    assert "error" not in answer, answer["error"]
    if "predictions" in answer:
        values = [row[alias] if isinstance(row, dict) else row for row in answer["predictions"]]
    else:
        values = (
            answer["outputs"][alias] if isinstance(answer["outputs"], dict) else answer["outputs"]
        )
    if "shapes" in answer:
        assert answer["shapes"][alias] == [len(values), *shape]
    return np.array(values, np.float32).reshape(-1, *shape)


def refused(words=""):
    def check(answer):
        assert set(answer) == {"error"}
        assert words in answer["error"]

    return check


# Valid requests: (request, the check that its answer must pass).


def generate(rng, model, rows=None):
    rows = int(rng.choice(SIZES)) if rows is None else rows
    form = rng.choice(["instances", "inputs", "tensors"]) if rows else "tensors"
    tensors = {"z": latent(rng, rows), **y_of(rng, model, rows)}

    def check(answer):
        images = column(answer, "images", (16, 16, 3))
        np.testing.assert_allclose(images, model.generate(**tensors), rtol=0, atol=1e-6)

    return written(form, "serving_default", tensors), check


def generate_none(rng, model):
    return generate(rng, model, 0)


def discriminate(rng, model, rows=None):
    rows = int(rng.choice((1, 3, 17))) if rows is None else rows
    form = rng.choice(["instances", "inputs", "tensors"]) if rows else "tensors"
    images = rng.uniform(-1, 1, (rows, 16, 16, 3)).astype(np.float32)
    tensors = {"images": images, **y_of(rng, model, rows)}

    def check(answer):
        logits = column(answer, "logits", (1,))
        if rows:  # outside the SavedModel, TensorFlow's convolution fails without rows
            np.testing.assert_allclose(logits, model.discriminate(**tensors), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            column(answer, "probability", (1,)), 1 / (1 + np.exp(-logits)), atol=1e-6
        )

    return written(form, "discriminate", tensors), check


def discriminate_none(rng, model):
    return discriminate(rng, model, 0)


def sample(rng, model, count=None):
    count = int(rng.choice([0, *SIZES])) if count is None else count
    seed = int(rng.choice([0, 7, -1, 2**31, 2**63 - 1, -(2**63)]))
    y = y_of(rng, model, count)

    def check(answer):
        pixels, z = model.pixels(seed, count, **y)
        np.testing.assert_array_equal(column(answer, "z", (8,)), z)
        encoded = [base64.b64decode(one["b64"]) for one in answer["outputs"]["png_bytes"]]
        assert len(encoded) == count
        for one, image in zip(encoded, pixels, strict=True):
            assert_same_pixels(iio.imread(one), image)

    tensors = {"seed": np.array(seed, np.int64), "count": np.array(count, np.int32), **y}
    return written(
        rng.choice(["inputs", "tensors"]) if count else "tensors", "sample", tensors
    ), check


def assert_same_pixels(ones, others):
    """Except for a few that are between two levels: TensorFlow fuses more layers for a server than
    for a direct call.
    """
    apart = np.abs(ones.astype(int) - others)
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01


def unknown_input(rng, model):
    """The server takes only the names that it knows from "inputs"."""
    tensors = {"z": latent(rng, 3), **y_of(rng, model, 3)}
    request = {"inputs": {name: array.tolist() for name, array in tensors.items()} | {"q": [1.0]}}

    def check(answer):
        images = column(answer, "images", (16, 16, 3))
        np.testing.assert_allclose(images, model.generate(**tensors), rtol=0, atol=1e-6)

    return request, check


def not_finite(rng, model):
    """One row is not finite; the others are what they are without it."""
    rows, k = int(rng.choice([3, 65])), int(rng.integers(3))
    tensors = {"z": latent(rng, rows), **y_of(rng, model, rows)}
    tensors["z"][k, rng.integers(8)] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e38])

    def check(answer):
        images = column(answer, "images", (16, 16, 3))
        assert images.shape[0] == rows
        if model.config.bn_statistics == "moving":
            others = {name: np.delete(array, k, 0) for name, array in tensors.items()}
            np.testing.assert_allclose(
                np.delete(images, k, 0), model.generate(**others), rtol=0, atol=1e-6
            )

    return written(
        rng.choice(["instances", "inputs", "tensors"]), "serving_default", tensors
    ), check


RIGHT = (
    generate,
    generate,
    generate_none,
    discriminate,
    discriminate_none,
    sample,
    sample,
    not_finite,
    unknown_input,
)


# Invalid requests: each must be refused.


def wrong_shape(rng, model):
    tensors = {"z": latent(rng, 3), **y_of(rng, model, 3)}
    name = rng.choice(list(tensors))
    one = tensors[name]
    tensors[name] = [one[:, :1], np.tile(one, (1, 2)), one[0], one[None], one[:, None], one[:, :0]][
        rng.integers(6)
    ]
    return written(rng.choice(["inputs", "tensors"]), "serving_default", tensors), refused()


def wrong_images(rng, model):
    shape = [(32, 32, 3), (8, 32, 3), (16, 16, 1), (16, 16), (16, 16, 3, 1), (0, 16, 3)][
        rng.integers(6)
    ]
    tensors = {"images": np.zeros((2, *shape), np.float32), **y_of(rng, model, 2)}
    return written(rng.choice(["inputs", "tensors"]), "discriminate", tensors), refused()


def wrong_y(rng, model):
    """With a wrong number of rows or width; a model without labels takes no y."""
    count = int(rng.choice([3, 64]))
    y = [
        np.zeros((count - 1, 2)),
        np.zeros((count + 1, 2)),
        np.zeros((count, 4)),
        np.zeros((1, 2)),
        np.zeros((0, 2)),
    ]
    tensors = {"y": y[rng.integers(len(y))].astype(np.float32)}
    if rng.integers(2):
        return written(
            "tensors", "serving_default", {"z": latent(rng, count), **tensors}
        ), refused()
    tensors |= {"seed": np.array(0, np.int64), "count": np.array(count, np.int32)}
    return written("tensors", "sample", tensors), refused()


def wrong_dtype(rng, model):
    tensors = {"z": latent(rng, 3), **y_of(rng, model, 3)}
    name = rng.choice(list(tensors))
    tensors[name] = tensors[name].astype(
        rng.choice(["float64", "float16", "int32", "int64", "bool"])
    )
    return written("tensors", "serving_default", tensors), refused()


def wrong_json(rng, model):
    z = latent(rng, 3).tolist()
    z[1][1] = [None, "1", True, 1e39, [1.0], {"b64": "AA=="}, {}][rng.integers(7)]
    tensors = {"z": z, **{name: y.tolist() for name, y in y_of(rng, model, 3).items()}}
    return {"inputs": tensors}, refused()


def wrong_names(rng, model):
    tensors = {"z": latent(rng, 3), **y_of(rng, model, 3)}
    form = rng.choice(["instances", "tensors"])
    what = rng.integers(4)
    if what == 0:
        return written(
            form, "serving_default", tensors | {"q": np.zeros((3, 1), np.float32)}
        ), refused()
    if what == 1:
        del tensors["z"]
        tensors["q"] = np.zeros((3, 8), np.float32)
        return written(
            form, "serving_default", tensors | {"x": np.zeros((3, 1), np.float32)}
        ), refused()
    if what == 2:
        return written(form, rng.choice(["", "generate", "Sample"]), tensors), refused()
    return [{}, {"inputs": {}}, {"instances": []}, {"instances": {}}, {"instances": [{}]}][
        rng.integers(5)
    ], refused()


def wrong_count(rng, model):
    count = int(rng.choice([-1, -64, -(2**31), MAX_COUNT + 1, 10**6, 2**31 - 1, 2**31 - 64]))
    tensors = {
        "seed": np.array(0, np.int64),
        "count": np.array(count, np.int32),
        **y_of(rng, model, 1),
    }
    rule = f"count must be from 0 to 4096. Received: {count}. Split it"
    return written(rng.choice(["inputs", "tensors"]), "sample", tensors), refused(rule)


def wrong_scalar(rng, model):
    wrong = [1.5, 2**31, 2**63, -(2**63) - 1, None, "3", [3], [], True]
    inputs = {
        "seed": 0,
        "count": 3,
        **{name: y.tolist() for name, y in y_of(rng, model, 3).items()},
    }
    inputs["count"] = wrong[rng.integers(len(wrong))]
    if inputs["count"] == 2**31:
        return {"signature_name": "sample", "inputs": inputs}, refused()
    if rng.integers(2) and inputs["count"] is not None:
        inputs["seed"], inputs["count"] = inputs["count"], 3
    return {"signature_name": "sample", "inputs": inputs}, refused()


WRONG = (
    wrong_shape,
    wrong_images,
    wrong_y,
    wrong_dtype,
    wrong_json,
    wrong_names,
    wrong_count,
    wrong_scalar,
)


def cases(models):
    """(kind, model, request, check), the same ones every time; the largest first."""
    rng = np.random.default_rng(0)
    large = [(generate, 1000), (sample, 1000), (discriminate, 65)]
    for kind, rows in large:
        for model in models.values():
            yield (kind.__name__, model, *kind(rng, model, rows))
    yield ("all of MAX_COUNT", models["plain"], *sample(rng, models["plain"], MAX_COUNT))
    kinds = (*RIGHT, *WRONG)
    for number in range(REQUESTS - 3 * len(large) - 1):
        model = list(models.values())[number % 3]
        kind = kinds[rng.integers(len(kinds))]
        yield (kind.__name__, model, *kind(rng, model))


def answers(asked, place, *, threads):
    """(MB of memory, answer) for every case, from one process that has only TensorFlow."""
    lines = [json.dumps([model.folder, request]) for _, model, request, _ in asked]
    (place / "requests").write_text("\n".join(lines))
    command = [sys.executable, "-I", REST, place / "requests", place / "answers", str(threads)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for line in (place / "answers").read_text().splitlines():
        megabytes, _, text = line.partition("\t")
        yield int(megabytes), json.loads(text)


def wrong_ones(asked, answered) -> list[str]:
    """What is wrong with the answers, for a message."""
    found = []
    for (kind, model, request, check), (_, answer) in zip(asked, answered, strict=True):
        try:
            check(answer)
        except AssertionError as error:
            found.append(
                f"{kind} {model.config.name} {str(request)[:200]} -> {str(answer)[:200]}: "
                f"{str(error)[:200]}"
            )
    return found


@pytest.mark.slow
def test_a_thousand_requests(models, tmp_path):
    asked = list(cases(models))
    answered = list(answers(asked, tmp_path, threads=1))
    assert len(answered) == REQUESTS
    found = wrong_ones(asked, answered)
    assert not found, f"{len(found)} wrong answers:\n" + "\n".join(found[:5])
    memory = [megabytes for megabytes, _ in answered]
    print(
        f"memory after {WARM} requests {memory[WARM]} MB, at most {max(memory)} MB, at the end "
        f"{memory[-1]} MB"
    )
    assert memory[-1] < max(memory[:WARM]) + GROWTH
    assert max(memory) < 2000


@pytest.mark.slow
def test_eight_threads_at_once(models, tmp_path):
    asked = list(cases(models))[10:310]
    found = wrong_ones(asked, answers(asked, tmp_path, threads=8))
    assert not found, f"{len(found)} wrong answers:\n" + "\n".join(found[:5])


@pytest.mark.slow
def test_saved_model_cli_shows_all_that_a_client_needs(models):
    """Named inputs and outputs, batches first, and binary data under ..._bytes."""
    model = models["labelled"]
    command = [
        sys.executable,
        "-m",
        "tensorflow.python.tools.saved_model_cli",
        "show",
        "--dir",
        model.folder,
        "--all",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
        "Concrete Functions"
    )[0]
    found = {}
    for part in shown.split("signature_def['")[1:]:
        name, signature = part.split("']", 1)
        for one in signature.split("puts['")[1:]:
            fields = [line.split(": ") for line in one.splitlines()[1:3]]
            found[name, one.split("']")[0]] = tuple(value for _, value in fields)
    found.pop(("__saved_model_init_op", "__saved_model_init_op"))
    assert found == {
        ("serving_default", "z"): ("DT_FLOAT", "(-1, 8)"),
        ("serving_default", "y"): ("DT_FLOAT", "(-1, 2)"),
        ("serving_default", "images"): ("DT_FLOAT", "(-1, 16, 16, 3)"),
        ("sample", "seed"): ("DT_INT64", "()"),
        ("sample", "count"): ("DT_INT32", "()"),
        ("sample", "y"): ("DT_FLOAT", "(-1, 2)"),
        ("sample", "png_bytes"): ("DT_STRING", "(-1)"),
        ("sample", "z"): ("DT_FLOAT", "(-1, 8)"),
        ("discriminate", "images"): ("DT_FLOAT", "(-1, 16, 16, 3)"),
        ("discriminate", "y"): ("DT_FLOAT", "(-1, 2)"),
        ("discriminate", "logits"): ("DT_FLOAT", "(-1, 1)"),
        ("discriminate", "probability"): ("DT_FLOAT", "(-1, 1)"),
    }


def test_large_pictures_lower_the_most_that_one_request_gets():
    assert limit_images_per_request(Config(c_dim=3).network_config()) == MAX_COUNT
    largest = Config(c_dim=4, output_height=512).network_config()
    assert limit_images_per_request(largest) * 512 * 512 * 4 == 2**29
